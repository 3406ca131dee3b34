"""A run's last checkpoint, read so that a result of 50 MB is neither parsed nor held more often than needed.

`threads.get_history` filtered by the run's id stays right after later runs and a resume; `threads.get`, its status and
its interrupts speak of the thread's newest state, which may be another run's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from runledger.domain.inspection import MAX_RESULT_BYTES, TooLargeError, UnreadableError
from runledger_langgraph.origin import words

if TYPE_CHECKING:
    import httpx
    from langgraph_sdk.client import LangGraphClient

_TAIL_BYTES = 8 * 1024 * 1024  # of a body that is too large: usually it ends with all but the values
_TRIES = 1000
_MAX_WORDS = 500  # characters of what LangGraph says in an error
_ABOUT_THE_CHECKPOINT = (400, 404, 410, 413, 422)  # statuses that another look would get again


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
    at once, with TooLargeError. So it is where its end does not tell: large are its tasks, not its values. It is then
    to be read again with MAX_RESULT_BYTES, beyond which it raises UnreadableError, as for whatever else LangGraph
    answers that is no checkpoint. Any other error is httpx's.
    """
    body = {"limit": 1, "metadata": {"run_id": run_id}}
    asked = client.http.client.build_request("POST", _history(thread_id), json=body)
    return await _newest(client, asked, max_bytes, reads_on=reads_on)


async def checkpoint_at(
    client: LangGraphClient, thread_id: str, moment: str, max_bytes: int, *, reads_on: bool = True
) -> Checkpoint | None:
    """Return the last checkpoint that a thread had at a moment (ISO 8601), whichever run it is of; as above.

    The id stands in the query, where every LangGraph server takes it: in the body the JavaScript one wants a text, and
    the Python one an object.
    """
    query = {"limit": "1", "before": _id_at(moment)}
    asked = client.http.client.build_request("GET", _history(thread_id), params=query)
    return await _newest(client, asked, max_bytes, reads_on=reads_on)


def _history(thread_id: str) -> str:
    """Return the path of a thread's history. A thread's id may come from a delivery's body, and is any text."""
    return f"/threads/{quote(thread_id, safe='').replace('.', '%2E')}/history"  # httpx would follow `..`


def _id_at(moment: str) -> str:
    """Return the highest id that a checkpoint of that time has: a UUID of version 6, by which LangGraph orders them."""
    since_1582 = datetime.fromisoformat(moment) - datetime(1582, 10, 15, tzinfo=UTC)
    ticks = since_1582 // timedelta(microseconds=1) * 10 + 9
    return f"{ticks >> 28:08x}-{ticks >> 12 & 0xFFFF:04x}-{0x6000 | ticks & 0xFFF:04x}-ffff-ffffffffffff"


async def _newest(
    client: LangGraphClient, asked: httpx.Request, max_bytes: int, *, reads_on: bool
) -> Checkpoint | None:
    received, is_whole, is_cut = bytearray(), True, False
    response = await client.http.client.send(asked, stream=True)
    try:
        await _raise_for_status(response)
        async for chunk in response.aiter_bytes():
            received += chunk
            is_whole = is_whole and len(received) <= max_bytes
            if not is_whole and not reads_on:
                raise TooLargeError
            if not is_whole and len(received) > 2 * _TAIL_BYTES:
                del received[:-_TAIL_BYTES]
                is_cut = True
    finally:
        await response.aclose()
    if received.strip() == b"[]":
        return None
    try:
        found = _split(bytes(received), is_whole=not is_cut)
    except (TypeError, KeyError, ValueError) as error:
        if is_cut and max_bytes < MAX_RESULT_BYTES:
            raise TooLargeError from None
        if is_cut:
            raise UnreadableError(f"The checkpoint is larger than {MAX_RESULT_BYTES >> 20} MB.") from None
        if received.lstrip().startswith(b"[") and not isinstance(error, orjson.JSONDecodeError):
            raise UnreadableError("LangGraph's answer is no checkpoint.") from None
        raise
    return found if is_whole else replace(found, values=None)


async def _raise_for_status(response: httpx.Response) -> None:
    if not response.is_error:
        return
    await response.aread()
    said = words(response)
    if said and response.status_code in _ABOUT_THE_CHECKPOINT:
        raise UnreadableError(f"LangGraph answered {response.status_code}: {said[:_MAX_WORDS]}")
    response.raise_for_status()


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
        if not is_whole and "tasks" in members:
            return Checkpoint(members, None)
        if not is_whole:
            break
        before = body[:at].rstrip().removesuffix(b",").rstrip()
        if before.startswith(b'[{"values":') and "tasks" in members:
            return Checkpoint(members, before.removeprefix(b'[{"values":'))
        break
    if not is_whole:
        raise TypeError("the end of a checkpoint")  # not LangGraph's answer
    (members,) = orjson.loads(body)  # in another order than LangGraph 0.16 has
    if not isinstance(members, dict):
        raise TypeError("a checkpoint")  # not LangGraph's answer
    values = members.pop("values")
    return Checkpoint(members, orjson.dumps(values))
