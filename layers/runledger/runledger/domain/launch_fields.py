"""The fields of `POST /runs`, each with its check and its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runledger.domain.fields import ANYTHING, BOOL, MAP, UUID, Field, one_of, string, whole_number

if TYPE_CHECKING:
    from runledger.domain.strict_json import Json

MAX_AFTER_SECONDS = 30 * 24 * 3600
_MAX_NAME = 256
_MAX_TOKEN = 2_048  # Step Functions' own limit
_COMMANDS = ("goto", "resume", "update")

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


def _command(value: Json) -> str | None:
    if not isinstance(value, dict) or not value:
        return "must be an object with resume, update or goto"
    if unknown := sorted(set(value) - set(_COMMANDS)):
        return f"has the unknown member {unknown[0]}; known are {', '.join(_COMMANDS)}"
    if empty := sorted(name for name, member in value.items() if member is None):
        return f"{empty[0]} is null, which LangGraph's SDK leaves out; send another value"
    return None


def _callback(value: Json) -> str | None:
    token = value.get("task_token") if isinstance(value, dict) and len(value) == 1 else None
    if isinstance(token, str) and 0 < len(token) <= _MAX_TOKEN:
        return None
    return f'must be {{"task_token": …}}, a string of 1 to {_MAX_TOKEN} characters'


def _nodes(value: Json) -> str | None:
    if value == "*" or (isinstance(value, list) and value and all(isinstance(node, str) and node for node in value)):
        return None
    return 'must be "*" or a list of node names'


def _modes(value: Json) -> str | None:
    modes = value if isinstance(value, list) else [value]
    if modes and all(mode in STREAM_MODES for mode in modes):
        return None
    return f"must be one or a list of {', '.join(STREAM_MODES)}"


_NODES = Field(
    _nodes,
    {"oneOf": [{"const": "*"}, {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}]},
)
FIELDS: dict[str, Field] = {
    "assistant_id": string(_MAX_NAME),
    "thread_id": UUID,
    "input": ANYTHING,
    "command": Field(
        _command,
        {
            "type": "object",
            "minProperties": 1,
            "properties": {name: {"type": ["boolean", "number", "string", "array", "object"]} for name in _COMMANDS},
            "additionalProperties": False,
        },
    ),
    "config": MAP,
    "context": MAP,
    "metadata": MAP,
    "stream": BOOL,
    "stream_mode": Field(
        _modes,
        {
            "oneOf": [
                {"enum": list(STREAM_MODES)},
                {"type": "array", "minItems": 1, "items": {"enum": list(STREAM_MODES)}},
            ]
        },
    ),
    "stream_subgraphs": BOOL,
    "checkpoint_id": UUID,
    "interrupt_before": _NODES,
    "interrupt_after": _NODES,
    "multitask_strategy": one_of("reject", "interrupt", "rollback", "enqueue"),
    "after_seconds": whole_number(MAX_AFTER_SECONDS, "30 days"),
    "durability": one_of("sync", "async", "exit"),
    "callback": Field(
        _callback,
        {
            "type": "object",
            "required": ["task_token"],
            "properties": {"task_token": string(_MAX_TOKEN).schema},
            "additionalProperties": False,
        },
    ),
}
