"""AWS out of order under the webhook: 5xx, which LangGraph repeats, and the repeat works (G6)."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import pytest

from runledger.adapters.secrets_manager import CACHE_SECONDS, REREAD_SECONDS, STALE_SECONDS
from runledger.deadline import CALL_SECONDS
from runledger.domain.unconfirmed import kept_about
from tests.integration import faults as kinds
from tests.integration.support import LATER, NOW, claim, client_of, delivery, new_id, record_launch, stand_still
from tests.integration.test_webhook_tokens import forged

if TYPE_CHECKING:
    from tests.integration.faults import Faults
    from tests.integration.support import Aws, Door, Output, Reply

BIG = f'"{"x" * 40_000}"'


def assert_unavailable(reply: Reply) -> None:
    assert (reply.status, reply.problem, reply.headers["Retry-After"]) == (503, "unavailable", "5")


@pytest.mark.parametrize("kind", kinds.ALL)
@pytest.mark.parametrize("service", ["ring", "recorder.runs", "recorder.bucket"])
def test_g6_an_outage_is_503_with_nothing_half_written_and_the_repeat_works(
    webhook: Door, aws: Aws, faults: Faults, output: Output, service: str, kind: str
) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    body = delivery(run_id, launch_id, token, values=BIG if service == "recorder.bucket" else "{}")
    record_launch(aws, run_id, launch_id)
    before = aws.run(run_id)
    with faults.on(client_of(attrgetter(service)(webhook.parts.receiver)), kind):
        assert_unavailable(webhook.call(body, f"token={token}"))
    assert len(faults.requests) == 2  # boto3's tries
    assert aws.items("RunsTable") == [before]
    assert not aws.items("LaunchesTable")
    assert not aws.objects()
    assert output.counts == {"failed": 1}
    reply = webhook.call(body, f"token={token}")
    assert (reply.status, reply.body["duplicate"]) == (200, False)
    assert len(aws.items("RunsTable")) == 1


@pytest.mark.parametrize("kind", kinds.ALL)
@pytest.mark.parametrize("service", ["launches", "recorder.bucket"])
def test_g6_g11_a_delivery_that_could_not_be_kept_is_503_and_the_repeat_is_kept(
    alone: Door, aws: Aws, faults: Faults, output: Output, service: str, kind: str
) -> None:
    run_id, launch_id = new_id(), new_id()
    assert alone.parts.receiver.launches.apply(claim(launch_id)) is None
    token, before = aws.token(launch_id), aws.launch(launch_id)
    body = delivery(run_id, launch_id, token, values=BIG if service == "recorder.bucket" else "{}")
    with faults.on(client_of(attrgetter(service)(alone.parts.receiver)), kind):
        assert_unavailable(alone.call(body, f"token={token}"))
    assert len(faults.requests) == 2
    assert aws.launch(launch_id) == before
    assert not aws.items("RunsTable")
    assert not aws.objects()
    assert output.counts == {"failed": 1}
    assert alone.call(body, f"token={token}").status == 202
    kept = kept_about(aws.launch(launch_id) or {}, run_id)
    assert kept
    assert kept.placed.payload.size == len(body.replace(token, ""))
    assert list(aws.objects()) == ([kept.placed.key] if service == "recorder.bucket" else [])


def test_g6_a_short_outage_is_bridged(webhook: Door, aws: Aws, faults: Faults) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    with faults.on(client_of(webhook.parts.receiver.recorder.runs), kinds.THROTTLED, times=1):
        assert webhook.call(delivery(run_id, launch_id, token), f"token={token}").status == 200
    assert len(faults.pauses) == 1


def test_g6_no_write_is_begun_for_which_there_is_no_time(webhook: Door, aws: Aws) -> None:
    """LangGraph waits 30 s for an answer: a 503 in time is repeated, as is this function's time-out, but later."""
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    record_launch(aws, run_id, launch_id)
    before = aws.run(run_id)
    assert_unavailable(webhook.call(delivery(run_id, launch_id, token), f"token={token}", seconds=CALL_SECONDS - 0.5))
    assert aws.items("RunsTable") == [before]
    assert webhook.call(delivery(run_id, launch_id, token), f"token={token}").status == 200


def test_g6_no_second_write_is_begun_for_which_no_time_is_left(webhook: Door, aws: Aws) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    webhook.call(delivery(run_id, launch_id, token), f"token={token}")
    before, other = aws.run(run_id), delivery(run_id, launch_id, token, status="error")
    assert_unavailable(webhook.call(other, f"token={token}", seconds_then=(25, CALL_SECONDS + 0.5, CALL_SECONDS - 0.5)))
    assert aws.run(run_id) == before
    assert webhook.call(other, f"token={token}").status == 200
    assert (aws.run(run_id) or {})["other_status"] == "error"


def test_g6_g11_no_delivery_is_kept_for_which_no_time_is_left(alone: Door, aws: Aws) -> None:
    run_id, launch_id = new_id(), new_id()
    assert alone.parts.receiver.launches.apply(claim(launch_id)) is None
    token, before = aws.token(launch_id), aws.launch(launch_id)
    body = delivery(run_id, launch_id, token)
    assert_unavailable(alone.call(body, f"token={token}", seconds_then=(CALL_SECONDS + 0.5, CALL_SECONDS - 0.5)))
    assert aws.launch(launch_id) == before
    assert alone.call(body, f"token={token}").status == 202


def test_the_bucket_is_written_before_the_item(webhook: Door, aws: Aws, faults: Faults, output: Output) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    body = delivery(run_id, launch_id, token, values=BIG)
    with faults.on(client_of(webhook.parts.receiver.recorder.runs), kinds.BROKEN):
        assert_unavailable(webhook.call(body, f"token={token}"))
    assert (aws.run(run_id) or {})["outcome"] == "pending"
    (key,) = aws.objects()
    assert webhook.call(body, f"token={token}").status == 200
    assert list(aws.objects()) == [key] == [(aws.run(run_id) or {})["payload_key"]]
    assert output.counts["delivered"] == 1


def test_g4_a_write_whose_answer_was_lost_is_not_done_twice(webhook: Door, aws: Aws, faults: Faults) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    body = delivery(run_id, launch_id, token, status="error")
    with faults.on(client_of(webhook.parts.receiver.recorder.runs), kinds.ANSWER_LOST, times=1):
        reply = webhook.call(body, f"token={token}")
    assert (reply.status, reply.body["outcome"]) == (200, "failed")
    assert (aws.run(run_id) or {})["source"] == "webhook"
    assert not aws.objects()


def test_g4_a_differing_delivery_that_could_not_be_kept_is_repeated(webhook: Door, aws: Aws, faults: Faults) -> None:
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    webhook.call(delivery(run_id, launch_id, token, status="error"), f"token={token}")
    first, other = aws.run(run_id), delivery(run_id, launch_id, token, status="timeout")
    with faults.on(client_of(webhook.parts.receiver.recorder.bucket), kinds.BROKEN):
        assert_unavailable(webhook.call(other, f"token={token}"))
    with faults.on(client_of(webhook.parts.receiver.recorder.runs), kinds.BROKEN, skip=1):
        assert_unavailable(webhook.call(other, f"token={token}"))
    assert aws.run(run_id) == first
    assert webhook.call(other, f"token={token}").status == 200
    assert (aws.run(run_id) or {})["other_status"] == "timeout"


@pytest.mark.parametrize("expiry", [int(NOW) - 1, LATER], ids=["expired", "trimmed"])
def test_a_launch_that_could_not_be_made_due_is_503(webhook: Door, aws: Aws, faults: Faults, expiry: int) -> None:
    with faults.on(client_of(webhook.parts.receiver.launches), kinds.THROTTLED):
        assert_unavailable(webhook.call("{}", f"token={aws.token(new_id(), expiry)}"))


def test_g7_a_ring_that_cannot_be_read_again_is_503_never_401(webhook: Door, aws: Aws, faults: Faults) -> None:
    clock, launch_id = stand_still(webhook, aws), new_id()
    aws.add_key("k1795327100", "n" * 64)
    token = aws.token(launch_id, kid="k1795327100")
    clock.now = REREAD_SECONDS
    with faults.on(client_of(webhook.parts.receiver.ring), kinds.BROKEN):
        assert_unavailable(webhook.call(delivery(new_id(), launch_id), f"token={token}"))
        calls = len(faults.requests)
        for _ in range(3):  # a stranger's tokens can't drive calls either
            assert webhook.call("{}", f"token={token}").problem == "token-unknown-key"
        assert len(faults.requests) == calls
    clock.now += REREAD_SECONDS
    assert webhook.call(delivery(new_id(), launch_id), f"token={token}").status == 200


def test_g7_a_ring_that_cannot_be_renewed_takes_deliveries_for_an_hour_more(
    webhook: Door, aws: Aws, faults: Faults, output: Output
) -> None:
    clock, launch_id = stand_still(webhook, aws), new_id()
    token = aws.token(launch_id)
    clock.now = CACHE_SECONDS
    with faults.on(client_of(webhook.parts.receiver.ring), kinds.THROTTLED):
        for _ in range(3):
            assert webhook.call(delivery(new_id(), launch_id), f"token={token}").status == 200
        assert output.counts == {"delivered": 3, "stale_secret": 3}
        assert webhook.call(delivery(new_id(), launch_id), f"token={forged(token)}").status == 401
        clock.now += STALE_SECONDS
        assert_unavailable(webhook.call(delivery(new_id(), launch_id), f"token={token}"))


@pytest.mark.parametrize("ring", [" ", "not json", "[]", "{}", '{"current": "k0"}', '{"current": "k0", "k0": "short"}'])
def test_g7_an_unusable_ring_is_503_and_mended_without_a_restart(webhook: Door, aws: Aws, ring: str) -> None:
    good, launch_id = aws.secret("KeyRingSecret"), new_id()
    token = aws.token(launch_id)
    aws.put_secret("KeyRingSecret", ring)
    reply = webhook.call(delivery(new_id(), launch_id), f"token={token}")
    assert (reply.status, reply.problem) == (503, "key-ring-unusable")
    aws.put_secret("KeyRingSecret", good)
    assert webhook.call(delivery(new_id(), launch_id), f"token={token}").status == 200


def test_an_unforeseen_fault_is_500_logged_and_counted(
    webhook: Door, aws: Aws, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook.parts.receiver.recorder.runs, "apply", lambda *_: 1 // 0)
    run_id, launch_id = new_id(), new_id()
    token = aws.token(launch_id)
    reply = webhook.call(delivery(run_id, launch_id), f"token={token}")
    assert (reply.status, reply.problem) == (500, "internal")
    assert output.counts == {"failed": 1}
    (line,) = output.logs
    assert (line["run_id"], line["launch_id"], line["exception_name"]) == (run_id, launch_id, "ZeroDivisionError")
