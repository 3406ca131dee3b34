"""The local stack with a real LangGraph server, once for all end-to-end tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.client import JOB_SECONDS, SHARED_KEY, Ledger
from tests.e2e.watched import SUITE, WatchedStack

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_and_nothing_was_denied() -> Iterator[None]:
    """When all stacks have stopped: what they left, and what they were not to do."""
    yield
    if SUITE.places:
        assert SUITE.called, "no call was recorded: what is held against the roles?"
        assert any(name.startswith("key ") for name in SUITE.secrets), "no key was found: what is looked for?"
    assert SUITE.denied == [], "G9: a function made a call that its role denies"
    assert SUITE.left() == [], "G5: a secret is left somewhere"


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with WatchedStack(
        folder=tmp_path_factory.mktemp("stack"),
        parameters={"AcceptSharedTokens": "true"},
        langgraph_changes={
            "env": {"BG_JOB_TIMEOUT_SECS": str(JOB_SECONDS), "BG_JOB_MAX_RETRIES": "1"},
            "graphs": {name: f"{Path(__file__).parent / name}.py:graph" for name in ("panel", "fan")},
        },
    ) as stack:
        secrets = stack.client("secretsmanager")
        ring = stack.template.names["KeyRingSecret"]
        keys = json.loads(secrets.get_secret_value(SecretId=ring)["SecretString"])
        secrets.put_secret_value(SecretId=ring, SecretString=json.dumps({**keys, "shared-e2e": SHARED_KEY}))
        yield Ledger(stack)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if SUITE.places:
        terminalreporter.section("what all stacks left")
        terminalreporter.line(str(SUITE))
