"""A webhook as a small web application: FastAPI behind Mangum."""

import os
from hmac import compare_digest
from typing import Any

import boto3
from fastapi import FastAPI, HTTPException, Request
from mangum import Mangum

app = FastAPI()
dynamodb = boto3.client("dynamodb")
secret = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["SHARED_TOKEN_SECRET"])["SecretString"]


@app.post("/webhook")
async def webhook(request: Request, token: str) -> dict[str, Any]:
    if not compare_digest(token, secret):
        raise HTTPException(401)
    run = await request.json()
    item = {"run_id": {"S": run["run_id"]}, "payload": {"S": (await request.body()).decode()}}
    dynamodb.put_item(TableName=os.environ["RUNS_TABLE"], Item=item)
    return {"run_id": run["run_id"]}


handler = Mangum(app)
