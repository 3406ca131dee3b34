"""What a launch asks of LangGraph, what it answers, and what it leaves in the ledger."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from runledger.domain import tokens
from runledger.domain.launches import parse_launch
from runledger.domain.ledger import SCHEMA, shard
from tests.integration.langgraph_double import ASSISTANT_ID
from tests.integration.support import CHECK, LEASE_ENDS, LEDGER_ID, NOW, delivery, new_id

if TYPE_CHECKING:
    from tests.integration.langgraph_double import LangGraphDouble, Sent
    from tests.integration.support import Aws, Door, Output

WEEK = 604_800
MADE_AT = "2026-11-22T06:00:00.000000Z"


def launch_body(**fields: Any) -> str:
    return json.dumps({"assistant_id": "agent", "input": {}, **fields})


def webhook_token(sent: Sent) -> str:
    (token,) = parse_qs(urlsplit(sent.body["webhook"]).query)["token"]
    return str(token)


def grant_at(aws: Aws, token: str, now: float) -> str | None:
    ring = tokens.KeyRing.parse(aws.secret("KeyRingSecret"))
    return tokens.verify(token, ring, now, accept_shared=False).launch_id


def test_a_launch_makes_a_thread_and_a_run_that_carry_its_id(
    launch: Door, langgraph: LangGraphDouble, output: Output
) -> None:
    reply = launch.call(launch_body(metadata={"team": "blue"}))
    launch_id = reply.body["launch_id"]
    thread_id = langgraph.thread_request.body["thread_id"]
    assert uuid.UUID(thread_id).version == 4
    assert reply.status == 202
    assert reply.body == {
        "launch_id": launch_id,
        "run_id": langgraph.run_id,
        "thread_id": thread_id,
        "outcome": "pending",
        "links": {"run": f"/runs/{langgraph.run_id}", "launch": f"/launches/{launch_id}"},
    }
    assert reply.headers["Location"] == f"/runs/{langgraph.run_id}"
    assert langgraph.thread_request.body == {
        "thread_id": thread_id,
        "if_exists": "do_nothing",
        "metadata": {"thread_of_launch": launch_id, "thread_of_ledger": LEDGER_ID},
    }
    assert langgraph.run_request.path == f"/threads/{thread_id}/runs"
    sent = langgraph.run_request.body
    assert {name: sent[name] for name in sent if not name.startswith("stream")} == {
        "assistant_id": "agent",
        "input": {},
        "metadata": {
            "team": "blue",
            "launch_id": launch_id,
            "ledger_id": LEDGER_ID,
            "answers_run_id": None,
            "answer_digest": None,
            "start_nonce": sent["metadata"]["start_nonce"],
        },
        "multitask_strategy": "reject",
        "webhook": sent["webhook"],
    }
    assert output.counts == {"launched": 1}


def test_the_ledger_has_the_launch_and_its_run(launch: Door, aws: Aws, langgraph: LangGraphDouble) -> None:
    text = launch_body(after_seconds=60)
    body = launch.call(text).body
    item = aws.launch(body["launch_id"]) or {}
    assert item == {
        "schema": SCHEMA,
        "launch_id": body["launch_id"],
        "state": "started",
        "attempt": 1,
        "assistant_id": "agent",
        "thread_id": body["thread_id"],
        "own_thread": True,
        "stream": False,
        "langgraph_url": langgraph.url,
        "start_nonce": item["holder"],
        "run_id": langgraph.run_id,
        "digest": parse_launch(text.encode()).digest,
        "holder": item["holder"],
        "lease_until": LEASE_ENDS,
        "created_at": MADE_AT,
        "updated_at": MADE_AT,
    }
    assert aws.run(langgraph.run_id) == {
        "schema": SCHEMA,
        "run_id": langgraph.run_id,
        "launch_id": body["launch_id"],
        "thread_id": body["thread_id"],
        "assistant_id": ASSISTANT_ID,
        "langgraph_url": langgraph.url,
        "status": "pending",
        "outcome": "pending",
        "outcome_shard": f"pending#{shard(langgraph.run_id)}",
        "source": "launch",
        "created_at": MADE_AT,
        "updated_at": MADE_AT,
        "starts_at": CHECK - 60,
        "due_at": CHECK + 60,
        "due_shard": str(shard(langgraph.run_id)),
    }


def test_g1_the_launch_is_put_down_and_due_before_langgraph_is_asked(
    launch: Door, aws: Aws, langgraph: LangGraphDouble
) -> None:
    seen: list[Any] = []
    langgraph.before_run = lambda sent: seen.append(aws.launch(sent.body["metadata"]["launch_id"]))
    launch.call(launch_body())
    (item,) = seen
    assert (item["state"], item["due_at"], item["due_shard"]) == (
        "starting",
        LEASE_ENDS,
        str(shard(item["launch_id"])),
    )
    assert item["request"] == launch_body(), "somebody else may have to start the run"


@pytest.mark.parametrize("after_seconds", [0, 3600])
def test_g7_the_webhook_url_carries_a_token_good_until_the_run_must_be_over(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, after_seconds: int
) -> None:
    launch_id = launch.call(launch_body(after_seconds=after_seconds)).body["launch_id"]
    url = urlsplit(langgraph.run_request.body["webhook"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == "https://webhookapi.execute-api.us-east-1.amazonaws.com/webhook"
    token = webhook_token(langgraph.run_request)
    assert grant_at(aws, token, NOW + after_seconds + WEEK - 1) == launch_id
    with pytest.raises(tokens.TokenRefusedError, match="expired"):
        grant_at(aws, token, NOW + after_seconds + WEEK)


def test_a_callers_thread_is_used_as_it_is_with_their_strategy(
    launch: Door, aws: Aws, langgraph: LangGraphDouble
) -> None:
    thread_id = new_id()
    body = launch.call(launch_body(thread_id=thread_id.upper(), multitask_strategy="enqueue")).body
    (sent,) = langgraph.requests
    assert (sent.path, sent.body["multitask_strategy"]) == (f"/threads/{thread_id}/runs", "enqueue")
    assert body["thread_id"] == thread_id
    launch_item = aws.launch(body["launch_id"]) or {}
    assert (launch_item["thread_id"], launch_item["own_thread"]) == (thread_id, False)


def test_on_a_callers_thread_no_strategy_is_made_up(launch: Door, langgraph: LangGraphDouble) -> None:
    launch.call(launch_body(thread_id=new_id()))
    assert "multitask_strategy" not in langgraph.run_request.body


def test_g2_on_an_own_thread_the_strategy_is_always_reject(launch: Door, langgraph: LangGraphDouble) -> None:
    assert launch.call(launch_body(multitask_strategy="enqueue")).status == 202
    assert langgraph.run_request.body["multitask_strategy"] == "reject"


OPTIONS = {
    "config": {"configurable": {"sum": 0.1 + 0.2}, "recursion_limit": 7, "tags": ["a"]},
    "context": {"n": 2**63 - 1, "least": -(2**63), "": {"": [None, True, -0.0, 1e300]}, "grin": "😀\u0000"},
    "interrupt_before": ["ask"],
    "interrupt_after": "*",
    "durability": "exit",
    "after_seconds": 5,
    "checkpoint_id": "1ef4f797-8335-6428-8001-8a1503f9b875",
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "asked", [{"input": {"f": 0.30000000000000004, "deep": [[[[]]]]}}, {"input": "text"}, {"command": {"resume": 0}}]
)
def test_options_reach_langgraph_unchanged(
    launch: Door, langgraph: LangGraphDouble, asked: dict[str, Any], *, stream: bool
) -> None:
    fields = {**OPTIONS, **asked}
    body = {"assistant_id": ASSISTANT_ID, "thread_id": new_id(), "stream": stream, "metadata": {"m": [1.0]}, **fields}
    assert launch.call(json.dumps(body)).status == 202
    sent = langgraph.run_request.body
    assert {name: sent[name] for name in fields} == fields
    assert repr(sent["context"]) == repr(OPTIONS["context"])
    assert sent["metadata"]["m"] == [1.0]


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, {"stream_mode": "events", "stream_subgraphs": False}),
        ({"stream_mode": ["values", "debug"], "stream_subgraphs": True}, None),
        ({"stream_mode": "messages-tuple"}, None),
    ],
)
def test_a_streamed_run_is_let_go_of_and_can_be_joined(
    launch: Door, langgraph: LangGraphDouble, aws: Aws, asked: dict[str, Any], sent: dict[str, Any] | None
) -> None:
    reply = launch.call(launch_body(stream=True, **asked))
    assert reply.status == 202
    thread_id, run_id = reply.body["thread_id"], langgraph.run_id
    assert reply.body["links"]["stream"] == f"{langgraph.url}/threads/{thread_id}/runs/{run_id}/stream"
    request = langgraph.run_request
    assert request.path == f"/threads/{thread_id}/runs/stream"
    assert (request.body["on_disconnect"], request.body["stream_resumable"]) == ("continue", True)
    assert {name: request.body.get(name) for name in sent or asked} == (sent or asked)
    assert grant_at(aws, webhook_token(request), NOW) == reply.body["launch_id"]
    assert (aws.run(run_id) or {})["assistant_id"] == "agent"
    assert (aws.launch(reply.body["launch_id"]) or {})["stream"] is True


@pytest.mark.parametrize(("secret", "header"), [(" ", None), (" \n", None), ("lsv2_key\n", "lsv2_key")])
def test_the_api_key_is_sent_where_the_secret_holds_one(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, secret: str, header: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGGRAPH_API_KEY", "of-the-environment")
    aws.put_secret("LangGraphApiKeySecret", secret)
    assert launch.call(launch_body()).status == 202
    assert [sent.headers.get("x-api-key") for sent in langgraph.requests] == [header, header]


@pytest.mark.parametrize("faster", [False, True])
@pytest.mark.parametrize("trimmed", [False, True])
def test_a_launchs_metadata_stands_with_its_run_for_events(
    launch: Door, alone: Door, aws: Aws, langgraph: LangGraphDouble, *, faster: bool, trimmed: bool
) -> None:
    given = {"tenant": "a", "price": 1.5}

    def deliver(sent: Sent) -> None:
        told = None if trimmed else {**sent.body["metadata"], "graph_id": "agent"}
        body = delivery(langgraph.run_id, None, webhook_token(sent), status="error", metadata=told)
        assert alone.call(body, f"token={webhook_token(sent)}").status == (202 if faster else 200)

    if faster:
        langgraph.before_run = deliver
    assert launch.call(launch_body(metadata=given)).status == 202
    if not faster:
        deliver(langgraph.run_request)
    assert json.loads((aws.run(langgraph.run_id) or {})["metadata"]) == given


def test_metadata_that_is_too_long_stays_with_langgraph(launch: Door, aws: Aws, langgraph: LangGraphDouble) -> None:
    assert launch.call(launch_body(metadata={"pad": "x" * 9_000})).status == 202
    assert "metadata" not in (aws.run(langgraph.run_id) or {})


@pytest.mark.parametrize("trimmed", [False, True])
def test_g4_g11_whether_the_webhook_or_the_launcher_is_faster_the_run_is_the_same(
    launch: Door, alone: Door, aws: Aws, langgraph: LangGraphDouble, output: Output, *, trimmed: bool
) -> None:
    """LangGraph can be told to leave fields out; then the launch alone knows thread and assistant."""
    left_out: dict[str, Any] = dict.fromkeys(("thread_id", "assistant_id", "created_at", "metadata") if trimmed else ())
    replies, items = [], []

    def deliver(sent: Sent) -> None:
        token = webhook_token(sent)
        body = delivery(langgraph.run_id, sent.body["metadata"]["launch_id"], token, status="error", **left_out)
        replies.append(alone.call(body, f"token={token}").status)

    for faster in (True, False):
        langgraph.before_run = deliver if faster else (lambda _: None)
        langgraph.requests.clear()
        reply = launch.call(launch_body()).body
        if not faster:
            deliver(langgraph.run_request)
        run, item = aws.run(langgraph.run_id) or {}, aws.launch(reply["launch_id"]) or {}
        assert (run["launch_id"], run["thread_id"]) == (reply["launch_id"], reply["thread_id"])
        assert (run["outcome"], run["source"], run["unverified"]) == ("failed", "webhook", True)
        assert (item["state"], item["run_id"], item.get("kept_count", 0)) == ("started", langgraph.run_id, 0)
        items.append(run)
    assert replies == [202, 200]
    of_its_own = {"run_id", "launch_id", "thread_id", "outcome_shard", "due_shard", "metadata"}
    of_its_own |= {"payload", "payload_sha256"}
    one, other = ({name: item[name] for name in item if name not in of_its_own} for item in items)
    assert one == other
    assert output.counts == {"kept": 1, "delivered": 2, "launched": 2}
