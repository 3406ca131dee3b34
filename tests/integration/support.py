"""What the tests of the handlers share: events as the gateway sends them, AWS as moto holds it, output as printed."""

from __future__ import annotations

import base64
import copy
import gzip
import itertools
import json
import re
import time
import uuid
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from urllib.parse import parse_qs

import boto3
from boto3.dynamodb.types import TypeDeserializer
from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import sqs_backends

from local import queue, resources
from local.stream import batches
from local.worker import Context
from runledger import deadline, telemetry
from runledger.adapters.dynamodb import RunsTable
from runledger.adapters.secrets_manager import Secret, key_ring
from runledger.domain import launch_states, run_states, tokens
from tests.contract.surface import complaints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from local.template import Function, Template
    from runledger.domain.ledger import Update

NOW = 1_795_327_200.0  # 2026-11-22T06:00:00Z, when every handler here runs
SOURCE = "203.0.113.7"
LEDGER_ID = "ledger-of-the-tests"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NO_RUN = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
LATER = int(NOW) + 3600
CHECK = int(NOW) + 120  # when a run is looked at first
_SWEEPS = 8  # the most that one run takes: what a step makes due is due at once
LEASE_ENDS = int(NOW) + 60  # when a launch that has no run yet is looked at first


def new_id() -> str:
    return str(uuid.uuid4())


@dataclass
class Reply:
    """One answer of a handler."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def problem(self) -> str:
        """The problem's name, the answer being one in every other respect too."""
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.body["status"] == self.status
        assert self.body["title"]
        assert self.body["detail"]
        return str(self.body["type"].removeprefix("urn:runledger:"))


@dataclass
class Door:
    """One handler behind its route, and what it is made of."""

    app: Any  # the module
    parts: Any
    function: Function
    handler: Callable[..., Any]

    def handle(self, event: dict[str, Any], seconds: float | None = None) -> Any:
        """Call the handler as Lambda does; `seconds` is what it has left, all its time by default."""
        context = Context(seconds or self.function.timeout, function_name=self.function.name)
        with serving(self.function.environment):
            self.app.parts._built = self.parts  # noqa: SLF001 - another load may have built others
            return self.handler(event, context)

    def call(
        self,
        body: str | None,
        query: str = "",
        headers: dict[str, str] | None = None,
        *,
        is_base64: bool = False,
        seconds: float | None = None,
        seconds_then: tuple[float, ...] = (),
    ) -> Reply:
        """Call the handler as the gateway does.

        `seconds` is what the function has left, all its time by default; or `seconds_then`, at one write after another.
        """
        route = self.function.routes[0]
        event = http_event(route.method, route.path, body, query, headers or {}, is_base64=is_base64)
        with ExitStack() as stack:
            if seconds_then:
                clock = itertools.chain((0.0,), (self.function.timeout - left for left in seconds_then))
                ticking = SimpleNamespace(monotonic=lambda: next(clock))
                stack.enter_context(patch.object(deadline, "time", ticking))
            answer = self.handle(event, seconds)
        assert answer["headers"]["Cache-Control"] == "no-store"
        return _described(event, Reply(answer["statusCode"], answer["headers"], answer["body"]))

    def get(self, url: str, headers: dict[str, str] | None = None, prefix: str = "") -> Reply:
        """Call the handler for the route that the URL is of, as the gateway does behind a base path `prefix`."""
        return self._at("GET", url, None, headers or {}, prefix)

    def post(self, url: str, body: str | None = None, prefix: str = "") -> Reply:
        """Call the handler for the route that the URL is of, as the gateway does behind a base path `prefix`."""
        return self._at("POST", url, body, {}, prefix)

    def _at(self, method: str, url: str, body: str | None, headers: dict[str, str], prefix: str) -> Reply:
        path, _, query = url.partition("?")
        (route, found), *_ = [
            (route, found) for route in self.function.routes if (found := _pattern(route.path).fullmatch(path))
        ]
        event = http_event(method, route.path, body, query, headers, is_base64=False)
        event |= {"rawPath": prefix + path, **({"pathParameters": found.groupdict()} if found.groupdict() else {})}
        answer = self.handle(event)
        return _described(event, Reply(answer["statusCode"], answer["headers"], answer.get("body", "")))


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[None]:
    """Log and count as the function with this environment; in Lambda each has a process of its own."""
    kept = telemetry.logger.service
    telemetry.metrics.namespace = environment["POWERTOOLS_METRICS_NAMESPACE"]
    _serve(environment["POWERTOOLS_SERVICE_NAME"])
    try:
        yield
    finally:
        _serve(kept)


def _serve(name: str) -> None:
    telemetry.logger.service = telemetry.metrics.service = name
    telemetry.logger._default_log_keys["service"] = name  # noqa: SLF001 - it is read at the start alone


def _described(event: dict[str, Any], reply: Reply) -> Reply:
    """Return the reply, which must be as the OpenAPI document says of its route."""
    assert not complaints(event["routeKey"], reply.status, reply.headers, reply.text), reply
    return reply


@dataclass
class Webhook(Door):
    """The webhook's handler. Where `is_usual`, the launcher has recorded the run before its delivery comes."""

    aws: Aws
    is_usual: bool = True

    def call(self, body: str | None, query: str = "", *args: Any, **named: Any) -> Reply:
        if self.is_usual:
            self.record(body, query, is_base64=named.get("is_base64", False))
        return super().call(body, query, *args, **named)

    def keep_inline(self, most: int) -> None:
        """Leave payloads of so many bytes to their items."""
        receiver = replace(self.parts.receiver, inline_payload_bytes=most)
        self.parts = replace(self.parts, receiver=receiver)

    def record(self, body: str | None, query: str, *, is_base64: bool = False) -> None:
        """Record the run of a body for the launch of a good token, as the launcher does, unless it is there.

        What the webhook has in memory stays as it is, and so does what its own clients are made to do.
        """
        try:
            ring = tokens.KeyRing.parse(self.aws.secret("KeyRingSecret"))
            launch_id = tokens.verify(tokens.in_query(query)[0], ring, NOW, accept_shared=False).launch_id
            run: Any = json.loads(base64.b64decode(body or "") if is_base64 else body or "", parse_int=str)
            if (
                not _ID.fullmatch(run["run_id"].lower())
                or (run.get("metadata") or {}).get("launch_id", launch_id) != launch_id
            ):
                return
            assert launch_id
            run_id, thread_id = run["run_id"].lower(), run.get("thread_id") or "thread"
            if self.aws.run(run_id) is None:
                record_launch(self.aws, run_id, launch_id, thread_id if isinstance(thread_id, str) else "thread")
        except (*_NO_RUN, tokens.TokenRefusedError, tokens.UnknownKeyError, tokens.KeyRingUnusableError):
            return


@dataclass
class Recovery:
    """What performs what is due: the sweep behind its schedule, and the worker behind the work queue."""

    sweep: Door
    door: Door  # the worker
    aws: Aws

    def __post_init__(self) -> None:
        self.sweep.parts = replace(self.sweep.parts, in_parallel=map)  # in order

    @property
    def parts(self) -> Any:
        return self.door.parts

    def run(self, seconds: float | None = None) -> None:
        """Sweep and work until nothing is due; `seconds` is what each worker has left, all its time by default."""
        for _ in range(_SWEEPS):
            self.enqueue()
            batches = list(self.batches())
            for batch in batches:
                self.bring(batch, seconds)
            if not batches:
                return

    def enqueue(self, seconds: float | None = None) -> None:
        """Call the sweep as the scheduler does."""
        assert self.sweep.handle({"version": "0", "source": "aws.scheduler", "detail": {}}, seconds) is None

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """Receive what is in the work queue, as Lambda would hand it over."""
        sqs, url = self.aws.client("sqs"), self.aws.template.names["WorkQueue"]
        arn = resources.queue_arn(sqs, url)
        assert self.door.function.messages
        size = self.door.function.messages.size
        while messages := queue.receive(sqs, url, size):
            yield [queue.record(message, arn) for message in messages]

    def bring(self, batch: list[dict[str, Any]], seconds: float | None = None) -> list[str]:
        """Call the worker as Lambda does; return the bodies of the messages that are to come again."""
        answer = self.door.handle({"Records": batch}, seconds)
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        sqs, url = self.aws.client("sqs"), self.aws.template.names["WorkQueue"]
        for record in batch:
            if record["messageId"] not in failed:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=record["receiptHandle"])
        return [record["body"] for record in batch if record["messageId"] in failed]


@dataclass
class Stream:
    """The worker behind the stream of the Runs table."""

    door: Door
    aws: Aws
    wall: WallClock
    _read: int = 0

    @property
    def parts(self) -> Any:
        return self.door.parts

    def batches(self) -> list[list[dict[str, Any]]]:
        """Return what was written since this was last called, now, as far as the function is to see it."""
        source = self.door.function.source
        assert source
        table = dynamodb_backends["123456789012"]["us-east-1"].tables[self.aws.template.names[source.table]]
        assert table.stream_shard
        written = [copy.deepcopy(record.to_json()) for record in table.stream_shard.items[self._read :]]
        self._read += len(written)
        for record in written:
            record["dynamodb"]["ApproximateCreationDateTime"] = datetime.fromtimestamp(self.wall.now, UTC)
        return batches(source, written)

    def bring(self, batch: list[dict[str, Any]], seconds: float | None = None) -> list[str]:
        """Call the handler as Lambda does; return the runs whose records are to be repeated."""
        answer = self.door.handle({"Records": batch}, seconds)
        keys = {r["dynamodb"]["SequenceNumber"]: r["dynamodb"]["Keys"]["run_id"]["S"] for r in batch}
        return [keys[failure["itemIdentifier"]] for failure in answer["batchItemFailures"]]

    def flow(self) -> None:
        """Bring what was written, and what that leads to, each record once."""
        while written := self.batches():
            for batch in written:
                self.bring(batch)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))


def http_event(
    method: str, path: str, body: str | None, query: str, headers: dict[str, str], *, is_base64: bool
) -> dict[str, Any]:
    """Return an event in API Gateway's payload format 2.0."""
    sent = {"accept": "*/*", "content-type": "application/json", "user-agent": "python-httpx/0.28.1", **headers}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": sent,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": SOURCE},
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": f"{method} {path}",
            "stage": "$default",
            "timeEpoch": int(NOW * 1000),
        },
        "isBase64Encoded": is_base64,
    }
    if query:
        parameters = parse_qs(query, keep_blank_values=True)
        event["queryStringParameters"] = {name: ",".join(values) for name, values in parameters.items()}
    if body is not None:
        event["body"] = body
    return event


@dataclass
class Aws:
    """moto, holding the resources of template.yaml."""

    template: Template
    _deserialize: Any = field(default_factory=lambda: TypeDeserializer().deserialize)

    def client(self, service: str) -> Any:
        return resources.session().client(service)  # type: ignore[call-overload]

    def items(self, table: str) -> list[dict[str, Any]]:
        """Return every item of the table with that logical id."""
        found = self.client("dynamodb").scan(TableName=self.template.names[table], ConsistentRead=True)["Items"]
        return [{name: self._deserialize(value) for name, value in item.items()} for item in found]

    def run(self, run_id: str) -> Any:
        return self._item("RunsTable", "run_id", run_id)

    def launch(self, launch_id: str) -> dict[str, Any] | None:
        return self._item("LaunchesTable", "launch_id", launch_id)

    def _item(self, table: str, key: str, value: str) -> dict[str, Any] | None:
        answer = self.client("dynamodb").get_item(
            TableName=self.template.names[table], Key={key: {"S": value}}, ConsistentRead=True
        )
        item = answer.get("Item")
        return item and {name: self._deserialize(member) for name, member in item.items()}

    def objects(self) -> dict[str, dict[str, Any]]:
        """Return every object of the payload bucket by key, `Body` unpacked."""
        s3, bucket = self.client("s3"), self.template.names["PayloadBucket"]
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        found = {key: s3.get_object(Bucket=bucket, Key=key) for key in keys}
        return {key: {**it, "Body": gzip.decompress(it["Body"].read()).decode()} for key, it in found.items()}

    def remove(self, run_id: str) -> None:
        """Have somebody remove a run from the table."""
        self.client("dynamodb").delete_item(TableName=self.template.names["RunsTable"], Key={"run_id": {"S": run_id}})

    def is_empty(self) -> bool:
        return not (self.items("RunsTable") or self.items("LaunchesTable") or self.objects())

    def letters(self, function: str) -> list[dict[str, Any]]:
        """Take the dead letters of a function, each with its reason."""
        url = self.template.names[f"{function}DeadLetterQueue"]
        asked = {"QueueUrl": url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]}
        found = self.client("sqs").receive_message(**asked).get("Messages", [])
        return [{"body": m["Body"], "reason": m["MessageAttributes"]["reason"]["StringValue"]} for m in found]

    def secret(self, name: str) -> str:
        secret_id = self.template.names[name]
        return str(self.client("secretsmanager").get_secret_value(SecretId=secret_id)["SecretString"])

    def put_secret(self, name: str, text: str) -> None:
        self.client("secretsmanager").put_secret_value(SecretId=self.template.names[name], SecretString=text)

    def add_key(self, name: str, key: str) -> None:
        self.put_secret("KeyRingSecret", json.dumps({**json.loads(self.secret("KeyRingSecret")), name: key}))

    def token(self, launch_id: str, expiry: int = LATER, kid: str | None = None) -> str:
        """Sign a token with the ring in the secret."""
        ring = tokens.KeyRing.parse(self.secret("KeyRingSecret"))
        kid = kid or ring.current
        return tokens.sign(tokens.KeyRing(kid, {kid: ring.signing[kid]}, {}), launch_id, expiry, NOW)


class WallClock:
    """Stands in for the module `time`: the time of day as told, `monotonic` as it is."""

    def __init__(self) -> None:
        self.now = NOW
        self.monotonic = time.monotonic
        self.while_asleep: Callable[[], object] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.while_asleep()

    def time(self) -> float:
        return self.now


class Clock:
    """Stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def stand_still(webhook: Door, aws: Aws) -> Clock:
    """Give the webhook's key ring, just read, a clock that stands still."""
    clock = Clock()
    ring = Secret(boto3.client("secretsmanager"), aws.template.names["KeyRingSecret"], key_ring, clock)
    webhook.parts = replace(webhook.parts, receiver=replace(webhook.parts.receiver, ring=ring))
    ring.value()
    return clock


@dataclass
class Output:
    """What the handlers printed: log lines and metrics in CloudWatch's embedded format."""

    capsys: pytest.CaptureFixture[str]
    text: str = ""

    def _lines(self) -> list[dict[str, Any]]:
        captured = self.capsys.readouterr()
        self.text += captured.out + captured.err
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def logs(self) -> list[dict[str, Any]]:
        return [line for line in self._lines() if "_aws" not in line]

    def gauges(self, name: str) -> list[float]:
        """Return the values of a metric that is no counter, one for each pass that told any."""
        lines = [line for line in self._lines() if "_aws" in line]
        told = [m for line in lines for it in line["_aws"]["CloudWatchMetrics"] for m in it["Metrics"]]
        assert {m["Unit"] for m in told if m["Name"] == name} <= {"Seconds"}
        return [value for line in lines for value in line.get(name, [])]

    @property
    def outcomes(self) -> dict[str, int]:
        """Return how many runs of each outcome were counted, and under `failed_runs` how many failed, of how many."""
        found: Counter[str] = Counter()
        for line in self._lines():
            if "_aws" in line and line["service"] == "ledger":
                (metrics,) = line["_aws"]["CloudWatchMetrics"]
                (metric,) = metrics["Metrics"]
                by = {"runs": ["service", "outcome"], "failed_runs": ["service"]}[metric["Name"]]
                assert (metrics["Namespace"], metrics["Dimensions"]) == ("Runledger/local", [by])
                assert metric["Unit"] == "Count"
                (value,) = line[metric["Name"]]
                if metric["Name"] == "runs":
                    found[line["outcome"]] += int(value)
                else:
                    found["failed_runs"] += int(value)
                    found["of"] += 1
        return {name: count for name, count in found.items() if count}

    @property
    def counts(self) -> dict[str, int]:
        """Return the counters of functions; one with a reason also as `name:reason`."""
        counts: Counter[str] = Counter()
        for line in self._lines():
            for metrics in line.get("_aws", {}).get("CloudWatchMetrics", []):
                assert metrics["Namespace"] == "Runledger/local"
                (dimensions,) = metrics["Dimensions"]
                if line["service"] == "ledger":
                    continue
                assert set(dimensions) <= {"service", "reason"}
                assert line["service"] in ("launch", "webhook", "sweep", "worker", "query", "rotate")
                for metric in metrics["Metrics"]:
                    if metric["Unit"] != "Count":
                        continue
                    name = metric["Name"] + (f":{line['reason']}" if "reason" in dimensions else "")
                    counts[name] += int(sum(line[metric["Name"]]))
        return dict(counts)


def client_of(part: Any) -> Any:
    """Return the boto3 client of an adapter, to note its calls or to have them fail."""
    return part._client  # noqa: SLF001 - the one place that reaches for it


def record_launch(aws: Aws, run_id: str, launch_id: str, thread_id: str = "thread") -> None:
    """Record a run as its launcher does, a minute ago; where it is recorded already, what only the launcher knows."""
    pending = run_states.pending(
        run_id=run_id, launch_id=launch_id, thread_id=thread_id, assistant_id="agent", after_seconds=0, now=NOW - 60
    )
    runs = RunsTable(aws.client("dynamodb"), aws.template.names["RunsTable"])
    if runs.apply(pending) is not None:
        runs.apply(run_states.launched(pending))


def claim(launch_id: str, now: float = NOW, **changes: Any) -> Update:
    """Put a launch down as the launch function does."""
    facts: dict[str, Any] = {
        "launch_id": launch_id,
        "digest": "d",
        "request": '{"assistant_id": "agent", "input": {}}',
        "request_key": None,
        "assistant_id": "agent",
        "thread_id": new_id(),
        "own_thread": True,
        "stream": False,
        "langgraph_url": "http://langgraph.example",
        "holder": "somebody",
    }
    return launch_states.claimed(now=now, **{**facts, **changes})


def marks(launch_id: str) -> dict[str, str]:
    """Return the metadata by which LangGraph's run is known as that of a launch which `claim` put down."""
    return {"launch_id": launch_id, "ledger_id": LEDGER_ID, "start_nonce": "somebody"}


def delivery(
    run_id: str,
    launch_id: str | None,
    token: str = "",
    *,
    status: str = "success",
    values: str = '{"answer":42}',
    **changes: Any,
) -> str:
    """Return a webhook body as LangGraph writes it; `values` is JSON text, taken as it is. None leaves a member out."""
    metadata = {"created_by": "system", "graph_id": "agent"}
    members = {
        "run_id": run_id,
        "thread_id": "01a201d6-a0d1-70a4-a07d-24d5b1a571e8",
        "assistant_id": "fe096781-5601-53d2-b2f6-0d3403f7e9ca",
        "metadata": metadata | ({"launch_id": launch_id} if launch_id else {}),
        "status": status,
        "kwargs": {
            "input": {"mode": "ok"},
            "config": {"configurable": {"run_id": run_id, "__after_seconds__": 0}},
            "webhook": f"https://webhook.example/webhook?token={token}",
            "temporary": False,
        },
        "multitask_strategy": "enqueue",
        "created_at": "2026-11-22T05:59:32.822367+00:00",
        "updated_at": "2026-11-22T05:59:33.654899+00:00",
        "run_started_at": "2026-11-22T05:59:33.636297+00:00",
        "run_ended_at": "2026-11-22T06:59:33.653878+01:00",
        "webhook_sent_at": "2026-11-22T05:59:33.655405+00:00",
        **changes,
    }
    kept = {name: member for name, member in members.items() if member is not None}
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False)[:-1] + f',"values":{values}}}'


@dataclass
class Mailbox:
    """The launch function behind the launch queue."""

    door: Door
    aws: Aws
    wall: WallClock

    @property
    def parts(self) -> Any:
        return self.door.parts

    def send(self, body: object) -> dict[str, Any]:
        """Put a message into the queue and receive it; return it as Lambda would hand it over."""
        sqs, url = self.aws.client("sqs"), self.aws.template.names["LaunchQueue"]
        sqs.send_message(QueueUrl=url, MessageBody=body if isinstance(body, str) else json.dumps(body))
        (message,) = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
        record = queue.record(message, resources.queue_arn(sqs, url))
        record["attributes"]["SentTimestamp"] = str(int(self.wall.now * 1000))
        return record

    def bring(self, *records: dict[str, Any], seconds: float | None = None) -> list[bool]:
        """Call the handler as Lambda does, once more for each message; return for each whether it is done with."""
        for record in records:
            told = record["attributes"]
            if "comes_again" not in record:
                told["ApproximateFirstReceiveTimestamp"] = str(int(self.wall.now * 1000))
            told["ApproximateReceiveCount"] = str(int(told["ApproximateReceiveCount"]) + record.pop("comes_again", 0))
            record["comes_again"] = 1
        answer = self.door.handle({"Records": list(records)}, seconds)
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        assert failed <= {record["messageId"] for record in records}
        return [record["messageId"] not in failed for record in records]

    def hidden_for(self, record: dict[str, Any]) -> int:
        """Return for how many seconds from now on a message is hidden; moto's clock is the real one."""
        kept = sqs_backends["123456789012"]["us-east-1"].queues["runledger-LaunchQueue"]._messages  # noqa: SLF001
        (message,) = [message for message in kept if message.id == record["messageId"]]
        return round(message.visible_at / 1000 - time.time())

    @property
    def letters(self) -> list[dict[str, Any]]:
        return self.aws.letters("Launch")
