"""What requests hold: the tables that the functions check by, each field described."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local.template import ROOT
from runledger.domain import answers, headers, launches, listings
from runledger.domain.fields import UUID

if TYPE_CHECKING:
    from runledger.domain.fields import Schema

LAUNCH = {  # the fields of POST /runs
    "assistant_id": "an assistant's id or a graph's name",
    "thread_id": "of a thread that LangGraph has; a new one without it, on which `multitask_strategy` is `reject`",
    "input": "goes to the graph as it is; this or `command`",
    "command": "to resume, update or go elsewhere; needs `thread_id`. Questions are better answered by /resume",
    "config": "goes to LangGraph as it is",
    "context": "goes to LangGraph as it is",
    "metadata": "of the run; a part of each event. Runledger adds the names that are reserved here",
    "stream": "whether anyone can join the run's stream at `links.stream`",
    "stream_mode": "`events` without it; needs `stream`",
    "stream_subgraphs": "needs `stream`",
    "checkpoint_id": "where on the thread to begin; needs `thread_id`",
    "interrupt_before": "nodes before which the run stops, or all",
    "interrupt_after": "nodes after which the run stops, or all",
    "multitask_strategy": "what becomes of another run on the thread, LangGraph's own choice without it",
    "after_seconds": "how long to wait before the run begins",
    "durability": "when LangGraph writes checkpoints, its own choice without it",
    "callback": "the Step Functions task that waits for the launch, told when it is over",
}
RESUME = {  # the field of POST /runs/{run_id}/resume
    "resume": "any value; where the run asks several questions, an object with one for each interrupt id; left out "
    "at a breakpoint, which asks nothing",
}
LIST = {  # the parameters of GET /runs
    "thread_id": "runs on this thread; this or `outcome`, just one of the two",
    "outcome": "runs with this outcome",
    "limit": "of a page",
    "cursor": "`next_cursor` of the page before, with the same query",
}
DELIVERY = {  # what is read of a webhook's body; everything else is kept as it comes
    "run_id": "a UUID; where there is none, LangGraph is asked about the launch",
    "status": "LangGraph's word; where there is none, LangGraph is asked about the launch",
    "thread_id": "the run's thread",
    "assistant_id": "the run's assistant",
    "metadata": "the run's own; with the `launch_id` of the token, or none",
    "created_at": "when the run was made",
    "run_started_at": "when it began",
    "run_ended_at": "when it ended",
    "error": "the type and message of its error",
    "kwargs": "how it was started; it has the webhook's URL in it, whose token is cut out",
    "values": "the graph's last state",
}


def launch_body() -> dict[str, Any]:
    """Describe the body of POST /runs."""
    return _body(_described(launches.BODY, LAUNCH), {"background": "launch", "streamed": "launch-stream"})


def resume_body() -> dict[str, Any]:
    """Describe the body of POST /runs/{run_id}/resume."""
    return _body(_described(answers.BODY, RESUME), {"question": "resume"})


def delivery_body() -> dict[str, Any]:
    """Describe the body of POST /webhook: every object is taken, because LangGraph does not repeat what is refused."""
    members = {name: {"description": text} for name, text in DELIVERY.items()}
    return _body({"type": "object", "properties": members}, {"success": "webhook"})


def list_parameters() -> list[dict[str, Any]]:
    """Describe the query of GET /runs."""
    return [
        {"name": name, "in": "query", "description": LIST[name], "schema": known.schema}
        for name, known in listings.PARAMETERS.items()
    ]


def path_id(name: str, text: str) -> dict[str, Any]:
    """Describe an id in the path."""
    return {"name": name, "in": "path", "required": True, "description": text, "schema": UUID.schema}


IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "the same key and body get the same answer, however often; each call is a launch of its own without",
    "schema": launches.IDEMPOTENCY_KEY.schema,
}
PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": f"`wait=N` waits up to N seconds, {headers.MAX_WAIT_SECONDS} at most, until the run is neither "
    "`pending` nor `settling`; everything else is ignored (RFC 7240)",
    "schema": headers.PREFER,
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "the `ETag` of the answer that the caller has",
    "schema": headers.IF_NONE_MATCH,
}


def event(name: str) -> Any:
    """Return the JSON body of one of the events in events/."""
    return json.loads(json.loads((ROOT / "events" / f"{name}.json").read_text())["body"])


def _described(body: Schema, texts: dict[str, str]) -> Schema:
    fields = {name: {"description": texts[name], **schema} for name, schema in body["properties"].items()}
    return {**body, "properties": fields}


def _body(schema: Schema, events: dict[str, str]) -> dict[str, Any]:
    examples = {name: {"value": event(file)} for name, file in events.items()}
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}
