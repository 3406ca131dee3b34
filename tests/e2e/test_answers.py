"""Questions and their answers, and cancelled runs, on a real LangGraph server."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.e2e.client import get
from tests.integration.listener import listen

if TYPE_CHECKING:
    from tests.e2e.client import Ledger


def waits(ledger: Ledger, **body: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Launch a run that stops; return the launch's answer and the questions in the ledger."""
    asked = {} if "command" in body else {"input": {"task": "ask"}}
    launched = ledger.launch(**{**asked, **body})
    item = ledger.told(launched["run_id"])
    assert item["outcome"] == "awaiting_input"
    return launched, json.loads(item["questions"])


def answer(ledger: Ledger, run_id: str, body: object) -> dict[str, Any]:
    """Answer a run; the answer must be accepted."""
    status, reply = ledger.post(f"/runs/{run_id}/resume", body)
    assert status == 202, reply
    return reply


def result(ledger: Ledger, run_id: str) -> Any:
    """Return the values of a run that must have succeeded."""
    item = ledger.told(run_id)
    assert item["outcome"] == "succeeded"
    return json.loads(ledger.payload(item))["values"]


def test_g8_a_question_is_heard_answered_and_brought_to_its_end_under_the_same_launch(ledger: Ledger) -> None:
    listener = listen(ledger.stack.client, ledger.stack.template.names["EventBus"])
    context = {"configurable": {"user": "me"}, "tags": ["mine"]}
    launched, (question,) = waits(ledger, metadata={"case": 1.0}, config=context)
    reply = answer(ledger, launched["run_id"], {"resume": "yes"})
    assert (reply["launch_id"], reply["thread_id"]) == (launched["launch_id"], launched["thread_id"])
    assert result(ledger, reply["run_id"])["result"] == "A person said: yes"
    first = ledger.told(launched["run_id"])
    assert (first["outcome"], first["answered_by"]) == ("answered", reply["run_id"])
    _, _, text = ledger.get(launched["links"]["launch"])
    launch = json.loads(text)
    assert launch["outcome"] == "succeeded"
    assert [run["run_id"] for run in launch["runs"]] == [reply["run_id"], launched["run_id"]]
    told = [event for event in listener.events() if event["detail"].get("launch_id") == launched["launch_id"]]
    heard = sorted((event["detail-type"], event["detail"]["metadata"]["case"]) for event in told)
    assert heard == [("Run Answered", 1.0), ("Run Awaiting Input", 1.0), ("Run Succeeded", 1.0)]
    (asked,) = (event["detail"] for event in told if event["detail-type"] == "Run Awaiting Input")
    assert asked["questions"] == [question]
    sent = ledger.langgraph(lambda client: client.runs.get(reply["thread_id"], reply["run_id"]))["kwargs"]  # type: ignore[typeddict-item]
    assert (sent["config"]["tags"], sent["config"]["configurable"]["user"]) == (["mine"], "me")


def test_every_one_of_150_large_questions_is_answered_and_none_that_is_comes_back(ledger: Ledger) -> None:
    made = {"people": 150, "length": 2_000}
    launched, asked = waits(ledger, assistant_id="fan", input=made)
    _, _, text = ledger.get(f"/runs/{launched['run_id']}")
    shown = json.loads(text)
    assert (shown["question_count"], len(asked), set(asked[0])) == (150, 150, {"id"})
    _, _, stored = get(shown["questions_url"])
    assert [one["value"].split("?")[0] for one in json.loads(stored)] == [str(who) for who in range(150)]
    reply = answer(ledger, launched["run_id"], {"resume": {one["id"]: "yes" for one in asked}})
    item = ledger.told(reply["run_id"])
    assert item["outcome"] == "awaiting_input"
    assert [one["value"] for one in json.loads(item["questions"])] == ["And then?"]
    reply = answer(ledger, reply["run_id"], {"resume": "no"})
    assert result(ledger, reply["run_id"])["said"] == ["yes"] * 149 + [["yes", "no"]]


def test_a_command_that_ends_at_a_question_waits_for_its_answer(ledger: Ledger) -> None:
    """On a thread that had finished: no checkpoint shows the question."""
    launched = ledger.launch(input={"task": "answer"})
    assert ledger.told(launched["run_id"])["outcome"] == "succeeded"
    command = {"update": {"task": "ask"}, "goto": "work"}
    again, (question,) = waits(ledger, thread_id=launched["thread_id"], command=command)
    assert question["value"] == {"question": "Shall I go on?"}
    reply = answer(ledger, again["run_id"], {"resume": "yes"})
    assert result(ledger, reply["run_id"])["result"] == "A person said: yes"


def test_every_value_reaches_the_graph_as_it_was_given(ledger: Ledger) -> None:
    values: list[object] = [None, False, 0, "", [], {}, {"a": [1.5, "\N{PARTY POPPER}"]}]
    launched = [ledger.launch(input={"task": "ask"}) for _ in values]
    for run in launched:
        ledger.told(run["run_id"])
    replies = [answer(ledger, run["run_id"], {"resume": value}) for run, value in zip(launched, values, strict=True)]
    found = [result(ledger, reply["run_id"])["result"] for reply in replies]
    assert found == [f"A person said: {value}" for value in values]


def test_several_people_are_answered_for_at_once(ledger: Ledger) -> None:
    launched, questions = waits(ledger, assistant_id="panel", input={"said": {}})
    ids = {question["value"].split()[2]: question["id"] for question in questions}
    assert set(ids) == {"first", "second"}
    status, problem = ledger.post(f"/runs/{launched['run_id']}/resume", {"resume": {ids["first"]: 1}})
    assert (status, problem["errors"][0]["pointer"]) == (400, f"/resume/{ids['second']}")
    reply = answer(ledger, launched["run_id"], {"resume": {ids["first"]: 1, ids["second"]: None}})
    assert result(ledger, reply["run_id"])["said"] == {"first": 1, "second": None}


def test_g4_a_node_that_asks_again_waits_again(ledger: Ledger) -> None:
    """Its answer makes no checkpoint of its own: LangGraph calls it a success and shows nothing of it."""
    launched, (first,) = waits(ledger, input={"task": "ask", "questions": 2})
    second = answer(ledger, launched["run_id"], {"resume": "yes"})
    item = ledger.told(second["run_id"])
    assert item["outcome"] == "awaiting_input"
    (again,) = json.loads(item["questions"])
    assert (again["id"] == first["id"], again["value"]) == (False, first["value"])
    third = answer(ledger, second["run_id"], {"resume": "no"})
    assert result(ledger, third["run_id"])["result"] == "A person said: yes, no"
    assert {third["launch_id"], second["launch_id"]} == {launched["launch_id"]}


def test_a_breakpoint_is_passed_with_an_empty_object(ledger: Ledger) -> None:
    launched, questions = waits(ledger, input={"task": "answer"}, interrupt_before=["work"])
    assert questions == []
    reply = answer(ledger, launched["run_id"], {})
    assert result(ledger, reply["run_id"])["result"]["one"] == 1.0


def test_g2_ten_callers_with_the_same_answer_make_one_run(ledger: Ledger) -> None:
    launched, _ = waits(ledger)
    link = f"/runs/{launched['run_id']}/resume"
    with ThreadPoolExecutor(10) as callers:
        replies = list(callers.map(lambda _: ledger.post(link, {"resume": "yes"}), range(10)))
    assert {status for status, _ in replies} <= {202, 409}
    assert {reply["type"] for status, reply in replies if status == 409} <= {"urn:runledger:answer-in-progress"}
    (run_id,) = {reply["run_id"] for status, reply in replies if status == 202}
    assert result(ledger, run_id)["result"] == "A person said: yes"
    assert answer(ledger, launched["run_id"], {"resume": "yes"})["run_id"] == run_id
    status, problem = ledger.post(link, {"resume": "no"})
    assert (status, problem["answered_by"]) == (409, run_id)
    found = ledger.langgraph(lambda client: client.runs.list(launched["thread_id"]))
    assert len(found) == 2


def test_g1_what_is_pending_running_or_waiting_is_cancelled(ledger: Ledger) -> None:
    waiting, _ = waits(ledger)
    running = ledger.launch(input={"task": "slow", "seconds": 7})
    pending = ledger.launch(input={"task": "answer"}, after_seconds=3600)
    ledger.began(running)
    for launched, outcome in ((waiting, "cancelled"), (running, "pending"), (pending, "pending")):
        status, reply = ledger.post(f"/runs/{launched['run_id']}/cancel", {})
        assert (status, reply["outcome"]) == (202, outcome)
    ledger.stack.recover()
    for launched, source in ((waiting, "webhook"), (running, "webhook"), (pending, "reconcile")):
        item = ledger.told(launched["run_id"])
        assert item["outcome"] == "cancelled"
        if launched is not running:  # whichever comes first
            assert item["source"] == source
        status, reply = ledger.post(f"/runs/{launched['run_id']}/cancel", {})
        assert (status, reply["outcome"]) == (202, "cancelled")
    status, problem = ledger.post(f"/runs/{waiting['run_id']}/resume", {"resume": "yes"})
    assert (status, problem["type"]) == (409, "urn:runledger:not-waiting")
