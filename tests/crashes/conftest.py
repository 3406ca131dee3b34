"""One world for all crash points, and what was found in it, told at the end."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from local import resources
from local.langgraph_server import EXAMPLE, LangGraphServer
from local.servers import free_port
from local.template import Template
from tests.crashes.faults import Faults
from tests.crashes.world import FUNCTIONS, World, open_door

if TYPE_CHECKING:
    from collections.abc import Iterator

FOUND: Counter[str] = Counter()


@pytest.fixture(scope="session")
def found() -> Counter[str]:
    """What was tried and found, in all."""
    return FOUND


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        api, door = open_door(free_port("127.0.0.1"))
        stack.callback(api.close)
        server = LangGraphServer(EXAMPLE, "127.0.0.1", free_port("127.0.0.1"), tmp_path_factory.mktemp("crashes"))
        stack.callback(server.close)
        stack.callback(_forget)
        stack.enter_context(mock_aws())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        template = Template(
            {"LangGraphUrl": server.url, "WebhookUrl": f"{api.url}/webhook", "AllowInsecureUrls": "true"}
        )
        resources.create(template)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        _forget()
        for function in template.functions():
            for name, value in function.environment.items():
                patch.setenv(name, value)
            importlib.import_module(function.handler.removesuffix(".handler"))
        faults = Faults()
        faults.install(patch.setattr)
        door.world = World(template, server.url, faults, patch.setattr)
        stack.callback(door.world.close)
        yield door.world


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FOUND:
        terminalreporter.section("crash points")
        terminalreporter.line(", ".join(f"{count} {what}" for what, count in FOUND.items()))


def _forget() -> None:
    """Let the functions be imported with the environment of now."""
    stateful = (
        *FUNCTIONS,
        "runledger.adapters.queue",
        "runledger.adapters.recorder",
        "runledger.adapters.telling",
        "runledger.adapters.callbacks",
        "runledger.adapters.gateway",
        "runledger.adapters.telemetry",
        *(
            f"runledger_langgraph.{name}"
            for name in ("launcher", "launching", "waiting", "answering", "cancelling", "confirming")
        ),
    )
    for name in [name for name in sys.modules if name.startswith(stateful)]:
        package, _, module = name.rpartition(".")
        del sys.modules[name]
        if hasattr(sys.modules.get(package), module):
            delattr(sys.modules[package], module)
