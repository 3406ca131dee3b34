"""Reading the ledger over HTTP, and hearing of it on the bus, while a real LangGraph server works."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from tests.e2e.client import get
from tests.integration.listener import listen

if TYPE_CHECKING:
    from tests.e2e.client import Ledger


def read(ledger: Ledger, link: str, **headers: str) -> Any:
    status, _, text = ledger.get(link, **headers)
    assert status == 200, text
    return json.loads(text)


def test_a_caller_waits_for_the_end_and_reads_the_result_as_it_was_received(ledger: Ledger) -> None:
    launched = ledger.launch(input={"task": "fail"})
    status, headers, text = ledger.get(launched["links"]["run"], prefer="wait=25")
    assert (status, headers["preference-applied"]) == (200, "wait=25")
    assert json.loads(text)["outcome"] == "failed"
    assert f'"payload": {ledger.run(launched["run_id"])["payload"]}' in text
    ledger.told(launched["run_id"])  # not before LangGraph has confirmed that it failed
    _, headers, _ = ledger.get(launched["links"]["run"])
    assert headers["cache-control"] == "private, max-age=60"
    status, again, text = ledger.get(launched["links"]["run"], **{"if-none-match": headers["etag"]})
    assert (status, text, again["etag"]) == (304, "", headers["etag"])


def test_a_question_can_be_read_under_its_launch(ledger: Ledger) -> None:
    launched = ledger.launch(input={"task": "ask"})
    ledger.told(launched["run_id"])
    launch = read(ledger, launched["links"]["launch"])
    assert launch["outcome"] == "awaiting_input"
    (summary,) = launch["runs"]
    run = read(ledger, summary["links"]["run"])
    assert [question["value"] for question in run["questions"]] == [{"question": "Shall I go on?"}]
    assert run["links"]["launch"] == launched["links"]["launch"]


def test_g8_a_question_is_heard_on_the_bus_within_seconds_with_where_to_read_more(ledger: Ledger) -> None:
    listener = listen(ledger.stack.client, ledger.stack.template.names["EventBus"])
    launched = ledger.launch(input={"task": "ask"})
    ledger.told(launched["run_id"])
    (heard,) = (event for event in listener.events() if event["detail"]["run_id"] == launched["run_id"])
    assert heard["detail-type"] == "Run Awaiting Input"
    assert heard["detail"]["launch_id"] == launched["launch_id"]
    assert [question["value"] for question in heard["detail"]["questions"]] == [{"question": "Shall I go on?"}]
    assert read(ledger, heard["detail"]["links"]["run"])["outcome"] == "awaiting_input"


def test_a_large_result_is_a_link_that_needs_nothing_but_a_browser(ledger: Ledger) -> None:
    launched = ledger.launch(input={"task": "large", "bytes": 1_000_000})
    item = ledger.landed(launched["run_id"])
    run = read(ledger, launched["links"]["run"])
    status, headers, text = get(run["payload_url"])
    assert (status, headers["content-type"]) == (200, "application/json")
    assert text == ledger.payload(item)
    assert len(text) == run["payload_bytes"] > 1_000_000


def test_runs_are_listed_by_thread_and_by_outcome(ledger: Ledger) -> None:
    thread_id = str(uuid.uuid4())
    ledger.langgraph(lambda client: client.threads.create(thread_id=thread_id))
    made = []
    for _ in range(3):
        launched = ledger.launch(input={"task": "fail"}, thread_id=thread_id, multitask_strategy="enqueue")
        ledger.landed(launched["run_id"])
        made.append(launched["run_id"])
    link = read(ledger, launched["links"]["run"])["links"]["thread"]
    first = read(ledger, f"{link}&limit=2")
    second = read(ledger, f"{link}&limit=2&cursor={first['next_cursor']}")
    assert [run["run_id"] for run in (*first["runs"], *second["runs"])] == made[::-1]
    assert second["next_cursor"] is None
    failed = [run["run_id"] for run in read(ledger, "/runs?outcome=failed&limit=100")["runs"]]
    assert [run_id for run_id in failed if run_id in made] == made[::-1]


def test_nonsense_is_told_what_would_make_sense(ledger: Ledger) -> None:
    status, headers, text = ledger.get(f"/runs/{uuid.uuid4()}")
    assert (status, headers["content-type"]) == (404, "application/problem+json")
    status, _, text = ledger.get("/runs?outcome=done&limit=many")
    assert (status, [error["parameter"] for error in json.loads(text)["errors"]]) == (400, ["outcome", "limit"])
