"""A launch: what a caller asks for, checked before anything is started."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runledger.domain.fields import Field, Schema, whole
from runledger.domain.json_text import metadata_of
from runledger.domain.launch_fields import FIELDS
from runledger.domain.problems import FieldError, Problem, invalid_request
from runledger.domain.requests import json_object, unknown_members
from runledger.domain.settling import ANSWER_DIGEST, ANSWERS, NONCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runledger.domain.strict_json import Json

MEMBERS = "assistant_id and input"  # what a body must have at least
_MAX_KEY = 255
LEDGER = "ledger_id"  # in the metadata of each run: the ledger that launched it
RESERVED = ("launch_id", LEDGER, ANSWERS, ANSWER_DIGEST, NONCE)
_LAUNCHES = uuid.UUID("3a0d7a34-8f3b-5a0e-b6a4-0f4a4c1f2b8e")  # namespace of the launches that have an idempotency key
_ANSWERS = uuid.UUID("c8f6a1d2-95b3-5f1e-8a47-6d0b9e3c7f21")  # namespace of the launches that answer a run without one
_OURS = {"assistant_id", "thread_id", "metadata", "stream"}


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """A valid `POST /runs` body.

    `metadata_text` is what the ledger keeps of `metadata` (`metadata_of`), made before LangGraph is asked.
    `task_token` is that of the Step Functions task that waits; `text` is the body without it, its members in order.
    `digest` is the same for bodies that differ in white space, order and `callback` alone. `options` holds what goes to
    LangGraph as it is: `input` or `command`, `config`, `context`, `checkpoint_id`, `interrupt_before`,
    `interrupt_after`, `multitask_strategy`, `after_seconds`, `durability`, `stream_mode` and `stream_subgraphs`, each
    where it was given.
    """

    assistant_id: str
    thread_id: str | None
    metadata: dict[str, Json]
    stream: bool
    after_seconds: int
    digest: str
    options: dict[str, Json]
    text: str = field(default="", repr=False, compare=False)
    task_token: str | None = field(default=None, repr=False)
    metadata_text: str | None = field(default=None, repr=False, compare=False)


def launch_id_after(run_id: str, ledger_id: str) -> str:
    """Name the launch of the answer to a run that Runledger did not launch: the same again in the same ledger."""
    return str(uuid.uuid5(uuid.uuid5(_ANSWERS, ledger_id), run_id))


def launch_named_by(run: Mapping[str, Any], ledger_id: str) -> str | None:
    """Return the launch of this ledger that a run of LangGraph's names; "" for one of another ledger."""
    metadata = run.get("metadata") or {}
    if metadata.get(LEDGER, ledger_id) != ledger_id:
        return ""
    launch_id = metadata.get("launch_id")
    return None if launch_id is None else str(launch_id)


def launch_id_of(idempotency_key: str | None, ledger_id: str) -> str:
    """Name a launch: the same again for the same key in the same ledger, a new name without a key (G12).

    Two ledgers that use one LangGraph server get different ids for the same key, so neither meets a run of the other.
    """
    if idempotency_key is None:
        return str(uuid.uuid4())
    if complaint := IDEMPOTENCY_KEY.check(idempotency_key):
        raise Problem(400, "invalid-request", "The request is not valid", f"The header Idempotency-Key {complaint}.")
    return str(uuid.uuid5(uuid.uuid5(_LAUNCHES, ledger_id), idempotency_key))


def _key(value: Json) -> str | None:
    ok = isinstance(value, str) and 0 < len(value) <= _MAX_KEY and value.isascii() and value.isprintable()
    return None if ok else f"must be 1 to {_MAX_KEY} printable ASCII characters"


IDEMPOTENCY_KEY = Field(_key, {"type": "string", "pattern": "^[ -~]+$", "maxLength": _MAX_KEY})


def parse_launch(body: bytes | None) -> LaunchRequest:
    """Check the body of `POST /runs`; raise a Problem that names every bad field."""
    fields = json_object(body, MEMBERS)
    return request_of(fields, (body or b"").decode())


def request_of(fields: dict[str, Json], text: str | None = None) -> LaunchRequest:
    """Check the members of a body; `text` is the body where it has nothing but these."""
    errors = unknown_members(fields, FIELDS, f"unknown field; known are {', '.join(sorted(FIELDS))}")
    for name, known in FIELDS.items():
        if name in fields and (complaint := known.check(fields[name])):
            errors.append(FieldError(f"/{name}", complaint))
    errors += _across(fields)
    if errors:
        raise invalid_request(*errors)
    if "after_seconds" in fields:
        fields["after_seconds"] = whole(fields["after_seconds"])
    callback = _as_object(fields.pop("callback", None))
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    options = {name: value for name, value in fields.items() if name not in _OURS}
    return LaunchRequest(
        assistant_id=str(fields["assistant_id"]),
        thread_id=str(fields["thread_id"]).lower() if "thread_id" in fields else None,
        metadata=dict(_as_object(fields.get("metadata"))),
        stream=fields.get("stream") is True,
        after_seconds=int(str(fields.get("after_seconds", 0))),
        digest=hashlib.sha256(canonical.encode()).hexdigest(),
        options=options,
        text=json.dumps(fields, separators=(",", ":")) if callback or text is None else text,
        task_token=str(callback["task_token"]) if callback else None,
        metadata_text=metadata_of(fields.get("metadata")),
    )


def _across(fields: dict[str, Json]) -> list[FieldError]:
    """What no field tells alone."""
    errors = []
    if "assistant_id" not in fields:
        errors.append(FieldError("/assistant_id", "missing; an assistant's id or a graph's name"))
    if "input" in fields and "command" in fields:
        errors.append(FieldError("/command", "given beside input; send one of the two"))
    if "input" not in fields and "command" not in fields:
        errors.append(FieldError("/input", "missing; send input, or command to resume or to go elsewhere"))
    if "command" in fields and "thread_id" not in fields:
        errors.append(FieldError("/thread_id", "missing; a command needs the thread that it continues"))
    if "checkpoint_id" in fields and "thread_id" not in fields:
        errors.append(FieldError("/thread_id", "missing; a checkpoint needs the thread that it belongs to"))
    config = _as_object(fields.get("config"))
    errors += [
        FieldError(f"{at}/metadata/{name}", "reserved: Runledger sets it; use another name")
        for at, parent in (("", fields), ("/config", config))  # LangGraph makes the run's metadata of both
        for name in RESERVED
        if name in _as_object(parent.get("metadata"))
    ]
    if fields.get("stream") is not True:
        errors += [
            FieldError(f"/{name}", 'needs "stream": true')
            for name in ("stream_mode", "stream_subgraphs")
            if name in fields
        ]
    return errors


def _as_object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


_NOT_RESERVED: Schema = {"properties": {"metadata": {"properties": dict.fromkeys(RESERVED, False)}}}
# The rules of `_across` as a schema.
_ACROSS: Schema = {
    "required": ["assistant_id"],
    "oneOf": [{"required": ["input"]}, {"required": ["command"]}],
    "dependentRequired": {"command": ["thread_id"], "checkpoint_id": ["thread_id"]},
    "allOf": [
        _NOT_RESERVED,
        {"properties": {"config": _NOT_RESERVED}},
        {
            "anyOf": [
                {"required": ["stream"], "properties": {"stream": {"const": True}}},
                {"properties": {"stream_mode": False, "stream_subgraphs": False}},
            ]
        },
    ],
}
BODY: Schema = {
    "type": "object",
    "properties": {name: known.schema for name, known in FIELDS.items()},
    "additionalProperties": False,
    **_ACROSS,
}
