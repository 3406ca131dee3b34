"""Launching by messages: the same launch as over HTTP, tried again later, and never nothing (G1, G2, G5)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from moto.core.config import default_user_config

from runledger.adapters.secrets_manager import API_KEY_PLACEHOLDER
from runledger.domain.launches import launch_id_of
from runledger.domain.messages import TRY_SECONDS, parse_message
from runledger.domain.requests import MAX_MESSAGE_BYTES
from runledger.domain.retry import LEASE_SECONDS
from tests.integration import faults as kinds
from tests.integration.langgraph_double import Told
from tests.integration.state_machines import causes_sent, refuse, wait_for_token
from tests.integration.support import LEDGER_ID, NOW, claim, client_of

if TYPE_CHECKING:
    from tests.integration.faults import Faults
    from tests.integration.langgraph_double import LangGraphDouble
    from tests.integration.support import Aws, Door, Mailbox, Output, Recovery, WallClock

BODY: dict[str, Any] = {"assistant_id": "agent", "input": {"a": 0.1}}
THREAD = "6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10"
LATER = {  # what LangGraph says now and not for ever, and whether it has made no run
    "429": (Told(429, {"detail": "slow down"}), "refused"),
    "409": (Told(409, {"detail": "busy"}), "refused"),
    "401": (Told(401, {"detail": "key"}), "refused"),
    "webhook's URL": (Told(422, {"detail": "Webhook domain not allowed"}), "refused"),
    "proxy": (Told(404, "<html>404 Not Found</html>", {"Content-Type": "text/html"}), "refused"),
    "500": (Told(500, {"detail": "no"}), "starting"),
    "503": (Told(503, "no"), "starting"),
    "cut": (Told(cut=True), "starting"),
}
NEVER = [
    Told(422, {"detail": "no such graph"}),
    Told(404, {"detail": "no such assistant"}),
    Told(400, {"detail": "no"}),
]


@pytest.fixture
def _tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(default_user_config, "stepfunctions", {"execute_state_machine": True})


def launch_of(aws: Aws, record: dict[str, Any]) -> dict[str, Any]:
    key = json.loads(record["body"]).get("idempotency_key", record["messageId"])
    found = aws.launch(launch_id_of(key, LEDGER_ID))
    assert found
    return found


def test_g1_a_message_is_a_launch_with_its_run(mailbox: Mailbox, aws: Aws, langgraph: LangGraphDouble) -> None:
    record = mailbox.send({**BODY, "metadata": {"tenant": "a"}})
    assert mailbox.bring(record) == [True]
    launched = launch_of(aws, record)
    run = aws.run(langgraph.run_id)
    assert run
    assert (launched["state"], launched["run_id"]) == ("started", langgraph.run_id)
    assert (run["outcome"], run["launch_id"], run["metadata"]) == ("pending", launched["launch_id"], '{"tenant": "a"}')
    assert langgraph.run_request.body["input"] == BODY["input"]
    assert mailbox.letters == []


@pytest.mark.parametrize("key", [{}, {"idempotency_key": "nightly-7"}], ids=["its id", "its own key"])
def test_g2_a_message_that_comes_twice_is_one_launch(
    mailbox: Mailbox, aws: Aws, output: Output, langgraph: LangGraphDouble, key: dict[str, str]
) -> None:
    record = mailbox.send({**BODY, **key})
    assert [mailbox.bring(record), mailbox.bring(record)] == [[True], [True]]
    assert len(aws.items("RunsTable")) == len(langgraph.known) == 1
    assert output.counts["repeated"] == 1


def test_g2_a_key_means_the_same_launch_in_a_message_and_over_http(
    mailbox: Mailbox, launch: Door, langgraph: LangGraphDouble
) -> None:
    mailbox.bring(mailbox.send({**BODY, "idempotency_key": "order-4711"}))
    answer = launch.call(json.dumps(BODY), headers={"idempotency-key": "order-4711"})
    assert (answer.status, answer.body["run_id"]) == (202, langgraph.run_id)


def test_each_message_of_a_batch_stands_for_itself(mailbox: Mailbox, aws: Aws, langgraph: LangGraphDouble) -> None:
    good, bad, busy, other = (
        mailbox.send({**BODY, **more}) for more in ({}, {"nonsense": 1}, {"thread_id": THREAD}, {"metadata": {"n": 4}})
    )
    langgraph.instead = lambda sent: Told(429, {}) if sent.step.endswith("/runs") and THREAD in sent.path else None
    assert mailbox.bring(good, bad, busy, other) == [True, True, False, True]
    assert sorted(launch["state"] for launch in aws.items("LaunchesTable")) == ["refused", "started", "started"]
    assert ["/nonsense" in letter["reason"] for letter in mailbox.letters] == [True]


@pytest.mark.parametrize(("told", "state"), LATER.values(), ids=LATER.keys())
def test_g1_what_fails_for_the_moment_comes_again_later_and_reconcile_keeps_out_of_it(
    mailbox: Mailbox, aws: Aws, langgraph: LangGraphDouble, wall: WallClock, reconcile: Recovery, told: Told, state: str
) -> None:
    langgraph.runs = told
    record = mailbox.send(BODY)
    assert mailbox.bring(record) == [False]
    hidden = mailbox.hidden_for(record)
    assert LEASE_SECONDS < hidden <= LEASE_SECONDS * 1.25 + 1
    assert launch_of(aws, record)["state"] == state
    wall.now = NOW + hidden
    langgraph.requests.clear()
    reconcile.run()
    assert langgraph.requests == []
    langgraph.runs = None
    assert mailbox.bring(record) == [True]
    assert launch_of(aws, record)["state"] == "started"
    assert [run["run_id"] for run in aws.items("RunsTable")] == [langgraph.run_id]
    assert mailbox.letters == []


def test_a_message_that_fails_again_and_again_waits_longer_each_time(
    mailbox: Mailbox, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    langgraph.runs = Told(429, {})
    record = mailbox.send(BODY)
    waits = []
    for _ in range(6):
        assert mailbox.bring(record) == [False]
        waits.append(mailbox.hidden_for(record))
        wall.now += waits[-1]
    assert all(60 << n <= wait <= (60 << n) * 1.25 + 2 for n, wait in enumerate(waits[:4])), waits
    assert waits[4] == waits[5] >= 900


def test_g1_where_the_message_is_gone_reconcile_starts_the_launch(
    mailbox: Mailbox, aws: Aws, langgraph: LangGraphDouble, wall: WallClock, reconcile: Recovery
) -> None:
    langgraph.runs = Told(503, "")
    record = mailbox.send(BODY)
    mailbox.bring(record)
    langgraph.runs = None
    wall.now = NOW + mailbox.hidden_for(record) + 130
    reconcile.run()
    assert launch_of(aws, record)["state"] == "started"


@pytest.mark.parametrize("strategy", ["enqueue", "interrupt"])
def test_a_message_for_a_callers_thread_is_tried_again_as_it_was_asked_for(
    mailbox: Mailbox, aws: Aws, langgraph: LangGraphDouble, wall: WallClock, strategy: str
) -> None:
    langgraph.runs = Told(429, {})
    record = mailbox.send({**BODY, "thread_id": THREAD, "multitask_strategy": strategy})
    assert mailbox.bring(record) == [False]
    langgraph.runs = None
    wall.now += mailbox.hidden_for(record)
    assert mailbox.bring(record) == [True]
    created = [sent.body for sent in langgraph.requests if sent.step == "POST /threads/…/runs"]
    assert [body["multitask_strategy"] for body in created] == [strategy, strategy]
    assert "due_at" not in launch_of(aws, record)  # no second run is to be watched for


def test_g1_what_waited_for_its_turn_for_hours_is_tried_for_hours_all_the_same(
    mailbox: Mailbox, aws: Aws, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    langgraph.runs = Told(429, {})
    record = mailbox.send(BODY)
    wall.now += TRY_SECONDS + 1
    assert mailbox.bring(record) == [False]
    wall.now += TRY_SECONDS
    assert mailbox.bring(record) == [True]
    (letter,) = mailbox.letters
    assert "LangGraph answered 429" in letter["reason"]
    assert launch_of(aws, record)["state"] == "refused"


def test_g1_a_dead_letter_that_was_sent_again_in_vain_is_a_dead_letter_again(
    mailbox: Mailbox, aws: Aws, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    langgraph.runs = Told(422, {"detail": "no such graph"})
    mailbox.bring(mailbox.send(BODY))
    (letter,) = mailbox.letters
    record = mailbox.send(letter["body"])
    aws.put_secret("LangGraphApiKeySecret", API_KEY_PLACEHOLDER)
    mailbox.parts.launcher.server.api_key.forget()
    assert mailbox.bring(record) == [False]
    wall.now += TRY_SECONDS
    assert mailbox.bring(record) == [True]
    assert [again["body"] for again in mailbox.letters] == [letter["body"]]


def test_g2_a_message_under_anothers_key_is_never_taken_for_that_ones_launch(
    mailbox: Mailbox, aws: Aws, wall: WallClock
) -> None:
    mailbox.bring(mailbox.send({**BODY, "idempotency_key": "k"}))
    aws.put_secret("LangGraphApiKeySecret", API_KEY_PLACEHOLDER)
    mailbox.parts.launcher.server.api_key.forget()
    record = mailbox.send({**BODY, "input": 2, "idempotency_key": "k"})
    assert mailbox.bring(record) == [False]
    wall.now += TRY_SECONDS
    assert mailbox.bring(record) == [True]
    assert [json.loads(letter["body"])["input"] for letter in mailbox.letters] == [2]


@pytest.mark.usefixtures("_tasks")
def test_g8_the_newest_token_counts_however_late_an_older_message_comes(
    mailbox: Mailbox, aws: Aws, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    langgraph.runs = Told(429, {})
    older = mailbox.send({**BODY, "idempotency_key": "k", "callback": {"task_token": "first"}})
    assert mailbox.bring(older) == [False]
    langgraph.runs = None
    wall.now += 200  # the task has timed out, and is tried again
    newer = mailbox.send({**BODY, "idempotency_key": "k", "callback": {"task_token": "second"}})
    assert mailbox.bring(newer) == [True]
    wall.now += 200
    assert mailbox.bring(older) == [True]
    assert launch_of(aws, newer)["task_token"] == "second"


def test_g1_after_six_hours_a_launch_that_is_put_down_is_left_to_reconcile(
    mailbox: Mailbox, aws: Aws, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    langgraph.runs = Told(503, "")
    record = mailbox.send(BODY)
    assert mailbox.bring(record) == [False]
    wall.now += TRY_SECONDS
    assert mailbox.bring(record) == [True]
    launched = launch_of(aws, record)
    assert (launched["state"], "due_at" in launched) == ("starting", True)
    assert mailbox.letters == []


def test_g1_after_six_hours_a_message_that_could_not_be_put_down_is_a_dead_letter(
    mailbox: Mailbox, aws: Aws, wall: WallClock
) -> None:
    aws.put_secret("KeyRingSecret", "nonsense")
    record = mailbox.send(BODY)
    assert mailbox.bring(record) == [False]
    wall.now += TRY_SECONDS - 1
    assert (mailbox.bring(record), mailbox.letters) == ([False], [])
    wall.now += 1
    assert mailbox.bring(record) == [True]
    (letter,) = mailbox.letters
    assert json.loads(letter["body"]) == {**BODY, "idempotency_key": record["messageId"]}
    assert "key ring" in letter["reason"]
    assert aws.is_empty()


@pytest.mark.parametrize("told", NEVER, ids=lambda told: str(told.status))
def test_what_langgraph_refuses_for_good_is_a_dead_letter_and_its_launch_refused(
    mailbox: Mailbox, aws: Aws, langgraph: LangGraphDouble, output: Output, told: Told
) -> None:
    langgraph.runs = told
    record = mailbox.send(BODY)
    assert mailbox.bring(record) == [True]
    launched = launch_of(aws, record)
    assert (launched["state"], "due_at" in launched) == ("refused", False)
    (letter,) = mailbox.letters
    assert letter["reason"].startswith(f"LangGraph answered {told.status}")
    assert output.counts["dead_letter"] == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("nonsense", "not JSON"),
        ("[]", "not a JSON object"),
        ({"assistant_id": "agent"}, "/input"),
        ({**BODY, "inputs": 1}, "/inputs"),
        ({**BODY, "idempotency_key": ""}, "/idempotency_key"),
        ({**BODY, "metadata": {"launch_id": "x"}}, "/metadata/launch_id"),
    ],
)
def test_a_message_that_is_no_launch_is_a_dead_letter_that_says_why(
    mailbox: Mailbox, aws: Aws, output: Output, body: object, reason: str
) -> None:
    record = mailbox.send(body)
    assert mailbox.bring(record) == [True]
    (letter,) = mailbox.letters
    assert reason in letter["reason"]
    assert aws.is_empty()
    assert output.counts["refused:invalid-request"] == 1


def test_g2_another_message_under_the_same_key_is_a_dead_letter(mailbox: Mailbox, aws: Aws) -> None:
    mailbox.bring(mailbox.send({**BODY, "idempotency_key": "k"}))
    assert mailbox.bring(mailbox.send({**BODY, "input": 2, "idempotency_key": "k"})) == [True]
    (letter,) = mailbox.letters
    assert json.loads(letter["body"])["input"] == 2
    assert len(aws.items("LaunchesTable")) == 1


def test_g2_a_dead_letter_that_is_sent_again_is_the_same_launch(
    mailbox: Mailbox, aws: Aws, langgraph: LangGraphDouble
) -> None:
    """SQS gives a message that is moved back to its queue another id."""
    langgraph.runs = Told(422, {"detail": "no such graph"})
    mailbox.bring(mailbox.send(BODY))
    langgraph.runs = None
    (letter,) = mailbox.letters
    assert mailbox.bring(mailbox.send(letter["body"])) == [True]
    assert [launch["state"] for launch in aws.items("LaunchesTable")] == ["started"]


def test_g2_while_somebody_is_at_work_on_its_launch_a_message_waits(
    mailbox: Mailbox, aws: Aws, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    record = mailbox.send(BODY)
    launch_id, digest = (
        launch_id_of(record["messageId"], LEDGER_ID),
        parse_message(record["body"], record["messageId"])[1].digest,
    )
    url = langgraph.url
    assert mailbox.parts.launcher.launches.apply(claim(launch_id, digest=digest, langgraph_url=url)) is None
    assert mailbox.bring(record) == [False]
    assert langgraph.requests == []
    wall.now += mailbox.hidden_for(record)
    assert mailbox.bring(record) == [True]
    assert launch_of(aws, record)["state"] == "started"


@pytest.mark.parametrize("kind", kinds.ALL)
def test_g1_where_the_dead_letter_cannot_be_left_the_message_comes_again(
    mailbox: Mailbox, faults: Faults, kind: str
) -> None:
    record = mailbox.send("nonsense")
    with faults.on(client_of(mailbox.parts.messages.dead_letters), kind):
        assert mailbox.bring(record) == [False]
    assert mailbox.bring(record) == [True]
    assert len(mailbox.letters) == 1


def test_g1_where_a_message_cannot_be_put_off_it_comes_when_its_time_is_over(
    mailbox: Mailbox, langgraph: LangGraphDouble, faults: Faults
) -> None:
    langgraph.runs = Told(429, {})
    record = mailbox.send(BODY)
    with faults.on(client_of(mailbox.parts.messages.queue), kinds.UNREACHABLE):
        assert mailbox.bring(record) == [False]
    assert 60 < mailbox.hidden_for(record) <= 180


def test_g1_a_fault_that_nobody_foresaw_stops_no_other_message(
    mailbox: Mailbox, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = mailbox.send(BODY), mailbox.send({**BODY, "input": 2})
    put_down, poisoned = mailbox.parts.launcher.launches.apply, launch_id_of(first["messageId"], LEDGER_ID)

    def apply(update: Any) -> Any:
        if update.key["launch_id"] == poisoned:
            raise RuntimeError("poison")
        return put_down(update)

    monkeypatch.setattr(mailbox.parts.launcher.launches, "apply", apply)
    assert mailbox.bring(first, second) == [False, True]
    assert output.counts["failed"] == 1


@pytest.mark.usefixtures("_tasks")
@pytest.mark.parametrize("body", [{**BODY, "nonsense": 1}, {"input": 1}])
def test_g5_the_task_that_waits_for_a_message_which_is_no_launch_is_told_and_its_token_forgotten(
    mailbox: Mailbox, aws: Aws, output: Output, body: dict[str, Any]
) -> None:
    task = wait_for_token(aws.client)
    causes = causes_sent(client_of(mailbox.parts.launcher.callbacks.tasks))
    record = mailbox.send({**body, "callback": {"task_token": task.token}})
    assert mailbox.bring(record) == [True]
    assert task.ended()[0] == "LaunchRefused"
    assert [cause["reason"] for cause in causes] == ["invalid-request"]
    (letter,) = mailbox.letters
    assert task.token not in json.dumps(letter)
    assert output.logs
    assert task.token not in output.text


@pytest.mark.usefixtures("_tasks")
def test_g8_however_long_a_message_waits_for_its_turn_its_task_is_not_told_before(
    mailbox: Mailbox, aws: Aws, langgraph: LangGraphDouble, wall: WallClock, reconcile: Recovery
) -> None:
    task = wait_for_token(aws.client)
    langgraph.runs = Told(429, {})
    record = mailbox.send({**BODY, "callback": {"task_token": task.token}})
    assert mailbox.bring(record) == [False]
    wall.now += TRY_SECONDS - 1
    reconcile.run()
    assert task.waits
    langgraph.runs = None
    assert mailbox.bring(record) == [True]
    assert (launch_of(aws, record)["state"], task.waits) == ("started", True)


@pytest.mark.usefixtures("_tasks")
@pytest.mark.parametrize("told", [Told(429, {}), Told(404, {"detail": "no such assistant"})], ids=["429", "404"])
def test_g8_the_task_of_a_message_that_is_given_up_is_told_with_it(
    mailbox: Mailbox, aws: Aws, langgraph: LangGraphDouble, wall: WallClock, told: Told
) -> None:
    task = wait_for_token(aws.client)
    langgraph.runs = told
    record = mailbox.send({**BODY, "callback": {"task_token": task.token}})
    mailbox.bring(record)
    wall.now += TRY_SECONDS
    assert mailbox.bring(record) == [True]
    assert task.ended()[0] == "LaunchRefused"
    assert "task_token" not in launch_of(aws, record)


@pytest.mark.parametrize("depth", [400, 1_100, 5_000])
def test_g5_however_deep_a_message_is_its_task_is_told_and_its_token_forgotten(
    mailbox: Mailbox, aws: Aws, monkeypatch: pytest.MonkeyPatch, depth: int
) -> None:
    told: list[str] = []
    monkeypatch.setattr(mailbox.parts.launcher.callbacks.tasks, "end", lambda token, _: told.append(token))
    deep = "[" * depth + "]" * depth
    body = f'{{"assistant_id": "agent", "callback": {{"task_token": "secret"}}, "input": {deep}}}'
    assert mailbox.bring(mailbox.send(body)) == [True]
    assert told == ["secret"]
    (letter,) = mailbox.letters
    assert ("secret" in letter["body"], deep in letter["body"]) == (False, True)
    assert aws.is_empty()


@pytest.mark.parametrize(
    "value", ["\N{CJK UNIFIED IDEOGRAPH-6F22}" * 340_000, [1] * 500_000], ids=["not ASCII", "compact"]
)
def test_g1_however_large_a_message_is_its_letter_fits(mailbox: Mailbox, value: object) -> None:
    body = {**BODY, "nonsense": 1, "input": value}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    assert mailbox.bring(mailbox.send(text + " " * (MAX_MESSAGE_BYTES - len(text.encode())))) == [True]
    (letter,) = mailbox.letters
    assert json.loads(letter["body"]).items() >= body.items()
    assert "/nonsense" in letter["reason"]


def test_g1_a_reason_has_no_character_that_sqs_refuses(mailbox: Mailbox) -> None:
    assert mailbox.bring(mailbox.send({**BODY, "a\u0001\ufffe": 1})) == [True]
    (letter,) = mailbox.letters
    assert "/a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}: unknown" in letter["reason"]


@pytest.mark.parametrize("code", ["ValidationException", "InvalidToken"])
def test_g1_a_token_that_is_none_keeps_no_message_from_becoming_a_letter(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    refuse(client_of(mailbox.parts.launcher.callbacks.tasks), code, monkeypatch)
    assert mailbox.bring(mailbox.send({**BODY, "nonsense": 1, "callback": {"task_token": "x" * 2_048}})) == [True]
    assert mailbox.bring(mailbox.send({**BODY, "callback": {"task_token": "x" * 3_000}})) == [True]
    assert len(mailbox.letters) == 2


def test_g1_a_task_that_cannot_be_told_is_tried_for_six_hours_and_then_its_message_is_a_letter(
    mailbox: Mailbox, wall: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(client_of(mailbox.parts.launcher.callbacks.tasks), "KmsAccessDeniedException", monkeypatch)
    record = mailbox.send({**BODY, "nonsense": 1, "callback": {"task_token": "x"}})
    assert (mailbox.bring(record), mailbox.letters) == ([False], [])
    wall.now += TRY_SECONDS
    assert mailbox.bring(record) == [True]
    assert len(mailbox.letters) == 1


@pytest.mark.usefixtures("_tasks")
def test_g5_the_task_that_waits_for_a_launch_which_langgraph_refuses_is_told_once_and_its_token_forgotten(
    mailbox: Mailbox, aws: Aws, langgraph: LangGraphDouble
) -> None:
    task = wait_for_token(aws.client)
    record = mailbox.send({**BODY, "callback": {"task_token": task.token}})
    langgraph.runs = Told(429, {})
    assert mailbox.bring(record) == [False]
    assert task.waits  # it will be tried again
    langgraph.runs = Told(422, {"detail": "no such graph"})
    mailbox.wall.now += 3600
    assert mailbox.bring(record) == [True]
    assert task.ended()[0] == "LaunchRefused"
    assert "task_token" not in launch_of(aws, record)
    (letter,) = mailbox.letters
    assert task.token not in json.dumps(letter)
