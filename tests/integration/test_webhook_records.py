"""What a delivery leaves in the ledger."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain.ledger import SCHEMA, shard
from tests.integration.support import CHECK, NOW, delivery, new_id, record_launch

if TYPE_CHECKING:
    from tests.integration.conftest import Load
    from tests.integration.support import Aws, Door, Output

RAW = (
    '{"f":0.30000000000000004,"one":1.0,"n":9223372036854775807,"minus":-0.0,"e":1E+2,"nul":"\\u0000","half":"\\ud83d",'
    '"grin":"😀","":{"":[]},"deep":' + "[" * 60 + "]" * 60 + ',"big":' + "7" * 5000 + ', "twice":1,"twice":2 }'
)


def cut(body: str, token: str) -> str:
    assert body.count(token) == 1
    return body.replace(token, "")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("success", "settling"),
        ("error", "failed"),
        ("timeout", "timed_out"),
        ("interrupted", "cancelled"),
        ("rollback", "rolled_back"),
    ],
)
def test_g11_a_delivery_of_each_status_becomes_its_outcome_and_an_end_is_unverified(
    webhook: Door, aws: Aws, output: Output, status: str, outcome: str
) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    body = delivery(run_id, launch_id, token, status=status)
    reply = webhook.call(body, f"token={token}")
    assert (reply.status, reply.body) == (200, {"run_id": run_id, "outcome": outcome, "duplicate": False})
    item = aws.run(run_id)
    assert item
    assert (item["status"], item["outcome"], item["outcome_shard"]) == (status, outcome, f"{outcome}#{shard(run_id)}")
    due = {"due_at": CHECK, "due_shard": str(shard(run_id))}
    assert {name: item[name] for name in item if name.startswith("due")} == due
    assert item.get("unpublished") == ({outcome} if outcome != "settling" else None)
    assert item.get("unverified") == (True if outcome != "settling" else None)
    assert output.counts == {"delivered": 1}


def test_g11_a_run_without_a_thread_is_400_for_the_token_of_a_launch(webhook: Door, aws: Aws, output: Output) -> None:
    """Runledger launches none; its thread being deleted, LangGraph could not be asked about it."""
    run_id, launch_id = new_id(), new_id()
    record_launch(aws, run_id, launch_id)
    before = aws.run(run_id)
    reply = webhook.call(delivery(run_id, launch_id, kwargs={"temporary": True}), f"token={aws.token(launch_id)}")
    assert (reply.status, reply.problem) == (400, "temporary-run")
    assert aws.run(run_id) == before
    assert output.counts == {"refused": 1, "refused:temporary-run": 1}


def test_the_item_has_every_attribute_of_the_delivery_and_what_its_launcher_said(webhook: Door, aws: Aws) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    body = delivery(run_id, launch_id, token, status="error", error={"error": "ValueError", "message": "boom"})
    assert webhook.call(body, f"token={token}").status == 200
    stored = cut(body, token)
    assert aws.run(run_id) == {
        "schema": SCHEMA,
        "run_id": run_id,
        "launch_id": launch_id,
        "thread_id": "01a201d6-a0d1-70a4-a07d-24d5b1a571e8",
        "assistant_id": "agent",
        "starts_at": int(NOW) - 60,
        "metadata": f'{{"created_by": "system", "graph_id": "agent", "launch_id": "{launch_id}"}}',
        "status": "error",
        "outcome": "failed",
        "outcome_shard": f"failed#{shard(run_id)}",
        "source": "webhook",
        "unverified": True,
        "unpublished": {"failed"},
        "event_state": "unpublished",
        "due_at": CHECK,
        "due_shard": str(shard(run_id)),
        "created_at": "2026-11-22T05:59:00.000000Z",
        "started_at": "2026-11-22T05:59:33.636297Z",
        "ended_at": "2026-11-22T05:59:33.653878Z",
        "delivered_at": "2026-11-22T06:00:00.000000Z",
        "updated_at": "2026-11-22T06:00:00.000000Z",
        "error": {"type": "ValueError", "message": "boom"},
        "error_brief": {"type": "ValueError", "message": "boom"},
        "payload": stored,
        "payload_bytes": len(stored.encode()),
        "payload_sha256": hashlib.sha256(stored.encode()).hexdigest(),
    }


@pytest.mark.parametrize("inline", ["358400", "0"])
def test_g3_payload_is_what_was_sent_but_for_the_token(load: Load, aws: Aws, inline: str) -> None:
    webhook, run_id, launch_id = load("webhook", InlinePayloadBytes=inline), new_id(), new_id()
    token = aws.token(launch_id)
    body = delivery(run_id, launch_id, token, values=RAW)
    assert webhook.call(body, f"token={token}").status == 200
    item = aws.run(run_id)
    assert item
    stored = item["payload"] if inline != "0" else aws.objects()[item["payload_key"]]["Body"]
    assert stored == cut(body, token)


@pytest.mark.parametrize(("over", "spilled"), [(0, False), (1, True)])
def test_a_payload_over_inline_payload_bytes_goes_to_the_bucket(
    webhook: Door, aws: Aws, output: Output, over: int, *, spilled: bool
) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    bare = len(delivery(run_id, launch_id, values='""').encode())
    text = "é" * ((3072 - bare) // 2) + "x" * ((3072 - bare) % 2 + over)
    body = delivery(run_id, launch_id, token, values=f'"{text}"')
    assert webhook.call(body, f"token={token}").status == 200
    item, stored = aws.run(run_id), cut(body, token)
    assert item
    assert item["payload_bytes"] == len(stored.encode()) == 3072 + over
    assert item["payload_sha256"] == hashlib.sha256(stored.encode()).hexdigest()
    assert item.get("payload") == (None if spilled else stored)
    assert item.get("payload_key") == (
        f"runs/{launch_id}/{run_id}/{item['payload_sha256']}.json.gz" if spilled else None
    )
    assert list(aws.objects()) == ([item["payload_key"]] if spilled else [])
    for found in aws.objects().values():
        assert found["Body"] == stored
        assert (found["ContentEncoding"], found["ContentType"]) == ("gzip", "application/json")
    assert output.counts == {"delivered": 1} | ({"spilled": 1} if spilled else {})


def test_the_largest_inline_payload_fits_an_item_with_the_longest_names_and_errors(load: Load, aws: Aws) -> None:
    webhook, run_id, launch_id = load("webhook", InlinePayloadBytes="358400"), new_id(), new_id()
    token, name, text = aws.token(launch_id), "😀" * 256, "😀" * 3000
    facts: dict[str, Any] = {"status": name, "assistant_id": name}
    facts["error"] = {"error": text, "message": text}
    room = 358400 - len(delivery(run_id, launch_id, values='""', **facts).encode())
    body = delivery(run_id, launch_id, token, values=f'"{"é" * (room // 2)}{"x" * (room % 2)}"', **facts)
    assert webhook.call(body, f"token={token}").status == 200
    item = aws.run(run_id)
    assert item
    assert item["payload_bytes"] == 358400
    assert (item["status"], item["assistant_id"]) == (name, "agent")
    assert item["error"] == {"type": "😀" * 2000, "message": "😀" * 2000}
    other = delivery(run_id, launch_id, token, **facts)
    assert webhook.call(other, f"token={token}").status == 200
    assert item_bytes(aws.run(run_id)) < 400 * 1024


def item_bytes(value: Any) -> int:
    """Return the size of an item as DynamoDB reckons it, rounded up: names and texts in UTF-8, 21 bytes a number."""
    if isinstance(value, dict):
        return 3 + sum(len(name.encode()) + item_bytes(member) + 1 for name, member in value.items())
    return len(value.encode()) if isinstance(value, str) else 21


def test_a_body_as_large_as_lambda_takes_is_stored(webhook: Door, aws: Aws) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    body = delivery(run_id, launch_id, token, values=f'"{"payload " * 780_000}"')
    assert len(body) > 6_200_000
    assert webhook.call(body, f"token={token}").status == 200
    item = aws.run(run_id)
    assert item
    assert aws.objects()[item["payload_key"]]["Body"] == cut(body, token)


def test_what_langgraph_left_out_or_garbled_is_left_out(webhook: Door, aws: Aws) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    garbled: dict[str, Any] = {
        "thread_id": "",
        "assistant_id": "x" * 257,
        "run_started_at": "yesterday",
        "run_ended_at": 5,
    }
    body = delivery(run_id.upper(), launch_id, token, **garbled, created_at=None, error=["boom"])
    assert webhook.call(body, f"token={token}").status == 200
    item = aws.run(run_id)
    assert item
    assert not {"started_at", "ended_at", "error"} & set(item)
    assert (item["thread_id"], item["assistant_id"]) == ("thread", "agent")
    assert item["created_at"] == "2026-11-22T05:59:00.000000Z"
    assert item["payload"] == cut(body, token)


def test_an_error_with_half_a_surrogate_pair_can_be_kept(webhook: Door, aws: Aws) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    body = delivery(run_id, launch_id, token, status="error", error={"error": "E", "message": "HALF"})
    body = body.replace("HALF", "half \\ud83d")
    assert webhook.call(body, f"token={token}").status == 200
    item = aws.run(run_id)
    assert item
    assert item["error"] == {"type": "E", "message": "half ?"}
    assert item["payload"] == cut(body, token)
