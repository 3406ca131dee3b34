"""A launch: what a caller asks for, checked before anything is started."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from runledger.core import strict_json
from runledger.core.problems import FieldError, Problem, invalid_request
from runledger.core.requests import json_object
from runledger.core.settling import ANSWER_DIGEST, ANSWERS
from runledger.core.strict_json import Json

MAX_AFTER_SECONDS = 30 * 24 * 3600
MEMBERS = "assistant_id and input"  # what a body must have at least
_MAX_NAME = 256
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_MAX_KEY = 255
KEY_FORM = f"1 to {_MAX_KEY} printable ASCII characters"
_MAX_TOKEN = 2_048  # Step Functions' own limit
RESERVED = ("launch_id", ANSWERS, ANSWER_DIGEST)
_LAUNCHES = uuid.UUID("3a0d7a34-8f3b-5a0e-b6a4-0f4a4c1f2b8e")  # namespace of the launches that have an idempotency key
_ANSWERS = uuid.UUID("c8f6a1d2-95b3-5f1e-8a47-6d0b9e3c7f21")  # namespace of the launches that answer a run without one
_THREADS = uuid.UUID("7b0c3f0e-5f0c-5c63-9d0f-2f1f6f3a9b52")  # namespace of the threads that Runledger names itself

STREAM_MODES = (
    "values",
    "updates",
    "messages",
    "messages-tuple",
    "events",
    "debug",
    "custom",
    "checkpoints",
    "tasks",
)


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """A valid `POST /runs` body.

    `task_token` is that of the Step Functions task that waits; `text` is the body without it. `digest` is the same for
    bodies that differ in white space, order and `callback` alone. `options` holds what goes to LangGraph as it is:
    `input` or `command`, `config`, `context`, `checkpoint_id`, `interrupt_before`, `interrupt_after`,
    `multitask_strategy`, `after_seconds`, `durability`, `stream_mode` and `stream_subgraphs`, each where it was given.
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


def own_thread_id(launch_id: str, attempt: int) -> str:
    """Name the thread of a launch whose caller brought none: the same again for the same attempt."""
    return str(uuid.uuid5(_THREADS, f"{launch_id}/{attempt}"))


def launch_id_after(run_id: str) -> str:
    """Name the launch of the answer to a run that Runledger did not launch: the same again for the same run."""
    return str(uuid.uuid5(_ANSWERS, run_id))


def is_key(text: str) -> bool:
    """Whether a text can be an idempotency key: KEY_FORM."""
    return 0 < len(text) <= _MAX_KEY and text.isascii() and text.isprintable()


def launch_id_of(idempotency_key: str | None) -> str:
    """Name a launch: the same again for the same key, a new name without one."""
    if idempotency_key is None:
        return str(uuid.uuid4())
    if not is_key(idempotency_key):
        raise Problem(
            400, "invalid-request", "The request is not valid", f"The header Idempotency-Key must be {KEY_FORM}."
        )
    return str(uuid.uuid5(_LAUNCHES, idempotency_key))


def parse_launch(body: bytes | None) -> LaunchRequest:
    """Check the body of `POST /runs`; raise a Problem that names every bad field."""
    fields = json_object(body, MEMBERS)
    return request_of(fields, (body or b"").decode())


def request_of(fields: dict[str, Json], text: str | None = None) -> LaunchRequest:
    """Check the members of a body; `text` is the body where it has nothing but these."""
    errors = [
        FieldError(f"/{strict_json.escape(name)}", f"unknown field; known are {', '.join(sorted(_CHECKS))}")
        for name in fields
        if name not in _CHECKS
    ]
    for name, check in _CHECKS.items():
        if name in fields and (complaint := check(fields[name])):
            errors.append(FieldError(f"/{name}", complaint))
    errors += _across(fields)
    if errors:
        raise invalid_request(*errors)
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
        text=canonical if callback or text is None else text,
        task_token=str(callback["task_token"]) if callback else None,
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
    errors += [
        FieldError(f"/metadata/{name}", "reserved: Runledger sets it; use another name")
        for name in RESERVED
        if name in _as_object(fields.get("metadata"))
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


type _Check = Callable[[Json], str | None]  # returns what is wrong, with the way out, or None


def _any(_: Json) -> None:
    return None


def _name(value: Json) -> str | None:
    ok = isinstance(value, str) and 0 < len(value) <= _MAX_NAME
    return None if ok else f"must be a string of 1 to {_MAX_NAME} characters"


def _uuid(value: Json) -> str | None:
    ok = isinstance(value, str) and _UUID.fullmatch(value)
    return None if ok else "must be a UUID such as 6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10"


def _map(value: Json) -> str | None:
    return None if isinstance(value, dict) else "must be an object"


def _command(value: Json) -> str | None:
    if not isinstance(value, dict) or not value:
        return "must be an object with resume, update or goto"
    if unknown := sorted(set(value) - {"resume", "update", "goto"}):
        return f"has the unknown member {unknown[0]}; known are goto, resume, update"
    if empty := sorted(name for name, member in value.items() if member is None):
        return f"{empty[0]} is null, which LangGraph's SDK leaves out; send another value"
    return None


def _callback(value: Json) -> str | None:
    token = value.get("task_token") if isinstance(value, dict) and len(value) == 1 else None
    if isinstance(token, str) and 0 < len(token) <= _MAX_TOKEN:
        return None
    return f'must be {{"task_token": …}}, a string of 1 to {_MAX_TOKEN} characters'


def _bool(value: Json) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _seconds(value: Json) -> str | None:
    ok = type(value) is int and 0 <= value <= MAX_AFTER_SECONDS
    return None if ok else f"must be a whole number from 0 to {MAX_AFTER_SECONDS} (30 days)"


def _nodes(value: Json) -> str | None:
    if value == "*" or (isinstance(value, list) and value and all(isinstance(node, str) and node for node in value)):
        return None
    return 'must be "*" or a list of node names'


def _one_of(*words: str) -> _Check:
    def check(value: Json) -> str | None:
        return None if value in words else f"must be one of {', '.join(words)}"

    return check


def _modes(value: Json) -> str | None:
    modes = value if isinstance(value, list) else [value]
    if modes and all(mode in STREAM_MODES for mode in modes):
        return None
    return f"must be one or a list of {', '.join(STREAM_MODES)}"


_CHECKS: dict[str, _Check] = {
    "assistant_id": _name,
    "thread_id": _uuid,
    "input": _any,
    "command": _command,
    "config": _map,
    "context": _map,
    "metadata": _map,
    "stream": _bool,
    "stream_mode": _modes,
    "stream_subgraphs": _bool,
    "checkpoint_id": _uuid,
    "interrupt_before": _nodes,
    "interrupt_after": _nodes,
    "multitask_strategy": _one_of("reject", "interrupt", "rollback", "enqueue"),
    "after_seconds": _seconds,
    "durability": _one_of("sync", "async", "exit"),
    "callback": _callback,
}
_OURS = {"assistant_id", "thread_id", "metadata", "stream"}
