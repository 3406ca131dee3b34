"""How it is done: one module for each system outside, API Gateway, DynamoDB, S3 and so on."""
