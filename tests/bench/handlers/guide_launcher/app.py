"""A launcher as one writes it after LangGraph's guide to webhooks: a client, a thread, a run with a webhook."""

import asyncio
import json
import os

import boto3
from langgraph_sdk import get_client

secret = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["SHARED_TOKEN_SECRET"])["SecretString"]


async def launch(request):
    client = get_client(url=os.environ["LANGGRAPH_URL"])
    thread = await client.threads.create()
    return await client.runs.create(
        thread["thread_id"],
        request["assistant_id"],
        input=request["input"],
        after_seconds=request["after_seconds"],
        webhook=f"{os.environ['WEBHOOK_URL']}?token={secret}",
    )


def handler(event, context):
    run = asyncio.run(launch(json.loads(event["body"])))
    return {"statusCode": 202, "body": json.dumps({"run_id": run["run_id"]})}
