"""What is measured: the functions as `sam build` made them, the handlers they are compared with, and their events."""

from __future__ import annotations

import compileall
import json
import shutil
import time
import uuid
from dataclasses import dataclass
from py_compile import PycInvalidationMode
from typing import TYPE_CHECKING, Any

from local import event, resources
from local.template import ROOT, Function
from runledger.domain.tokens import KeyRing, sign
from tests.artefact.emulator import built_path, built_template

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


EVENTS = ROOT / "events"
REFERENCES = ROOT / ".aws-sam" / "bench"
_LATER = 86_400  # seconds after which launched runs would start: none does while we measure
_NOWHERE = "http://127.0.0.1:9/webhook"
_SHARED = str(uuid.uuid4())  # the token of the references
_RUN, _LAUNCH = "01a201d6-a0d4-71ed-b1cb-bd7f037d2e51", "6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10"  # of events/


@dataclass(frozen=True)
class Subject:
    """One handler. `events()` makes its next event; `is_answer` says whether the handler did what it is there for."""

    name: str
    function: Function
    variables: dict[str, str]
    path: tuple[Path, ...]
    events: Callable[[], str]
    is_answer: Callable[[Any], bool]


class Bench:
    """The resources that all subjects share, in AWS at `aws`, and LangGraph at `langgraph`."""

    def __init__(self, aws: str, langgraph: str, folder: Path) -> None:
        """`folder` gets copies of references with bytecode."""
        self._aws, self._folder = aws, folder
        self._template = built_template(LangGraphUrl=langgraph, WebhookUrl=_NOWHERE)
        resources.create(self._template, aws)
        client = resources.session().client("secretsmanager", endpoint_url=aws)
        ring = client.get_secret_value(SecretId=self._template.names["KeyRingSecret"])["SecretString"]
        self._ring = KeyRing.parse(ring)
        shared = client.create_secret(Name="shared", SecretString=_SHARED)["Name"]
        self._references = {
            "AWS_ENDPOINT_URL": aws,
            "RUNS_TABLE": self._template.names["RunsTable"],
            "SHARED_TOKEN_SECRET": shared,
            "LANGGRAPH_URL": langgraph,
            "WEBHOOK_URL": _NOWHERE,
            "POWERTOOLS_SERVICE_NAME": "tutorial",
            "POWERTOOLS_METRICS_NAMESPACE": "tutorial",
        }
        rotation = event.rotate({"aws_endpoint_url": aws, "resources": self._template.names})
        notice, tick = ((EVENTS / f"{name}.json").read_text() for name in ("stream", "sweep"))
        stored = json.loads(notice)["Records"][0]["dynamodb"]["NewImage"]
        database = resources.session().client("dynamodb", endpoint_url=aws)
        database.put_item(TableName=self._template.names["RunsTable"], Item=stored)
        self.subjects = [
            self._reference("minimal", "Minimal", self._delivery, bytecode=True),
            self._own("webhook", self._delivery),
            self._own("webhook", self._delivery, label="webhook, to the bucket", INLINE_PAYLOAD_BYTES="0"),
            self._reference("tutorial", "Tutorial", self._plain_delivery),
            self._reference("fastapi", "FastApi", self._plain_delivery),
            self._own("query", self._get),
            self._own("launch", self._launch),
            self._reference("guide", "Guide", self._launch),
            self._reference("guide, bytecode", "Guide", self._launch, bytecode=True),
            self._own("worker", lambda: notice, {"batchItemFailures": []}),
            self._own("sweep", lambda: tick, None),
            self._own("rotate", lambda: rotation, None),
        ]

    def _own(
        self, name: str, events: Callable[[], str], answer: Any = ..., label: str = "", **variables: str
    ) -> Subject:
        (function,) = [one for one in self._template.functions() if one.name.lower() == f"{name}function"]
        variables = {**function.environment, "AWS_ENDPOINT_URL": self._aws, **variables}
        check = _is_success if answer is ... else lambda got: bool(got == answer)
        return Subject(label or name, function, variables, tuple(built_path(function)), events, check)

    def _reference(self, label: str, name: str, events: Callable[[], str], *, bytecode: bool = False) -> Subject:
        code = REFERENCES / name
        if bytecode:
            code = shutil.copytree(code, self._folder / name)
            compileall.compile_dir(code, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        function = Function(name, "app.handler", 30, 512, (code,), {}, (), None, None, None)
        return Subject(label, function, self._references, (code,), events, _is_success)

    def _delivery(self) -> str:
        """A run that was just launched, with a token of its launch."""
        now, run_id = time.time(), str(uuid.uuid4())
        stack = {"aws_endpoint_url": self._aws, "resources": self._template.names}
        event.record_launched(stack, run_id, _LAUNCH, str(uuid.uuid4()))
        return _delivered(sign(self._ring, _LAUNCH, int(now) + 3600, now), run_id)

    def _plain_delivery(self) -> str:
        return _delivered(_SHARED, str(uuid.uuid4()))

    def _get(self) -> str:
        return _changed(EVENTS / "get-run.json", headers={})  # without `Prefer: wait=…`

    def _launch(self) -> str:
        body = {"assistant_id": "agent", "input": {"task": "answer"}, "after_seconds": _LATER}
        return _changed(EVENTS / "launch.json", body=json.dumps(body))


def _delivered(token: str, run_id: str) -> str:
    sent = json.loads(event.FILE.read_text())
    body = sent["body"].replace(_RUN, run_id).replace(event.PLACEHOLDER, token)
    return json.dumps(
        {**sent, "rawQueryString": f"token={token}", "queryStringParameters": {"token": token}, "body": body}
    )


def _changed(file: Path, **changes: Any) -> str:
    return json.dumps({**json.loads(file.read_text()), **changes})


def _is_success(answer: Any) -> bool:
    return isinstance(answer, dict) and answer.get("statusCode") in (200, 202)
