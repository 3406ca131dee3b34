"""What each route does: its request, its successes, and the problems that its code can end with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.openapi import requests
from local.openapi.answers import done, header, read
from local.template import ROOT
from runledger.adapters import stream
from runledger.domain import views

_READ = ("internal", "unavailable")
_SECRETS = ("key-ring-unusable", "api-key-missing", "api-key-unusable", "deployment-without-key")
_ASK = ("langgraph-refused", "langgraph-throttles", "api-key-refused", "langgraph-fault", "langgraph-timeout")
_START = (*_ASK, "langgraph-unknown", "thread-busy", "body-too-large", "webhook-url-refused")


if TYPE_CHECKING:
    from runledger.domain.run import Run


@dataclass(frozen=True)
class Operation:
    """One route's part of the document; `successes` by status, `problems` by slug, `body` None where none is read."""

    name: str
    summary: str
    description: str
    successes: dict[str, dict[str, Any]]
    problems: tuple[str, ...]
    parameters: tuple[dict[str, Any], ...] = ()
    body: dict[str, Any] | None = None


_record = json.loads((ROOT / "events" / "stream.json").read_text())["Records"][0]
_item: Run = {**stream.read(_record).run, "outcome": "succeeded"}
_run = json.loads(views.run(_item, ""))
_asked = {
    **{name: _run[name] for name in ("launch_id", "run_id", "thread_id")},
    "outcome": "pending",
    "links": {"run": f"/runs/{_run['run_id']}", "launch": _run["links"]["launch"]},
}
_launch = {
    **{name: _run[name] for name in ("launch_id", "run_id", "thread_id", "assistant_id", "created_at", "updated_at")},
    "state": "started",
}
_RUN_ID = requests.path_id("run_id", "of a run in the ledger")
_APPLIED = {"Preference-Applied": header("Preference-Applied")}
_LOCATION = {"Location": header("Location")}


def _unchanged(**more: dict[str, Any]) -> dict[str, Any]:
    return {"description": "the caller has it already", "headers": read(**more)}


OPERATIONS = {
    "POST /runs": Operation(
        "launchRun",
        "Launch a run",
        "Starts a run, in the background or streamed. Send it again with the same Idempotency-Key after any 5xx: one "
        "launch, one run. Where the `detail` of a 502 or 504 says that the run may have been started, the launch "
        "goes on by itself, and there will be one run of it.",
        {
            "202": done(
                "the run: pending, or what it has come to where the request is a repeat",
                "Launched",
                _LOCATION,
                example=_asked,
            )
        },
        (
            "invalid-request",
            "idempotency-key-reused",
            "run-removed",
            "launch-in-progress",
            "launch-unconfirmed",
            *(*_START, *_READ, *_SECRETS),
        ),
        (requests.IDEMPOTENCY_KEY,),
        requests.launch_body(),
    ),
    "POST /runs/{run_id}/resume": Operation(
        "resumeRun",
        "Answer the question of a run that waits",
        "Makes a new run of the same launch, with the metadata, configuration, context and breakpoints of the one that "
        "asked. A run is answered once: the same answer gets the same reply, another one 409.",
        {
            "202": done(
                "the run that goes on: pending, or what it has come to by a repeat",
                "Launched",
                _LOCATION,
                example=_asked,
            )
        },
        (
            "unknown",
            "invalid-request",
            "not-waiting",
            "already-answered",
            "answer-in-progress",
            "run-removed",
            *(*_START, *_READ, *_SECRETS),
        ),
        (_RUN_ID,),
        requests.resume_body(),
    ),
    "POST /runs/{run_id}/cancel": Operation(
        "cancelRun",
        "End a run that is pending, goes on or waits",
        "LangGraph is asked to end it, and the ledger hears of that a little later; one that waits is `cancelled` at "
        "once. There are no options: a body is empty or `{}`.",
        {"202": done("the run, with what the ledger says of it by now", "Asked", _LOCATION)},
        (
            *("invalid-request", "unknown", "run-is-over", "run-is-unconfirmed", "not-waiting", "answer-in-progress"),
            *(*_ASK, *_READ, *_SECRETS),
        ),
        (_RUN_ID,),
    ),
    "GET /runs/{run_id}": Operation(
        "getRun",
        "Read a run with its result",
        "The payload is LangGraph's own text; a large one is a link.",
        {"200": done("the run", "Run", read(**_APPLIED), example=_run), "304": _unchanged(**_APPLIED)},
        ("unknown", *_READ),
        (_RUN_ID, requests.PREFER, requests.IF_NONE_MATCH),
    ),
    "GET /runs": Operation(
        "listRuns",
        "List the runs of a thread or with an outcome",
        "Newest first. Just one of `thread_id` and `outcome` is to be sent, each parameter once, and no other one.",
        {
            "200": done("a page", "RunPage", read(), example=json.loads(views.page([_item], "", None))),
            "304": _unchanged(),
        },
        ("invalid-request", *_READ),
        (*requests.list_parameters(), requests.IF_NONE_MATCH),
    ),
    "GET /launches/{launch_id}": Operation(
        "getLaunch",
        "Read a launch with its runs",
        "The first run is its own, each further one answered the one before.",
        {
            "200": done("the launch", "Launch", read(), example=json.loads(views.launch(_launch, [_item], ""))),
            "304": _unchanged(),
        },
        ("unknown", *_READ),
        (requests.path_id("launch_id", "of a launch in the ledger"), requests.IF_NONE_MATCH),
    ),
    "POST /webhook": Operation(
        "receiveDelivery",
        "Tell how a run ended",
        "For LangGraph. The body is kept as it comes, whatever is in it, less the token.",
        {
            "200": done("it is in the ledger", "Recorded"),
            "202": done(
                "the run is not confirmed yet and the delivery is kept, or it does not say which run, or how it ended: "
                "LangGraph will be asked",
                "NotRecorded",
            ),
        },
        (
            *(
                "source-refused",
                "invalid-request",
                "other-launch",
                "other-ledger",
                "temporary-run",
                "token-missing",
                "token-several",
                "token-malformed",
                "token-forged",
            ),
            *("token-expired", "token-unknown-key", "too-many-unconfirmed", "key-ring-unusable", *_READ),
        ),
        body=requests.delivery_body(),
    ),
}
