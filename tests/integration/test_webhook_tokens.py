"""Who may deliver: launch tokens, shared tokens, and what is refused before the body is read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from runledger.adapters.secrets_manager import CACHE_SECONDS, REREAD_SECONDS
from runledger.domain import run_states, tokens
from runledger.domain.ledger import SCHEMA, shard
from runledger.domain.unconfirmed import claim_of
from tests.integration.spellings import percent_encoded
from tests.integration.support import (
    CHECK,
    LATER,
    NOW,
    SOURCE,
    claim,
    client_of,
    delivery,
    new_id,
    record_launch,
    stand_still,
)

if TYPE_CHECKING:
    from tests.integration.conftest import Load
    from tests.integration.support import Aws, Clock, Door, Output

SHARED = "shared-secret-of-the-crons-0123456789abc"
OTHER_KEYS = tokens.KeyRing("k0", {"k0": b"f" * 64, "k1795327100": b"n" * 64}, {})


@pytest.fixture
def clock(webhook: Door, aws: Aws) -> Clock:
    return stand_still(webhook, aws)


def forged(token: str) -> str:
    return token[:-2] + ("AA" if token[-2:] != "AA" else "BB")


BAD = {
    "absent": ("", "missing"),
    "empty": ("token=", "missing"),
    "another name": ("Token={good}", "missing"),
    "twice": ("token={good}&token={good}", "several"),
    "twice, one empty": ("token={good}&token=", "several"),
    "forged": ("token={forged}", "forged"),
    "another ring's": ("token={foreign}", "forged"),
    "expired": ("token={expired}", "expired"),
    "expires now": ("token={expires_now}", "expired"),
    "with another expiry": ("token={prolonged}", "forged"),
    "truncated": ("token={truncated}", "malformed"),
    "with more": ("token={good}x", "malformed"),
    "with a line end": ("token={good}%0A", "malformed"),
    "not ASCII": ("token=%C3%A9%F0%9F%98%80", "malformed"),
    "not UTF-8": ("token=%FF%FE", "malformed"),
    "with other digits": ("token=k%D9%A0{tail}", "malformed"),
    "of no launch": ("token=k0.not-a-launch.{later}.{mac}", "malformed"),
    "the key itself": ("token={key}", "malformed"),
}


def test_g5_who_sends_from_elsewhere_is_refused_before_anything_else(load: Load, aws: Aws, output: Output) -> None:
    """Not even the key ring is read, though the token is good."""
    webhook, launch_id, run_id = load("webhook", WebhookSourceCidrs="198.51.100.0/24"), new_id(), new_id()
    token = aws.token(launch_id)
    record_launch(aws, run_id, launch_id)
    before = aws.run(run_id)
    webhook.parts = replace(webhook.parts, receiver=None)
    refused = webhook.call(delivery(run_id, launch_id, token), f"token={token}")
    assert (refused.status, refused.problem) == (403, "source-refused")
    assert aws.items("RunsTable") == [before]
    assert not aws.items("LaunchesTable")
    assert output.counts == {"refused": 1, "refused:source-refused": 1}


def test_g5_where_a_request_comes_from_is_not_for_its_headers_to_say(load: Load, aws: Aws) -> None:
    webhook, launch_id = load("webhook", WebhookSourceCidrs="198.51.100.0/24"), new_id()
    token, near = aws.token(launch_id), "198.51.100.7"
    headers = {"x-forwarded-for": near, "forwarded": f"for={near}", "x-real-ip": near}
    refused = webhook.call(delivery(new_id(), launch_id, token), f"token={token}", headers)
    assert (refused.status, refused.problem) == (403, "source-refused")


def test_who_sends_from_one_of_the_networks_is_heard(load: Load, aws: Aws) -> None:
    webhook, launch_id, run_id = load("webhook", WebhookSourceCidrs=f"198.51.100.0/24,{SOURCE}/32"), new_id(), new_id()
    token = aws.token(launch_id)
    assert webhook.call(delivery(run_id, launch_id, token), f"token={token}").status == 200


@pytest.mark.parametrize(("query", "reason"), BAD.values(), ids=BAD.keys())
def test_g5_a_bad_token_is_refused_and_nothing_is_written(
    webhook: Door, aws: Aws, output: Output, query: str, reason: str
) -> None:
    launch_id = new_id()
    good, expired = aws.token(launch_id), aws.token(launch_id, int(NOW) - 1)
    spelt = query.format(
        good=good,
        forged=forged(good),
        foreign=tokens.sign(OTHER_KEYS, launch_id, LATER, NOW),
        expired=expired,
        expires_now=aws.token(launch_id, int(NOW)),
        prolonged=expired.replace(f".{int(NOW) - 1}.", f".{LATER}."),
        truncated=good[:-1],
        tail=good.removeprefix("k0"),
        later=LATER,
        mac=good.rpartition(".")[2],
        key=tokens.KeyRing.parse(aws.secret("KeyRingSecret")).signing["k0"].decode(),
    )
    reply = webhook.call(delivery(new_id(), launch_id, good), spelt)
    assert (reply.status, reply.problem) == (401, f"token-{reason}")
    assert aws.is_empty()
    assert output.counts == {"refused": 1, f"refused:token-{reason}": 1}


@pytest.mark.parametrize("body", ["{not json", None, "[]"])
def test_the_token_is_checked_before_the_body(webhook: Door, body: str | None) -> None:
    assert webhook.call(body, "token=nonsense").status == 401


def test_a_percent_encoded_token_among_other_parameters_is_accepted(webhook: Door, aws: Aws) -> None:
    run_id, launch_id = new_id(), new_id()
    query = f"a=b&token={percent_encoded(aws.token(launch_id))}&c"
    assert webhook.call(delivery(run_id, launch_id), query).status == 200


def test_g7_a_genuine_but_expired_token_makes_its_launch_due_now(webhook: Door, aws: Aws, output: Output) -> None:
    launch_id, run_id = new_id(), new_id()
    webhook.parts.receiver.launches.apply(claim(launch_id, NOW + 5000))
    token = aws.token(launch_id, int(NOW) - 1)
    reply = webhook.call(delivery(run_id, launch_id, token), f"token={token}")
    assert (reply.status, reply.problem) == (401, "token-expired")
    assert (aws.launch(launch_id) or {})["due_at"] == int(NOW)
    assert aws.run(run_id) is None
    assert {line.get("launch_id") for line in output.logs} == {launch_id}


def test_a_forged_token_does_not_make_a_launch_due(webhook: Door, aws: Aws) -> None:
    launch_id = new_id()
    webhook.parts.receiver.launches.apply(claim(launch_id, NOW + 5000))
    token = forged(aws.token(launch_id, int(NOW) - 1))
    assert webhook.call(delivery(new_id(), launch_id), f"token={token}").status == 401
    assert (aws.launch(launch_id) or {})["due_at"] > NOW + 5000


def test_g7_an_unknown_key_is_looked_up_once_then_refused(
    webhook: Door, aws: Aws, output: Output, clock: Clock
) -> None:
    reads = []
    client_of(webhook.parts.receiver.ring).meta.events.register(
        "before-send.secrets-manager.GetSecretValue", lambda **_: reads.append(clock.now)
    )
    launch_id = new_id()
    token = tokens.sign(tokens.KeyRing("k9", {"k9": b"n" * 64}, {}), launch_id, LATER, NOW)
    clock.now = REREAD_SECONDS - 0.1
    early = webhook.call(delivery(new_id(), launch_id), f"token={token}")
    assert (early.status, early.problem, early.headers["Retry-After"]) == (
        503,
        "token-unknown-key",
        str(REREAD_SECONDS),
    )
    assert reads == []
    clock.now = REREAD_SECONDS
    reply = webhook.call(delivery(new_id(), launch_id), f"token={token}")
    assert (reply.status, reply.problem) == (401, "token-unknown-key")
    assert webhook.call(delivery(new_id(), launch_id), f"token={token}").status == 503
    assert reads == [REREAD_SECONDS]
    assert aws.is_empty()
    assert output.counts == {"refused": 3, "refused:token-unknown-key": 3}  # no alarm for what anyone can send


def test_g7_a_key_added_since_the_last_read_is_found_by_reading_again(webhook: Door, aws: Aws, clock: Clock) -> None:
    aws.add_key("k1795327100", "n" * 64)
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id, kid="k1795327100")
    assert webhook.call(delivery(run_id, launch_id, token), f"token={token}").status == 503
    clock.now = REREAD_SECONDS
    assert webhook.call(delivery(run_id, launch_id, token), f"token={token}").status == 200


def test_a_key_that_was_dropped_is_good_no_longer_than_the_cache(webhook: Door, aws: Aws, clock: Clock) -> None:
    aws.add_key("k1795327100", "n" * 64)
    clock.now = REREAD_SECONDS
    webhook.parts.receiver.ring.fresh()
    launch_id, run_id = new_id(), new_id()
    token = aws.token(launch_id)
    record_launch(aws, run_id, launch_id)
    aws.put_secret("KeyRingSecret", f'{{"current": "k1795327100", "k1795327100": "{"n" * 64}"}}')
    assert webhook.call(delivery(run_id, launch_id), f"token={token}").status == 200
    clock.now += CACHE_SECONDS
    assert webhook.call(delivery(new_id(), launch_id), f"token={token}").status == 503  # the read was this very moment
    clock.now += REREAD_SECONDS
    assert webhook.call(delivery(new_id(), launch_id), f"token={token}").status == 401


def test_g5_shared_tokens_are_refused_by_default(webhook: Door, aws: Aws) -> None:
    aws.add_key("shared-crons", SHARED)
    reply = webhook.call(delivery(new_id(), None), f"token={SHARED}")
    assert (reply.status, reply.problem) == (401, "token-malformed")
    assert aws.is_empty()


def test_g11_a_shared_token_claims_a_run_without_launch_once(load: Load, aws: Aws, output: Output) -> None:
    aws.add_key("shared-crons", SHARED)
    webhook, run_id = load("webhook", AcceptSharedTokens="true"), new_id()
    body = delivery(run_id, None, SHARED, status="error")
    replies, items = [], list[Any]()
    for _ in range(2):
        replies.append(webhook.call(body, f"token={SHARED}"))
        items.append(aws.run(run_id) or {})
    assert [(reply.status, reply.body["recorded"]) for reply in replies] == [(202, False)] * 2
    assert items[0] == items[1]
    item = items[0]
    one = claim_of(item)
    assert item == {
        "schema": SCHEMA,
        "run_id": run_id,
        "outcome": "unconfirmed",
        "status": "error",
        "source": "webhook",
        "claim": item["claim"],
        "langgraph_url": "http://127.0.0.1:9",
        "starts_at": int(NOW),
        "delivered_at": "2026-11-22T06:00:00.000000Z",
        "updated_at": "2026-11-22T06:00:00.000000Z",
        "due_at": CHECK,
        "due_shard": str(shard(run_id)),
    }, "nothing that a list or an event goes by"
    assert (one.placed.payload.text, one.delivery.outcome, one.disputed) == (body.replace(SHARED, ""), "failed", False)
    assert output.counts == {"claimed": 1, "duplicate": 1}


def test_g11_a_shared_token_that_contradicts_a_claim_disputes_it_once(load: Load, aws: Aws, output: Output) -> None:
    aws.add_key("shared-crons", SHARED)
    webhook, run_id = load("webhook", AcceptSharedTokens="true"), new_id()
    for status in ("error", "success", "timeout"):
        assert webhook.call(delivery(run_id, None, SHARED, status=status), f"token={SHARED}").status == 202
    one = claim_of(aws.run(run_id))
    assert (one.delivery.status, one.disputed) == ("error", True)
    assert output.counts == {"claimed": 1, "contradicted": 1}


@pytest.mark.parametrize(("status", "outcome"), [("success", "succeeded"), ("error", "failed")])
def test_g11_a_shared_token_is_believed_of_a_run_without_a_thread_which_is_marked(
    load: Load, aws: Aws, output: Output, status: str, outcome: str
) -> None:
    aws.add_key("shared-crons", SHARED)
    webhook, run_id = load("webhook", AcceptSharedTokens="true"), new_id()
    body = delivery(run_id, None, SHARED, status=status, kwargs={"temporary": True})
    replies = [webhook.call(body, f"token={SHARED}") for _ in range(2)]
    assert [(r.status, r.body["outcome"], r.body["duplicate"]) for r in replies] == [
        (200, outcome, False),
        (200, outcome, True),
    ]
    item = aws.run(run_id) or {}
    assert (item["outcome"], item["confirmed"], item["unpublished"]) == (outcome, False, {outcome})
    assert (item["created_at"], item["payload"]) == ("2026-11-22T06:00:00.000000Z", body.replace(SHARED, ""))
    assert not {"launch_id", "thread_id", "unverified", "claim"} & set(item)
    assert output.counts == {"delivered": 1, "duplicate": 1}


@pytest.mark.parametrize("delivered", [False, True])
def test_g4_g5_a_shared_token_speaks_for_no_launch(load: Load, aws: Aws, *, delivered: bool) -> None:
    aws.add_key("shared-crons", SHARED)
    webhook, run_id, launch_id = load("webhook", AcceptSharedTokens="true"), new_id(), new_id()
    named = webhook.call(delivery(run_id, launch_id, SHARED), f"token={SHARED}")
    assert (named.status, named.problem) == (400, "other-launch")
    assert aws.is_empty()
    if delivered:
        webhook.call(delivery(run_id, launch_id), f"token={aws.token(launch_id)}")
    else:
        names = {"run_id": run_id, "launch_id": launch_id, "thread_id": new_id(), "assistant_id": "agent"}
        webhook.parts.receiver.recorder.runs.apply(run_states.pending(**names, after_seconds=0, now=NOW))
    before = aws.run(run_id)
    assert before
    owned = webhook.call(delivery(run_id, None, SHARED, status="error"), f"token={SHARED}")
    assert (owned.status, owned.problem) == (400, "other-launch")
    assert aws.run(run_id) == before


@pytest.mark.parametrize(
    ("token", "reason"), [("x" * 40, "unknown-key"), (SHARED[:-1] + "X", "unknown-key"), ("shared-crons", "malformed")]
)
def test_a_wrong_shared_token_is_refused(load: Load, aws: Aws, token: str, reason: str) -> None:
    aws.add_key("shared-crons", SHARED)
    webhook = load("webhook", AcceptSharedTokens="true")
    stand_still(webhook, aws).now = REREAD_SECONDS
    reply = webhook.call(delivery(new_id(), None), f"token={token}")
    assert (reply.status, reply.problem) == (401, f"token-{reason}")
    assert aws.is_empty()
