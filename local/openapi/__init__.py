"""The HTTP surface as an OpenAPI 3.1 document, made of what the code itself goes by."""
