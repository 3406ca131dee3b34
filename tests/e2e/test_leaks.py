"""No secret is left anywhere, whatever is done with the stack (G5)."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e import traffic as kinds
from tests.e2e.client import eventually
from tests.e2e.evidence import DEAD_LETTERS, READ_AT_ONCE, Evidence
from tests.e2e.traffic import Traffic
from tests.e2e.watched import API_KEY, WatchedStack
from tests.integration.listener import listen
from tests.integration.spellings import found_in, spellings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.client import Ledger


@dataclass
class Sent:
    """The traffic, and what stood where: while a task waited, and when it had been told."""

    traffic: Traffic
    evidence: Evidence
    waiting: dict[str, str]
    told: dict[str, str]


@pytest.fixture(scope="module")
def sent(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    """A stack of its own, with a key for the LangGraph server of all tests, which takes any; all traffic sent."""
    lines: list[str] = []
    with WatchedStack(
        langgraph_url=ledger.stack.langgraph_url,
        folder=tmp_path_factory.mktemp("leaks"),
        parameters={"AcceptSharedTokens": "true"},
        log=lambda _name, line: lines.append(line),
    ) as stack:
        traffic = Traffic(stack, secrets={"API key": API_KEY})
        evidence = Evidence(stack, listen(stack.client, stack.template.names["EventBus"]), lines, traffic.answers)
        traffic.note_keys()
        task, launched = kinds.tasks(traffic)
        kinds.launches(traffic)
        kinds.deliveries(traffic)
        assert evidence.task_tokens() == {launched["launch_id"]: task.token}
        waiting = evidence.places()
        traffic.post(f"/runs/{launched['run_id']}/cancel", {}, 202)
        stack.recover()  # one delivery contradicted this run; LangGraph decides before its task is told
        assert task.ended()[0] == "RunCancelled"
        eventually(lambda: not evidence.task_tokens() or None)
        for run in traffic.launched:
            traffic.token_of(run)
        kinds.webhook_missing(traffic)
        kinds.rotations(traffic)
        kinds.poison(traffic, lines)
        kinds.queries(traffic)
        yield Sent(traffic, evidence, waiting, evidence.places())


def test_g5_no_token_and_no_key_is_left_anywhere(sent: Sent) -> None:
    assert len(sent.traffic.secrets) > 30
    for name, secret in sent.traffic.secrets.items():
        assert (name, found_in(secret, sent.waiting), found_in(secret, sent.told)) == (name, set(), set())


def test_g5_a_task_token_stands_in_its_attribute_alone_and_not_when_it_was_used(sent: Sent) -> None:
    token = sent.traffic.secrets["task token"]
    assert found_in(token, sent.waiting) == set()
    assert found_in(token, sent.told) == set()
    assert sent.evidence.task_tokens() == {}


def test_each_place_has_something_of_each_kind_of_traffic(sent: Sent) -> None:
    """Else there was nothing to be found."""
    empty = {name for name, text in sent.told.items() if text in ("", "[]")}
    assert empty == {*READ_AT_ONCE, "WorkDeadLetterQueue"}
    log = sent.told["log"]
    for said in ("delivered", "called back", "rotated", "the ring is changed", "a message is a dead letter"):
        assert f'"message":"{said}"' in log
    for reason in ("token-forged", "token-expired", "token-unknown-key", "other-launch", "langgraph-refused"):
        assert f'"reason":"{reason}"' in log
    assert '"CloudWatchMetrics"' in log


def test_what_is_left_anywhere_is_found(sent: Sent) -> None:
    """The last test here: it leaves something in each place, each time in another spelling."""
    stack, names, secret = sent.evidence.stack, sent.evidence.stack.template.names, "a-canary-to-be-found"
    spelt = sorted(spellings(secret))
    stack.table("LaunchesTable").put_item(Item={"launch_id": "planted", "reason": spelt[0]})
    stack.table("RunsTable").put_item(Item={"run_id": "planted", "error": {"message": spelt[1]}})
    body = gzip.compress(json.dumps({"values": spelt[2]}).encode())
    stack.client("s3").put_object(Bucket=names["PayloadBucket"], Key="runs/planted", Body=body)
    detail = json.loads(sent.evidence.heard[0])
    detail["detail"]["metadata"] = {"planted": spelt[3]}
    entry = {"Source": "runledger", "DetailType": detail["detail-type"], "Detail": json.dumps(detail["detail"])}
    stack.client("events").put_events(Entries=[{**entry, "EventBusName": names["EventBus"]}])
    for queue in DEAD_LETTERS:
        stack.client("sqs").send_message(QueueUrl=names[queue], MessageBody=spelt[4])
    sent.evidence.lines.append(json.dumps({"message": spelt[5]}))
    sent.evidence.answers.append(json.dumps({"detail": spelt[6]}))
    assert found_in(secret, sent.evidence.places()) == set(sent.told) - set(READ_AT_ONCE)
