"""Deliveries that come twice, at once, early, late, or differ (G4)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from moto.dynamodb.models import DynamoDBBackend

from runledger import telemetry
from runledger.adapters.gateway import Request
from runledger.domain.unconfirmed import MAX_OF_LAUNCH, kept_about, kept_of
from tests.integration.support import CHECK, NOW, SOURCE, claim, delivery, new_id, record_launch, serving

if TYPE_CHECKING:
    from tests.integration.support import Aws, Door, Output, WallClock


def test_g4_a_repeated_delivery_changes_nothing(webhook: Door, aws: Aws, output: Output, wall: WallClock) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    body = delivery(run_id, launch_id, token, status="error")
    assert webhook.call(body, f"token={token}").body["duplicate"] is False
    first = aws.run(run_id)
    wall.now = NOW + 2
    reply = webhook.call(body, f"token={token}")
    assert (reply.status, reply.body) == (200, {"run_id": run_id, "outcome": "failed", "duplicate": True})
    assert aws.run(run_id) == first
    assert output.counts == {"delivered": 1, "duplicate": 1}


def test_g4_a_repeat_signed_with_a_newer_key_is_a_duplicate(webhook: Door, aws: Aws, output: Output) -> None:
    aws.add_key("k1795327100", "n" * 64)
    run_id, launch_id = new_id(), new_id()
    for token in (aws.token(launch_id), aws.token(launch_id, kid="k1795327100")):
        assert webhook.call(delivery(run_id, launch_id, token), f"token={token}").status == 200
    assert output.counts == {"delivered": 1, "duplicate": 1}


def test_g4_of_twenty_at_once_one_makes_the_transition(
    webhook: Door, aws: Aws, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, launch_id = new_id(), new_id()
    record_launch(aws, run_id, launch_id)
    token = aws.token(launch_id)
    body = delivery(run_id, launch_id, token, status="error")
    text = f"token={token}"
    http = Request(
        *("POST /webhook", "/webhook", {}, text, {}, body), is_base64=False, source=SOURCE, seconds_left=lambda: 25.0
    )
    webhook.parts.receiver.ring.value()
    all_there, one_at_a_time, update = threading.Barrier(20, timeout=30), threading.Lock(), DynamoDBBackend.update_item

    def update_item(*args: Any, **named: Any) -> Any:
        all_there.wait()
        with one_at_a_time:  # as DynamoDB does for one item; moto would not
            return update(*args, **named)

    monkeypatch.setattr(DynamoDBBackend, "update_item", update_item)
    with serving(webhook.function.environment):
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: webhook.app.receive(http), range(20)))
        telemetry.flush()
    assert [answer.status for answer in answers] == [200] * 20
    assert sorted(answer.body["duplicate"] for answer in answers) == [False] + [True] * 19
    assert output.counts == {"delivered": 1, "duplicate": 19}


def test_g4_g11_a_delivery_that_contradicts_the_first_is_kept_beside_it_and_langgraph_decides_now(
    webhook: Door, aws: Aws, output: Output
) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    bodies = [delivery(run_id, launch_id, token, status=status) for status in ("error", "timeout")]
    webhook.call(bodies[0], f"token={token}")
    first = aws.run(run_id) or {}
    reply = webhook.call(bodies[1], f"token={token}")
    assert (reply.status, reply.body["outcome"], reply.body["duplicate"]) == (200, "failed", True)
    kept = aws.run(run_id) or {}
    decides = {"disputed": True, "conflict": "timeout", "due_at": int(NOW)}
    assert kept == first | decides | {name: kept[name] for name in kept if name.startswith("other_")}
    assert first["unverified"] is True
    assert (kept["other_status"], kept["other_count"], kept["other_at"]) == (
        "timeout",
        1,
        "2026-11-22T06:00:00.000000Z",
    )
    other = aws.objects()[kept["other_key"]]
    assert (other["Body"], other["ContentEncoding"]) == (bodies[1].replace(token, ""), "gzip")
    assert output.counts == {"delivered": 1, "contradicted": 1}
    (line,) = (line for line in output.logs if line["level"] == "ERROR")
    assert (line["run_id"], line["launch_id"], line["other_key"]) == (run_id, launch_id, kept["other_key"])


def test_g4_the_same_other_delivery_again_is_counted_once(webhook: Door, aws: Aws, output: Output) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    for status in ("error", "timeout", "timeout", "error"):
        assert webhook.call(delivery(run_id, launch_id, token, status=status), f"token={token}").status == 200
    assert output.counts == {"delivered": 1, "contradicted": 1, "duplicate": 1}
    assert (aws.run(run_id) or {})["other_count"] == 1
    webhook.call(delivery(run_id, launch_id, token, status="rollback"), f"token={token}")
    assert (aws.run(run_id) or {})["other_count"] == 2
    assert len(aws.objects()) == 2


def test_g4_a_delivery_after_the_launch_record_completes_it(webhook: Door, aws: Aws) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    record_launch(aws, run_id, launch_id)
    pending = aws.run(run_id) or {}
    assert (pending["outcome"], pending["source"], pending["due_at"]) == ("pending", "launch", NOW + 60)
    assert webhook.call(delivery(run_id, launch_id, token, status="error"), f"token={token}").status == 200
    item = aws.run(run_id) or {}
    assert (item["outcome"], item["source"], item["unverified"]) == ("failed", "webhook", True)
    assert (item["unpublished"], item["due_at"]) == ({"failed"}, CHECK)


def test_g4_a_launch_record_after_the_delivery_takes_nothing_back(webhook: Door, aws: Aws) -> None:
    """As where reconcile has recorded the run before its launcher did."""
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    webhook.call(delivery(run_id, launch_id, token, status="error"), f"token={token}")
    delivered = aws.run(run_id)
    record_launch(aws, run_id, launch_id)
    assert delivered
    assert aws.run(run_id) == delivered


def test_g11_a_delivery_that_is_faster_than_the_launcher_makes_no_run_and_is_kept_with_its_launch(
    alone: Door, aws: Aws, output: Output
) -> None:
    run_id, launch_id = new_id(), new_id()
    assert alone.parts.receiver.launches.apply(claim(launch_id)) is None
    launch, token = aws.launch(launch_id) or {}, aws.token(launch_id)
    body = delivery(run_id, launch_id, token, status="error")
    reply = alone.call(body, f"token={token}")
    assert (reply.status, reply.body["run_id"], reply.body["recorded"]) == (202, run_id, False)
    assert aws.items("RunsTable") == []
    kept = aws.launch(launch_id) or {}
    name = f"kept_about_{run_id.replace('-', '_')}"
    assert kept == launch | {"kept_count": 1, "due_at": int(NOW), name: kept[name]}
    (one,) = kept_of(kept)
    assert (one.delivery.run_id, one.delivery.outcome, one.since, one.disputed) == (run_id, "failed", NOW, False)
    assert one.placed.payload.text == body.replace(token, "")
    assert output.counts == {"kept": 1}


def test_g4_g11_a_repeat_of_a_kept_delivery_changes_nothing_and_one_that_differs_disputes_it_once(
    alone: Door, aws: Aws, output: Output
) -> None:
    run_id, launch_id = new_id(), new_id()
    assert alone.parts.receiver.launches.apply(claim(launch_id)) is None
    token, found = aws.token(launch_id), []
    for status in ("error", "error", "timeout", "rollback"):
        assert alone.call(delivery(run_id, launch_id, token, status=status), f"token={token}").status == 202
        found.append(aws.launch(launch_id) or {})
    assert found[0] == found[1]
    assert found[2] == found[3]
    kept = [kept_about(item, run_id) for item in found]
    assert [(one.delivery.status, one.disputed) for one in kept if one] == [
        *[("error", False)] * 2,
        *[("error", True)] * 2,
    ]
    assert {item["kept_count"] for item in found} == {1}
    assert output.counts == {"kept": 1, "duplicate": 1, "contradicted": 1}
    assert aws.items("RunsTable") == []


def test_g11_a_delivery_that_was_kept_is_recorded_when_it_comes_again_after_the_launcher(alone: Door, aws: Aws) -> None:
    run_id, launch_id = new_id(), new_id()
    assert alone.parts.receiver.launches.apply(claim(launch_id)) is None
    token = aws.token(launch_id)
    body = delivery(run_id, launch_id, token, status="error")
    assert alone.call(body, f"token={token}").status == 202
    record_launch(aws, run_id, launch_id)
    assert [alone.call(body, f"token={token}").body["duplicate"] for _ in range(2)] == [False, True]
    assert (aws.run(run_id) or {})["payload"] == body.replace(token, "")


def test_g6_g11_over_the_limit_of_a_launch_a_delivery_is_503_and_what_is_kept_stays(
    alone: Door, aws: Aws, output: Output
) -> None:
    launch_id = new_id()
    assert alone.parts.receiver.launches.apply(claim(launch_id)) is None
    token, runs = aws.token(launch_id), [new_id() for _ in range(MAX_OF_LAUNCH + 1)]
    replies = [alone.call(delivery(run_id, launch_id, token), f"token={token}") for run_id in runs]
    assert [reply.status for reply in replies] == [202] * MAX_OF_LAUNCH + [503]
    assert (replies[-1].problem, replies[-1].headers["Retry-After"]) == ("too-many-unconfirmed", "60")
    item = aws.launch(launch_id) or {}
    assert {one.delivery.run_id for one in kept_of(item)} == set(runs[:-1])
    assert (item["kept_count"], item["due_at"], item["heard_at"]) == (
        MAX_OF_LAUNCH,
        int(NOW),
        "2026-11-22T06:00:00.000000Z",
    )
    assert output.counts == {"kept": MAX_OF_LAUNCH, "failed": 1}


@pytest.mark.parametrize("trimmed", [False, True])
def test_g4_what_the_launcher_said_of_a_runs_beginning_stays_whatever_the_body_says(
    webhook: Door, aws: Aws, *, trimmed: bool
) -> None:
    """LangGraph can be told to leave fields out; a body that was not LangGraph's may say anything."""
    left_out = dict.fromkeys(("thread_id", "assistant_id", "created_at", "metadata") if trimmed else ())
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    record_launch(aws, run_id, launch_id)
    before = aws.run(run_id) or {}
    invented: dict[str, Any] = {"thread_id": new_id(), "assistant_id": new_id(), "created_at": "2999-01-01T00:00:00Z"}
    body = delivery(run_id, launch_id, token, status="error", **invented | left_out)
    assert webhook.call(body, f"token={token}").status == 200
    item = aws.run(run_id) or {}
    known = ("run_id", "launch_id", "thread_id", "assistant_id", "created_at", "starts_at")
    assert [item[name] for name in known] == [before[name] for name in known]
    assert ("metadata" in item) is not trimmed
    assert (item["thread_id"], item["assistant_id"], item["outcome"]) == ("thread", "agent", "failed")


@pytest.mark.parametrize("delivered", [False, True])
def test_g4_g5_the_run_of_another_launch_is_refused_and_left_alone(
    webhook: Door, aws: Aws, output: Output, *, delivered: bool
) -> None:
    run_id, owner, stranger = new_id(), new_id(), new_id()
    record_launch(aws, run_id, owner)
    if delivered:
        webhook.call(delivery(run_id, owner), f"token={aws.token(owner)}")
    before, token = aws.run(run_id), aws.token(stranger)
    large = '"' + "x" * 40_000 + '"'
    for body in (
        delivery(run_id, stranger, token),
        delivery(run_id, None, token),
        delivery(run_id, stranger, token, values=large),
    ):
        reply = webhook.call(body, f"token={token}")
        assert (reply.status, reply.problem) == (400, "other-launch")
    assert aws.run(run_id) == before
    assert all(key.startswith(f"runs/{stranger}/") for key in aws.objects()), "a token reaches its own launch alone"
    assert output.counts["refused:other-launch"] == 3
