"""A stack without LangGraph: its keys, its events, what it says of itself, its AWS where moto is mended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from local import event, keys, running
from local.stack import Stack
from runledger.domain.rotation import names
from runledger.domain.tokens import KeyRing
from tests.integration.state_machines import wait_for_token

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = "k0"  # the template's


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(langgraph_url="http://127.0.0.1:9", folder=tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(autouse=True)
def _runs(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "read", stack.describe)


def ring(stack: Stack) -> KeyRing:
    secret_id = stack.template.names["KeyRingSecret"]
    return KeyRing.parse(stack.client("secretsmanager").get_secret_value(SecretId=secret_id)["SecretString"])


def make_keys(monkeypatch: pytest.MonkeyPatch, do: str) -> int:
    monkeypatch.setenv("DO", do)
    return keys.main()


def test_g7_the_ring_is_rotated_shared_and_revoked_and_a_rotation_that_hangs_goes_on(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_keys(monkeypatch, "") == 0
    assert capsys.readouterr().out == f"{FIRST:<16} signs\n"
    begun = json.loads(event.rotate(stack.describe()))
    assert "make keys DO=rotate" in capsys.readouterr().err, "that it changes something is said"
    assert json.loads(event.rotate(stack.describe())) == begun
    assert make_keys(monkeypatch, "rotate") == 0
    first, new = names(ring(stack))
    assert first == FIRST
    assert f"{new:<16} signs from " in capsys.readouterr().out
    assert make_keys(monkeypatch, "share crons") == 0
    key = ring(stack).shared["shared-crons"].decode()
    printed = capsys.readouterr()
    assert f"{stack.webhook_url}?token={key}\n" in printed.out
    assert "AcceptSharedTokens=true" in printed.out
    assert key not in printed.err
    assert make_keys(monkeypatch, "revoke 'shared-crons'") == 0
    assert names(ring(stack)) == [FIRST, new]


@pytest.mark.parametrize("do", ["revoke k77", "share NO!", "revoke", "rotate now", "rotate 'now", "share $(id)"])
def test_what_cannot_be_done_changes_nothing_and_is_an_error(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, do: str
) -> None:
    before = ring(stack)
    assert make_keys(monkeypatch, do) == 1
    assert ring(stack) == before


@pytest.mark.parametrize(
    ("wanted", "said"),
    [("launch it's", "EVENT: No closing quotation."), ("launch", "EVENT: there is webhook and rotate")],
)
def test_an_event_that_there_is_not_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wanted: str, said: str
) -> None:
    monkeypatch.setenv("EVENT", wanted)
    assert event.main() == 1
    assert said in capsys.readouterr().err


def test_each_output_of_the_template_that_is_something_here_is_found_by_its_name(stack: Stack) -> None:
    told = stack.describe()
    assert set(stack.template.document["Outputs"]) - set(told["outputs"]) == {"RotateFunctionName"}
    assert told["outputs"]["ApiUrl"] == told["api_url"]
    assert told["outputs"]["LaunchQueueUrl"] == told["resources"]["LaunchQueue"]
    assert told["outputs"]["LaunchQueueArn"].startswith("arn:aws:sqs:")


def test_a_task_that_failed_has_its_cause(stack: Stack) -> None:
    task = wait_for_token(stack.client)
    task.states.send_task_failure(taskToken=task.token, error="RunFailed", cause='{"status": "error"}')
    assert task.ended() == ("RunFailed", None)
    assert task.states.describe_execution(executionArn=task.execution)["cause"] == '{"status": "error"}'
