"""Launching by messages, through the local stack's queue, on a real LangGraph server; and the sample templates."""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from local import resources
from local.template import ROOT, Template
from runledger.domain.launches import launch_id_of
from tests.e2e.client import eventually
from tests.integration.listener import listen

if TYPE_CHECKING:
    from tests.e2e.client import Ledger

SAMPLES = ROOT / "events" / "samples"


@pytest.fixture(scope="module")
def parameters(ledger: Ledger) -> dict[str, str]:
    """What the stack gives out, as the samples take it."""
    url = ledger.stack.template.names["LaunchQueue"]
    return {"LaunchQueueUrl": url, "LaunchQueueArn": resources.queue_arn(ledger.stack.client("sqs"), url)}


def sample(name: str, parameters: dict[str, str]) -> Template:
    path = SAMPLES / f"{name}.yaml"
    wanted = re.findall(r"^  (LaunchQueue\w+):$", path.read_text(), re.MULTILINE)
    return Template({parameter: parameters[parameter] for parameter in wanted}, path=path)


def send(ledger: Ledger, **body: Any) -> str:
    """Send a message; return the id of its launch."""
    queue = ledger.stack.template.names["LaunchQueue"]
    text = json.dumps({"assistant_id": "agent", **body})
    sent = ledger.stack.client("sqs").send_message(QueueUrl=queue, MessageBody=text)
    return launch_id_of(body.get("idempotency_key", sent["MessageId"]), ledger.ledger_id)


def launched(ledger: Ledger, launch_id: str) -> dict[str, Any]:
    """Wait until a launch has its run; return its item."""

    def look() -> dict[str, Any] | None:
        key = {"launch_id": launch_id}
        item: dict[str, Any] = ledger.stack.table("LaunchesTable").get_item(Key=key).get("Item", {})
        return item if "run_id" in item else None

    return eventually(look)


def is_drained(ledger: Ledger) -> bool:
    """Whether no message waits or is worked on."""
    asked = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = ledger.stack.template.names["LaunchQueue"]
    told = ledger.stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=asked)["Attributes"]
    return all(told[name] == "0" for name in asked)


def test_g1_g2_a_burst_of_messages_each_sent_twice_is_one_run_each(ledger: Ledger) -> None:
    burst = str(uuid.uuid4())
    keys = [f"{burst}/{number}" for number in range(20)]
    ids = [send(ledger, input={"task": "answer"}, idempotency_key=key) for key in keys + keys]
    runs = {launched(ledger, launch_id)["run_id"] for launch_id in ids}
    assert len(runs) == len(keys)
    for run_id in runs:
        assert ledger.landed(run_id)["outcome"] in ("settling", "succeeded")
    eventually(lambda: is_drained(ledger) or None)
    every = [run for run in resources.scan(ledger.stack.table("RunsTable")) if run.get("launch_id") in ids]
    assert len(every) == len(keys)


def test_g8_a_question_that_came_by_the_queue_is_heard_answered_and_brought_to_its_end(ledger: Ledger) -> None:
    listener = listen(ledger.stack.client, ledger.stack.template.names["EventBus"])
    launch_id = send(ledger, input={"task": "ask"}, metadata={"tenant": "q"})
    run_id = launched(ledger, launch_id)["run_id"]
    assert ledger.told(run_id)["outcome"] == "awaiting_input"
    status, reply = ledger.post(f"/runs/{run_id}/resume", {"resume": "yes"})
    assert (status, reply["launch_id"]) == (202, launch_id)
    item = ledger.told(reply["run_id"])
    assert (item["outcome"], item["launch_id"]) == ("succeeded", launch_id)
    assert json.loads(ledger.payload(item))["values"]["result"] == "A person said: yes"
    ledger.told(run_id)
    heard = sorted(e["detail-type"] for e in listener.events() if e["detail"].get("launch_id") == launch_id)
    assert heard == ["Run Answered", "Run Awaiting Input", "Run Succeeded"]


def test_g1_a_message_that_langgraph_refuses_is_a_dead_letter_with_its_reason(ledger: Ledger) -> None:
    launch_id = send(ledger, assistant_id="nobody", input={})
    url = ledger.stack.template.names["LaunchDeadLetterQueue"]
    asked = {"QueueUrl": url, "MessageAttributeNames": ["All"]}

    def look() -> dict[str, Any] | None:
        for letter in ledger.stack.client("sqs").receive_message(**asked).get("Messages", []):
            if launch_id_of(json.loads(letter["Body"])["idempotency_key"], ledger.ledger_id) == launch_id:
                return dict(letter)
        return None

    letter = eventually(look)
    assert "LangGraph answered 422" in letter["MessageAttributes"]["reason"]["StringValue"]
    assert ledger.launch_item(launch_id)["state"] == "refused"


@pytest.fixture(scope="module")
def machine(ledger: Ledger, parameters: dict[str, str]) -> str:
    """The sample state machine, made in the stack's Step Functions."""
    (made,) = sample("state-machine", parameters).resources("AWS::Serverless::StateMachine").values()
    definition = json.dumps(made["Definition"])
    for name, value in made["DefinitionSubstitutions"].items():
        definition = definition.replace(f"${{{name}}}", value)
    states = ledger.stack.client("stepfunctions")
    role = "arn:aws:iam::123456789012:role/any"
    return str(states.create_state_machine(name="asking", definition=definition, roleArn=role)["stateMachineArn"])


@pytest.mark.parametrize(
    ("task", "answer", "last", "outcome"),
    [
        ({"task": "answer"}, None, "Done", "succeeded"),
        ({"task": "large", "bytes": 300_000}, None, "Done", "succeeded"),
        ({"task": "fail"}, None, "Apologise", "failed"),
        ({"task": "ask"}, "yes", "Done", "succeeded"),
        ({"task": "ask"}, "no, thanks", "Withdrawn", "succeeded"),
        ({"task": "ask"}, None, "Withdrawn", "cancelled"),
    ],
    ids=["succeeds", "succeeds with much", "fails", "is answered", "is answered with no", "is cancelled"],
)
def test_g8_the_sample_state_machine_goes_on_by_what_its_run_came_to(
    ledger: Ledger, machine: str, task: dict[str, Any], answer: str | None, last: str, outcome: str
) -> None:
    states = ledger.stack.client("stepfunctions")
    begun = states.start_execution(stateMachineArn=machine, name=str(uuid.uuid4()), input=json.dumps({"input": task}))
    execution = begun["executionArn"]
    launch_id = launch_id_of(execution, ledger.ledger_id)
    run_id = launched(ledger, launch_id)["run_id"]
    if task["task"] == "ask":
        assert ledger.told(run_id)["outcome"] == "awaiting_input"
        assert states.describe_execution(executionArn=execution)["status"] == "RUNNING"
        what, body = ("resume", {"resume": answer}) if answer else ("cancel", {})
        status, reply = ledger.post(f"/runs/{run_id}/{what}", body)
        assert status == 202
        run_id = reply["run_id"]

    def ended() -> dict[str, Any] | None:
        told: dict[str, Any] = states.describe_execution(executionArn=execution)
        return told if told["status"] != "RUNNING" else None

    told = eventually(ended)
    assert told["status"] == "SUCCEEDED"
    history = states.get_execution_history(executionArn=execution, maxResults=100)["events"]
    entered = [event["stateEnteredEventDetails"]["name"] for event in history if "stateEnteredEventDetails" in event]
    assert (entered[0], entered[-1]) == ("Launch", last)
    assert ledger.told(run_id)["outcome"] == outcome
    if outcome == "succeeded":
        output = json.loads(told["output"])
        assert (output["run_id"], output["launch_id"]) == (run_id, launch_id)
        assert ("payload_key" in output) == (task["task"] == "large")
    assert "task_token" not in ledger.launch_item(launch_id)


def test_g2_the_sample_schedule_launches_once_however_often_it_tries(
    ledger: Ledger, parameters: dict[str, str]
) -> None:
    (schedule,) = sample("schedule", parameters).resources("AWS::Scheduler::Schedule").values()
    assert schedule["Target"]["Arn"] == parameters["LaunchQueueArn"]
    text = schedule["Target"]["Input"].replace("<aws.scheduler.scheduled-time>", "2026-11-22T03:00:00Z")  # as AWS does
    first = send(ledger, **json.loads(text))
    assert send(ledger, **json.loads(text)) == first
    item = ledger.told(launched(ledger, first)["run_id"])
    assert (item["outcome"], item["metadata"]) == ("succeeded", '{"schedule": "nightly"}')


def test_g1_the_sample_rule_launches_a_run_for_each_object(ledger: Ledger, parameters: dict[str, str]) -> None:
    """The event is put on the bus here, because moto's S3 brings its own past the rule's transformer."""
    made = sample("uploads", parameters)
    made.names["Uploads"] = f"uploads-{uuid.uuid4()}"
    (bucket,) = made.resources("AWS::S3::Bucket").values()
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    (rule,) = made.resources("AWS::Events::Rule").values()
    events, key = ledger.stack.client("events"), 'a "quoted" report.pdf'
    events.put_rule(Name="uploads", EventPattern=json.dumps(rule["EventPattern"]))
    events.put_targets(Rule="uploads", Targets=rule["Targets"])
    detail = {"version": "0", "bucket": {"name": made.names["Uploads"]}, "object": {"key": key, "size": 3}}
    entry = {"Source": "aws.s3", "DetailType": "Object Created", "Detail": json.dumps(detail)}
    (sent,) = events.put_events(Entries=[entry])["Entries"]
    item = ledger.told(launched(ledger, launch_id_of(sent["EventId"], ledger.ledger_id))["run_id"])
    asked = json.loads(ledger.payload(item))["kwargs"]["input"]
    assert (item["outcome"], asked["object"]["key"], asked["bucket"]) == ("succeeded", key, detail["bucket"])
