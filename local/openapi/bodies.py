"""The bodies of answers: the members that domain/views.py and the functions show, each described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runledger.domain import views
from runledger.domain.listings import OUTCOMES
from runledger.domain.problems import MAX_ERRORS, MAX_POINTER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ID = {"type": "string", "format": "uuid"}
_TIME = {"type": "string", "format": "date-time"}
_PATH = {"type": "string", "format": "uri-reference"}
_OUTCOME = {"$ref": "#/components/schemas/Outcome"}

ATTRIBUTES: dict[str, dict[str, Any]] = {  # of runs and launches, as the ledger has them
    "run_id": _ID,
    "launch_id": {**_ID, "description": "absent for a run that Runledger did not launch"},
    "thread_id": {"type": "string"},
    "assistant_id": {"type": "string"},
    "metadata": {
        "type": "object",
        "description": "the caller's own, and what LangGraph added where its webhook was faster; absent over 8 KB",
    },
    "status": {"type": "string", "description": "LangGraph's own word"},
    "outcome": _OUTCOME,
    "error": {
        "type": "object",
        "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
        "additionalProperties": False,
    },
    "questions": {
        "type": "array",
        "description": "what a run that waits asks and nobody has answered; empty at a breakpoint. Beyond 16 KB large "
        "values are left out, then all values, then what is more; `questions_url` has all of them then",
        "items": {
            "type": "object",
            "required": ["id"],
            "properties": {"id": {}, "value": {}},
            "additionalProperties": False,
        },
    },
    "question_count": {
        "type": "integer",
        "minimum": 1,
        "description": "how many questions `questions_url` has; absent where `questions` has all of them",
    },
    "answered_by": {**_ID, "description": "the run that answered this one"},
    "source": {
        "enum": ["launch", "webhook", "reconcile"],
        "description": "who told: LangGraph's webhook, or reconcile where none came; `launch` until then",
    },
    "conflict": {
        "type": "string",
        "description": "LangGraph's own word in a webhook that said otherwise; absent where the run has that status",
    },
    "disputed": {"const": True, "description": "webhooks contradict each other, or LangGraph: LangGraph will be asked"},
    "unverified": {"const": True, "description": "LangGraph has not confirmed this outcome yet; no event before"},
    "confirmed": {"const": False, "description": "LangGraph could not confirm this run, or its end"},
    "corrected_from": {**_OUTCOME, "description": "the outcome until LangGraph corrected it"},
    "result_too_large": {"const": True, "description": "the result is in LangGraph alone"},
    "missing": {
        "type": "string",
        "description": "why LangGraph's status alone decided, and not what the run has left: its checkpoint could not "
        "be read, so that it may have asked something, and may have a result that is in LangGraph alone",
    },
    "unproven": {
        "const": True,
        "description": "the run is lost, and LangGraph knew nothing else as old: it may be another",
    },
    "doubled": {"const": True, "description": "a second run of its launch"},
    "created_at": _TIME,
    "started_at": _TIME,
    "ended_at": _TIME,
    "delivered_at": {**_TIME, "description": "when the webhook came"},
    "updated_at": _TIME,
    "payload_bytes": {"type": "integer", "minimum": 0, "description": "of the payload's text"},
    "payload_sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "of the payload's text"},
    "payload": {"description": "what LangGraph sent, character by character, less the token"},
    "state": {"enum": ["starting", "started", "refused"]},
    "reason": {"type": "string", "description": "why LangGraph refused the launch: the name of a problem"},
    "detail": {"type": "string", "description": "of that problem, with LangGraph's own words"},
    "unconfirmed_deliveries": {
        "type": "integer",
        "minimum": 1,
        "description": "how many webhooks the launch keeps until LangGraph confirms their runs; absent where none",
    },
}


def _view(names: Iterable[str], required: Iterable[str], **more: Mapping[str, Any]) -> dict[str, Any]:
    """Describe an object with these attributes of the ledger and `more` members, which are all there always."""
    return {
        "type": "object",
        "required": [*required, *(name for name, schema in more.items() if schema.get("format") != "uri")],
        "properties": {**{name: ATTRIBUTES[name] for name in names}, **more},
        "additionalProperties": False,
    }


def _links(required: Iterable[str] = (), **known: str) -> dict[str, Any]:
    """Describe the member `links`: what each of them leads to, by name."""
    return {
        "type": "object",
        "description": "paths under this API" if "stream" not in known else "paths under this API, and the stream",
        **({"required": list(required)} if required else {}),
        "properties": {name: {**_PATH, "description": leads_to} for name, leads_to in known.items()},
        "additionalProperties": False,
    }


_URL = {
    "type": "string",
    "format": "uri",
    "description": "where a payload that stands in the bucket is to be had, for five minutes, in place of `payload`",
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "Outcome": {
        "enum": list(OUTCOMES),
        "description": "What a run means to its caller. `settling`: LangGraph says success, which it also says of a "
        "graph that waits for a person; within seconds `succeeded` or `awaiting_input`. `lost`: LangGraph does not "
        "know it, at three checks over half an hour.",
    },
    "Run": _view(
        views.RUN,
        ["run_id", "status", "outcome", "source", "created_at", "updated_at"],
        payload_url=_URL,
        questions_url={**_URL, "description": "where all questions are to be had, for five minutes"},
        links=_links(
            launch="the launch that it belongs to", thread="its thread's runs", answered_by="the run that answered it"
        ),
    ),
    "RunSummary": _view(
        views.SUMMARY,
        ["run_id", "status", "outcome", "source", "created_at"],
        links=_links(["run"], run="the whole run"),
    ),
    "RunPage": {
        "type": "object",
        "required": ["runs", "next_cursor"],
        "properties": {
            "runs": {"type": "array", "items": {"$ref": "#/components/schemas/RunSummary"}},
            "next_cursor": {"type": ["string", "null"], "description": "`cursor` of the next page; null on the last"},
        },
        "additionalProperties": False,
    },
    "Launch": _view(
        views.LAUNCH,
        ["launch_id", "state", "created_at"],
        outcome={
            "enum": [*OUTCOMES, "refused", "removed"],
            "description": "that of its newest run, `refused` where LangGraph would start none, or `removed` where its "
            "runs are in the ledger no more",
        },
        runs={
            "type": "array",
            "description": "newest first, 100 at most",
            "items": {"$ref": "#/components/schemas/RunSummary"},
        },
    ),
    "Asked": _view(
        ["launch_id", "run_id", "thread_id", "outcome"],
        ["run_id", "outcome"],
        links=_links(
            ["run"],
            run="the run",
            launch="its launch",
            stream="of a streamed launch: where anyone can join it, in LangGraph",
        ),
    ),
    "Launched": {
        "$ref": "#/components/schemas/Asked",
        "required": ["launch_id", "thread_id"],
    },
    "Recorded": {
        "type": "object",
        "required": ["run_id", "outcome", "duplicate"],
        "properties": {
            "run_id": _ID,
            "outcome": _OUTCOME,
            "duplicate": {"type": "boolean", "description": "whether the run's end had been told before"},
        },
        "additionalProperties": False,
    },
    "NotRecorded": {
        "type": "object",
        "required": ["recorded", "detail"],
        "properties": {
            "run_id": {**_ID, "description": "where the delivery is kept until this run is confirmed"},
            "recorded": {"const": False},
            "detail": {"type": "string"},
        },
        "additionalProperties": False,
    },
    "Problem": {
        "type": "object",
        "description": "an error of the functions, as RFC 9457 describes it",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "format": "uri", "pattern": "^urn:runledger:[a-z-]+$"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "what is wrong, and the way out"},
            "errors": {
                "type": "array",
                "description": "each bad field, up to a number that can be told",
                "minItems": 1,
                "maxItems": MAX_ERRORS,
                "items": {
                    "type": "object",
                    "required": ["detail"],
                    "properties": {
                        "pointer": {
                            "type": "string",
                            "maxLength": MAX_POINTER,
                            "description": "into the request's body, RFC 6901; of a long one the middle is `…`",
                        },
                        "parameter": {"type": "string", "description": "of the query"},
                        "detail": {"type": "string"},
                    },
                    "oneOf": [{"required": ["pointer"]}, {"required": ["parameter"]}],
                    "additionalProperties": False,
                },
            },
            "launch_id": {**_ID, "description": "the launch that this is about; it may go on by itself"},
            "answered_by": {**_ID, "description": "the run that answered"},
        },
        "additionalProperties": False,
    },
    "GatewayError": {
        "type": "object",
        "description": "an error of the gateway's own",
        "required": ["message"],
        "properties": {"message": {"type": ["string", "null"]}},
    },
}
