"""A person's answer to the question that a run has stopped at, checked before anything is started."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runledger.domain.fields import ANYTHING, Schema
from runledger.domain.problems import FieldError, Problem, invalid_request
from runledger.domain.requests import json_object, unknown_members

if TYPE_CHECKING:
    from runledger.domain.strict_json import Json

_NAMED = 10  # interrupt ids in one message, at most
FIELDS = {"resume": ANYTHING}
# Whether `resume` must or must not be there, and with which members, is for the run's questions to say.
BODY: Schema = {
    "type": "object",
    "properties": {name: known.schema for name, known in FIELDS.items()},
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What continues a run that waits. `options` goes to LangGraph as it is; `digest` is the same for the same answer.

    A question is always answered under its interrupt's id: so it can't answer another one, should it come late, and
    takes every value, null too, which LangGraph's SDK would leave out elsewhere.
    """

    digest: str
    options: dict[str, Json]


def parse_answer(body: bytes | None, questions: str) -> Answer:
    """Check the body of `POST /runs/{run_id}/resume` against the run's questions (JSON text); raise a Problem.

    A single question takes its answer as it is; several take one for each interrupt id. All must be answered at once:
    a run that answers a part leaves no checkpoint of its own, so that nobody could tell it from one that is done.
    """
    fields = json_object(body, '"resume", or {} at a breakpoint')
    asked: list[dict[str, Any]] = json.loads(questions)
    errors = unknown_members(fields, FIELDS, f"unknown field; known is {', '.join(FIELDS)}")
    if not asked and "resume" in fields:
        errors.append(FieldError("/resume", "given, but the run stopped at a breakpoint, which asks nothing; send {}"))
    if asked and "resume" not in fields:
        errors.append(FieldError("/resume", f"missing; the run asks {len(asked)} question{'s' * (len(asked) > 1)}"))
    if errors:
        raise invalid_request(*errors)
    options: dict[str, Json] = {"command": {"resume": _by_id(fields["resume"], asked)}} if asked else {"input": None}
    canonical = json.dumps(options, sort_keys=True, separators=(",", ":"))
    return Answer(hashlib.sha256(canonical.encode()).hexdigest(), options)


def _by_id(value: Json, asked: list[dict[str, Any]]) -> dict[str, Json]:
    ids = dict.fromkeys(str(question["id"]) for question in asked)
    if isinstance(value, dict) and set(value) == set(ids):
        return value
    if len(ids) == 1:
        return {next(iter(ids)): value}
    named = ", ".join(list(ids)[:_NAMED]) + f" and {len(ids) - _NAMED} more" * (len(ids) > _NAMED)
    if not isinstance(value, dict):
        raise invalid_request(FieldError("/resume", f"must be an object with an answer for each interrupt id: {named}"))
    raise invalid_request(
        *(FieldError(f"/resume/{one}", "missing; all are answered at once") for one in ids if one not in value),
        *unknown_members(value, ids, f"no question of this run; those are {named}", at="/resume"),
    )


def not_waiting(outcome: str) -> Problem:
    """409 for an answer to a run that asks nothing now."""
    soon = {"Retry-After": "2"} if outcome in ("pending", "settling") else {}
    return Problem(
        409, "not-waiting", "The run does not wait", f"The run is {outcome}; it takes no answer.", headers=soon
    )


def answered_otherwise(answered_by: str | None) -> Problem:
    """409 for an answer to a run that has got another one."""
    return Problem(
        409,
        "already-answered",
        "The run has been answered",
        "A run can be answered once, and this one has got another answer.",
        extra={"answered_by": answered_by} if answered_by else {},
    )


def answer_in_progress(seconds: int) -> Problem:
    """409 for an answer to a run that somebody is answering just now, for `seconds` more at most."""
    return Problem(
        409,
        "answer-in-progress",
        "The run is being answered",
        "Another request is answering this run. Send the same answer again later.",
        headers={"Retry-After": str(max(1, min(5, seconds)))},
    )
