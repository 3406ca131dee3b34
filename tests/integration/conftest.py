"""The handlers, imported as Lambda would: on moto, with the resources and the environment that template.yaml gives."""

from __future__ import annotations

import functools
import importlib
import io
import re
import sys
import time
from contextlib import ExitStack, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from aws_lambda_powertools import Metrics
from moto import mock_aws  # before any boto3 client is made, else its calls go to AWS
from samtranslator.yaml_helper import yaml_parse

from local import resources, secrets_manager, template
from local.template import Template
from runledger import telemetry
from runledger.adapters import aws as clients
from tests.integration.calls import Calls
from tests.integration.faults import Faults
from tests.integration.langgraph_double import LangGraphDouble
from tests.integration.scene import Scene
from tests.integration.support import LEDGER_ID, Aws, Door, Mailbox, Output, Recovery, Stream, WallClock, Webhook

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLOCKED = re.compile(r"(launch|worker|query|webhook|rotate|sweep|runledger\.use_cases|runledger_langgraph\.claims)\b")
secrets_manager.mend()
_parse = functools.cache(yaml_parse)
_session = SimpleNamespace(client=functools.cache(resources.session().client))


class Load(Protocol):
    """Imports one function afresh, with parameters of template.yaml.

    `environment` changes variables; None drops one.
    """

    def __call__(
        self, name: str, /, *, environment: dict[str, str | None] | None = None, **parameters: str
    ) -> Door: ...


@pytest.fixture(autouse=True)
def _setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    # Reading template.yaml and boto3's descriptions of services takes most of a test's time; they don't change.
    monkeypatch.setattr(template, "yaml_parse", _parse)
    monkeypatch.setattr(resources, "session", lambda: _session)


@pytest.fixture
def langgraph() -> Iterator[LangGraphDouble]:
    """LangGraph, answering as told."""
    with LangGraphDouble() as double:
        yield double


@pytest.fixture
def aws(_setting: None) -> Iterator[Aws]:
    with mock_aws():
        parameters = {"LangGraphUrl": "http://127.0.0.1:9", "AllowInsecureUrls": "true", "LedgerId": LEDGER_ID}
        found = Template(parameters, names={"WebhookApi": "webhookapi"})
        resources.create(found)
        yield Aws(found)


@pytest.fixture(autouse=True)
def calls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    """What the functions ask of AWS: nothing that their roles deny, and what this test is to show that they need."""
    noted = Calls()
    monkeypatch.setattr(clients, "client", noted.watched(clients.client))
    yield noted
    assert noted.denied() == [], "G9"
    assert noted.missing(request.node.nodeid) == [], "G9: tests/integration/needs.py says that this test shows it"


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Output:
    return Output(capsys)


@pytest.fixture
def wall() -> WallClock:
    """The time of day in every handler."""
    return WallClock()


@pytest.fixture
def load(aws: Aws, output: Output, wall: WallClock, calls: Calls, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Import functions; what they were given is cleared away after the test."""
    assert output
    calls.names = aws.template.names
    with ExitStack() as exits:

        def load(name: str, /, *, environment: dict[str, str | None] | None = None, **parameters: str) -> Door:
            aws.template.parameters |= parameters
            (function,) = (f for f in aws.template.functions() if f.handler == f"{name}.app.handler")
            for variable, value in {**function.environment, **(environment or {})}.items():
                monkeypatch.delenv(variable, raising=False)
                if value is not None:
                    monkeypatch.setenv(variable, value)
            app = importlib.import_module(f"{name}.app")
            app.parts.forget()
            parts = app.parts()
            exits.callback(_close, parts)
            for module_name, module in list(sys.modules.items()):
                if _CLOCKED.match(module_name) and vars(module).get("time") is time:
                    monkeypatch.setattr(module, "time", wall)
            handler = calls.running(function.name, app.handler)
            return (
                Webhook(app, parts, function, handler, aws)
                if name == "webhook"
                else Door(app, parts, function, handler)
            )

        yield load
    Metrics().clear_metrics()


@pytest.fixture
def webhook(load: Load) -> Webhook:
    """The webhook, of whose runs the launcher was faster."""
    webhook = load("webhook")
    assert isinstance(webhook, Webhook)
    return webhook


@pytest.fixture
def alone(webhook: Webhook) -> Webhook:
    """The webhook, faster than every launcher."""
    webhook.is_usual = False
    return webhook


@pytest.fixture
def query(load: Load) -> Door:
    return load("query")


@pytest.fixture
def launch(load: Load, langgraph: LangGraphDouble) -> Door:
    return load("launch", LangGraphUrl=langgraph.url)


@pytest.fixture
def mailbox(launch: Door, aws: Aws, wall: WallClock) -> Mailbox:
    return Mailbox(launch, aws, wall)


@pytest.fixture
def reconcile(load: Load, langgraph: LangGraphDouble, aws: Aws) -> Recovery:
    return Recovery(load("sweep", LangGraphUrl=langgraph.url), load("worker"), aws)


@pytest.fixture
def notify(load: Load, langgraph: LangGraphDouble, aws: Aws, wall: WallClock) -> Stream:
    return Stream(load("worker", LangGraphUrl=langgraph.url), aws, wall)


@pytest.fixture
def scene(reconcile: Recovery, langgraph: LangGraphDouble, aws: Aws, wall: WallClock, output: Output) -> Scene:
    return Scene(reconcile, langgraph, aws, wall, output)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    """AWS out of order, on request; boto3's pauses between its tries are noted, not waited for."""
    pauses: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=pauses.append))
    return Faults(pauses)


class _Stdout(io.TextIOBase):
    """Whatever is the standard output when something is written: pytest's is another in a fixture than in its test."""

    def write(self, text: str, /) -> int:
        return sys.stdout.write(text)


telemetry.logger.registered_handler.setStream(_Stdout())  # type: ignore[attr-defined]


def _close(parts: Any) -> None:
    """Close LangGraph's connections and loop, which in Lambda end with the process; it may be another by now."""
    owner = getattr(parts, "launcher", parts)
    servers: Any = getattr(owner, "servers", getattr(owner, "deployments", ()))
    opened = {server.langgraph for server in servers} | (
        {owner.server.langgraph} if hasattr(owner, "server") else set()
    )
    for langgraph in opened:
        with suppress(RuntimeError):  # a test has closed it
            langgraph._runner.run(langgraph._sdk.aclose())  # noqa: SLF001
        langgraph._runner.close()  # noqa: SLF001
