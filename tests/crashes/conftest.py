"""One world for all crash points, and what was found in it, told at the end."""

from __future__ import annotations

import importlib
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from local import resources
from local.langgraph_server import EXAMPLE, LangGraphServer
from local.servers import free_port
from local.template import Template
from runledger import telemetry
from tests.crashes.faults import Faults
from tests.crashes.world import World, open_door

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
        stack.enter_context(mock_aws())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        template = Template(
            {"LangGraphUrl": server.url, "WebhookUrl": f"{api.url}/webhook", "AllowInsecureUrls": "true"}
        )
        resources.create(template)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for function in template.functions():
            for name, value in function.environment.items():
                patch.setenv(name, value)
            app = importlib.import_module(function.handler.removesuffix(".handler"))
            app.parts.forget()
            app.parts()
        patch.setattr(telemetry.metrics, "namespace", "Runledger/local")
        faults = Faults()
        faults.install(patch.setattr)
        door.world = World(template, server.url, faults, patch.setattr)
        stack.callback(door.world.close)
        yield door.world


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FOUND:
        terminalreporter.section("crash points")
        terminalreporter.line(", ".join(f"{count} {what}" for what, count in FOUND.items()))
