"""The least that stores a delivery: raw boto3, one put, no checks."""

import json
import os

import boto3

dynamodb = boto3.client("dynamodb")


def handler(event, context):
    run = json.loads(event["body"])
    item = {"run_id": {"S": run["run_id"]}, "payload": {"S": event["body"]}}
    dynamodb.put_item(TableName=os.environ["RUNS_TABLE"], Item=item)
    return {"statusCode": 200, "body": "{}"}
