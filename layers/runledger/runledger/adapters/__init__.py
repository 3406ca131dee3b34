"""One module for each system outside: API Gateway, DynamoDB, S3, Secrets Manager, CloudWatch, the environment."""
