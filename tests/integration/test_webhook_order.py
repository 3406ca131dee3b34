"""Deliveries that come twice, at once, early, late, or differ (G4)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from moto.dynamodb.models import DynamoDBBackend

from runledger.adapters.gateway import Request
from runledger.core import run_states
from tests.integration.support import CHECK, NOW, SOURCE, delivery, new_id

if TYPE_CHECKING:
    from tests.integration.support import Aws, Door, Output


def record_launch(webhook: Door, run_id: str, launch_id: str, thread_id: str = "thread") -> None:
    """Record the run as the launch function does."""
    pending = run_states.pending(
        run_id=run_id, launch_id=launch_id, thread_id=thread_id, assistant_id="agent", after_seconds=0, now=NOW - 60
    )
    if webhook.app.runs.apply(pending) is not None:
        webhook.app.runs.apply(run_states.launched(pending))


def test_g4_a_repeated_delivery_changes_nothing(webhook: Door, aws: Aws, output: Output) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    body = delivery(run_id, launch_id, token, status="error")
    assert webhook.call(body, f"token={token}").body["duplicate"] is False
    first = aws.run(run_id)
    webhook.app.time.time = lambda: NOW + 2
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
    token = aws.token(launch_id)
    body = delivery(run_id, launch_id, token, status="error")
    text = f"token={token}"
    http = Request(
        *("POST /webhook", "/webhook", {}, text, {}, body), is_base64=False, source=SOURCE, seconds_left=lambda: 25.0
    )
    webhook.app.ring.value()
    all_there, one_at_a_time, update = threading.Barrier(20, timeout=30), threading.Lock(), DynamoDBBackend.update_item

    def update_item(*args: Any, **named: Any) -> Any:
        all_there.wait()
        with one_at_a_time:  # as DynamoDB does for one item; moto would not
            return update(*args, **named)

    monkeypatch.setattr(DynamoDBBackend, "update_item", update_item)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: webhook.app.receive(http), range(20)))
    webhook.app.telemetry.end()
    assert [answer.status for answer in answers] == [200] * 20
    assert sorted(answer.body["duplicate"] for answer in answers) == [False] + [True] * 19
    assert output.counts == {"delivered": 1, "duplicate": 19}


def test_g4_a_delivery_with_other_bytes_is_kept_beside_the_first(webhook: Door, aws: Aws, output: Output) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    bodies = [delivery(run_id, launch_id, token, status=status) for status in ("error", "timeout")]
    webhook.call(bodies[0], f"token={token}")
    first = aws.run(run_id) or {}
    reply = webhook.call(bodies[1], f"token={token}")
    assert (reply.status, reply.body["outcome"], reply.body["duplicate"]) == (200, "failed", True)
    kept = aws.run(run_id) or {}
    assert kept == first | {name: kept[name] for name in kept if name.startswith("other_")}
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
    record_launch(webhook, run_id, launch_id)
    pending = aws.run(run_id) or {}
    assert (pending["outcome"], pending["source"], pending["due_at"]) == ("pending", "launch", NOW + 60)
    assert webhook.call(delivery(run_id, launch_id, token, status="error"), f"token={token}").status == 200
    item = aws.run(run_id) or {}
    assert (item["outcome"], item["source"]) == ("failed", "webhook")
    assert (item["unpublished"], item["due_at"]) == ({"failed"}, CHECK)


def test_g4_a_launch_record_after_the_delivery_takes_nothing_back(webhook: Door, aws: Aws) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    webhook.call(delivery(run_id, launch_id, token, status="error"), f"token={token}")
    delivered = aws.run(run_id)
    record_launch(webhook, run_id, launch_id)
    assert aws.run(run_id) == {**(delivered or {}), "starts_at": int(NOW) - 60}


@pytest.mark.parametrize("trimmed", [False, True])
def test_g4_whichever_comes_first_the_item_is_the_same(webhook: Door, aws: Aws, *, trimmed: bool) -> None:
    """LangGraph can be told to leave fields out; then the launch alone knows thread and assistant."""
    left_out = dict.fromkeys(("thread_id", "assistant_id", "created_at", "metadata") if trimmed else ())
    launch_id, items = new_id(), []
    token = aws.token(launch_id)
    for launch_first in (True, False):
        run_id = new_id()
        given = {"thread_id": "thread", "assistant_id": "agent"} | left_out
        body = delivery(run_id, launch_id, token, status="error", **given)  # type: ignore[arg-type]
        steps = [
            lambda run_id=run_id: record_launch(webhook, run_id, launch_id),
            lambda body=body: webhook.call(body, f"token={token}"),
        ]
        for step in steps if launch_first else reversed(steps):
            step()
        items.append(aws.run(run_id) or {})
    apart = {"run_id", "outcome_shard", "due_shard", "payload", "payload_sha256", *(["created_at"] if trimmed else [])}
    one, other = ({name: item[name] for name in item if name not in apart} for item in items)
    assert one == other
    assert (one["thread_id"], one["assistant_id"], one["outcome"]) == ("thread", "agent", "failed")


@pytest.mark.parametrize("delivered", [False, True])
def test_g4_g5_the_run_of_another_launch_is_refused_and_left_alone(
    webhook: Door, aws: Aws, output: Output, *, delivered: bool
) -> None:
    run_id, owner, stranger = new_id(), new_id(), new_id()
    record_launch(webhook, run_id, owner)
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
