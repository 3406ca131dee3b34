"""A webhook as one writes it after the tutorial of Powertools: resolver, logger, tracer, metrics, parameters, table."""

import os
from hmac import compare_digest

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.exceptions import UnauthorizedError
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters

app = APIGatewayHttpResolver()
logger, tracer, metrics = Logger(), Tracer(), Metrics()
table = boto3.resource("dynamodb").Table(os.environ["RUNS_TABLE"])


@app.post("/webhook")
@tracer.capture_method
def webhook():
    token = parameters.get_secret(os.environ["SHARED_TOKEN_SECRET"])
    if not compare_digest(app.current_event.query_string_parameters.get("token", ""), token):
        raise UnauthorizedError("the token is wrong")
    run = app.current_event.json_body
    table.put_item(Item={"run_id": run["run_id"], "payload": app.current_event.body})
    metrics.add_metric("delivered", MetricUnit.Count, 1)
    logger.info("delivered", run_id=run["run_id"])
    return {"run_id": run["run_id"]}


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    return app.resolve(event, context)
