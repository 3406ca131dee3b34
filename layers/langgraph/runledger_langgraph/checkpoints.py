"""A run's last checkpoint, read so that a result of 50 MB is neither parsed nor held more often than needed.

`threads.get_history` filtered by the run's id stays right after later runs and a resume; `threads.get`, its status and
its interrupts speak of the thread's newest state, which may be another run's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from langgraph_sdk.client import LangGraphClient

_TAIL_BYTES = 8 * 1024 * 1024  # of a body that is too large: it ends with all but the values
_TRIES = 1000


class TooLargeError(Exception):
    """The checkpoint is larger than is to be read now."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint. `members` is all of it but its values; `values` is their JSON text, None where it is too large."""

    members: dict[str, Any]
    values: bytes | None = field(repr=False)


async def last_checkpoint(
    client: LangGraphClient, thread_id: str, run_id: str, max_bytes: int, *, reads_on: bool = True
) -> Checkpoint | None:
    """Return the last checkpoint of a run; None where it has none: it never began, or did nothing that lasts.

    A body over `max_bytes` is read to its end without being kept, for what stands there; without `reads_on` it is left
    at once, with TooLargeError.
    """
    return await _newest(client, thread_id, {"metadata": {"run_id": run_id}}, max_bytes, reads_on=reads_on)


async def checkpoint_at(
    client: LangGraphClient, thread_id: str, moment: str, max_bytes: int, *, reads_on: bool = True
) -> Checkpoint | None:
    """Return the last checkpoint that a thread had at a moment (ISO 8601), whichever run it is of; as above."""
    before = {"configurable": {"checkpoint_id": _id_at(moment)}}
    return await _newest(client, thread_id, {"before": before}, max_bytes, reads_on=reads_on)


def _id_at(moment: str) -> str:
    """Return the highest id that a checkpoint of that time has: a UUID of version 6, by which LangGraph orders them."""
    since_1582 = datetime.fromisoformat(moment) - datetime(1582, 10, 15, tzinfo=UTC)
    ticks = since_1582 // timedelta(microseconds=1) * 10 + 9
    return f"{ticks >> 28:08x}-{ticks >> 12 & 0xFFFF:04x}-{0x6000 | ticks & 0xFFF:04x}-ffff-ffffffffffff"


async def _newest(
    client: LangGraphClient, thread_id: str, which: dict[str, Any], max_bytes: int, *, reads_on: bool
) -> Checkpoint | None:
    body = {"limit": 1, **which}
    received, is_whole = bytearray(), True
    async with client.http.client.stream("POST", f"/threads/{thread_id}/history", json=body) as response:
        response.raise_for_status()
        async for chunk in response.aiter_bytes():
            received += chunk
            is_whole = is_whole and len(received) <= max_bytes
            if not is_whole and not reads_on:
                raise TooLargeError
            if not is_whole and len(received) > 2 * _TAIL_BYTES:
                del received[:-_TAIL_BYTES]
    if received.strip() == b"[]":
        return None
    return _split(bytes(received), is_whole=is_whole)


def _split(body: bytes, *, is_whole: bool) -> Checkpoint:
    """Split `[{"values":…,"next":…,…}]` without parsing the values; of a body that is not whole the end is there."""
    at = len(body)
    for _ in range(_TRIES):
        at = body.rfind(b'"next":', 0, at)
        if at < 0:
            break
        try:
            members = orjson.loads(b"{" + body[at:].rstrip().removesuffix(b"]"))
        except orjson.JSONDecodeError:
            continue  # this one stands inside a task or the values
        if not is_whole:
            return Checkpoint(members, None)
        before = body[:at].rstrip().removesuffix(b",").rstrip()
        if before.startswith(b'[{"values":') and "tasks" in members:
            return Checkpoint(members, before.removeprefix(b'[{"values":'))
        break
    if not is_whole:
        raise TypeError("the end of a checkpoint")  # not LangGraph's answer
    (members,) = orjson.loads(body)  # in another order than LangGraph 0.16 has
    values = members.pop("values")
    return Checkpoint(members, orjson.dumps(values))
