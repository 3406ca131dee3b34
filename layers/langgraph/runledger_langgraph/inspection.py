"""Asking LangGraph what became of a run, or whether a launch has one."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus
from uuid import UUID

import orjson
from langgraph_sdk.errors import NotFoundError, PermissionDeniedError, UnprocessableEntityError

from runledger.domain.inspection import Ended, Gone, MovedOn, Running, TooLargeError, UnreadableError
from runledger.domain.settling import ANSWERS, NONCE, STILL, Seen, seen, unread, unsettled
from runledger_langgraph.checkpoints import checkpoint_at, last_checkpoint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from langgraph_sdk.client import LangGraphClient
    from langgraph_sdk.schema import RunSelectField

    from runledger.domain.inspection import Look
    from runledger_langgraph.checkpoints import Checkpoint

_PAGE = 100
_LISTED: list[RunSelectField] = ["run_id", "assistant_id", "metadata", "status", "created_at"]
_STRATEGY: list[RunSelectField] = ["run_id", "created_at", "multitask_strategy"]
_EMPTY_BYTES = 16  # of a history without a checkpoint, at most
_CLOCKS_DIFFER = timedelta(hours=1)  # LangGraph's and ours, at most
_V7 = 7
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)  # no run is as old


async def inspect_result(  # noqa: PLR0913, PLR0917 - a run, and how much of its result to read
    client: LangGraphClient,
    thread_id: str,
    run_id: str,
    created_at: str,
    max_bytes: int,
    reads_on: bool = True,  # noqa: FBT001, FBT002
) -> Look:
    """Ask what became of a run; `created_at` is the run's, in the ledger's format.

    `runs.get` says `success` of a run that waits, so its own last checkpoint is read too. A run that asks before the
    first step that it takes is done makes none: an answer after which the same node asks again, or a command that sends
    the thread to a node that asks. There it is the one that it went on from, and what the thread shows. Errors but 404
    are raised, TooLargeError and UnreadableError as `last_checkpoint` says, else a result over `max_bytes` is left out.
    """
    run = await _ended_run(client, thread_id, run_id, created_at)
    if not isinstance(run, dict):
        return run
    checkpoint, thread = await last_checkpoint(client, thread_id, run_id, max_bytes, reads_on=reads_on), None
    is_own = checkpoint is not None
    if checkpoint is None and run["status"] == "success" and _has_no_input(run["kwargs"]):
        checkpoint = await checkpoint_at(client, thread_id, run["updated_at"], max_bytes, reads_on=reads_on)
        thread = await _thread_after(client, thread_id, run_id)
    run, tokens = _cleaned(run)
    members, thread = orjson.loads(_without(tokens, orjson.dumps([checkpoint and checkpoint.members, thread])))
    found = seen(run, members, is_own=is_own, thread=thread)
    is_superseded = found.status == "error" and not found.error and await _is_superseded(client, thread_id, run)
    return Gone(rolled_back=True) if is_superseded else Ended(found, _as_delivered(run, checkpoint, found, tokens))


async def inspect_status(
    client: LangGraphClient, thread_id: str, run_id: str, created_at: str, missing: str | None = None
) -> Look:
    """Ask what became of a run whose checkpoint can't be read.

    A success is `settling` then, and no result is there; with `missing`, the reason, it gets its outcome all the same.
    """
    run = await _ended_run(client, thread_id, run_id, created_at)
    if not isinstance(run, dict):
        return run
    thread = await _thread_after(client, thread_id, run_id) if missing and run["status"] == "success" else None
    run, tokens = _cleaned(run)
    thread = orjson.loads(_without(tokens, orjson.dumps(thread)))
    return Ended(unread(run, missing, thread) if missing else unsettled(run), None)


async def inspect_waiting(
    client: LangGraphClient, thread_id: str, run_id: str, nonce: str | None
) -> Running | MovedOn | Gone:
    """Ask whether a run that stopped at a question still waits: until a later run of its thread has done something.

    An answer of ours, known by the `nonce` that the ledger has for it, counts from its start on: it is what the thread
    does next. One that made no checkpoint has done
    something too, if it succeeded: the same node asks again.
    """
    try:
        later = await _later_runs(client, thread_id, run_id)
        if later is None:
            return Gone(rolled_back=False)
        for other in later:
            metadata = other["metadata"] or {}
            is_ours = metadata.get(ANSWERS) == run_id and nonce is not None and metadata.get(NONCE) == nonce
            has_begun = await _has_begun(client, thread_id, other)
            if is_ours and (has_begun or other["status"] != "interrupted"):
                return MovedOn(other["run_id"], other)
            if has_begun or other["status"] == "success":
                mover: dict[str, Any] = dict(await client.runs.get(thread_id, other["run_id"]))
                is_answer = _resumes(mover["kwargs"])
                if has_begun or is_answer:
                    return MovedOn(other["run_id"] if is_answer else None)
    except NotFoundError:
        return Gone(rolled_back=False)
    return Running()


async def runs_of_launch(
    client: LangGraphClient, thread_id: str, launch_id: str, nonce: str | None, created_at: str
) -> list[dict[str, Any]]:
    """Find the runs of a launch on a thread, the oldest first, without those that answer another of its runs.

    `nonce` is the launch's, which neither those have nor what inherits its metadata from the thread. `created_at` is
    the launch's too, in the ledger's format.
    """
    found = []
    for run in await _runs_since(client, thread_id, _LISTED, _earliest(created_at)):
        metadata = run["metadata"] or {}
        if metadata.get("launch_id") == launch_id and nonce is not None and metadata.get(NONCE) == nonce:
            found.append(run)
    return found


async def at_once[T](looks: Iterable[Awaitable[T]], seconds: float) -> list[T | BaseException]:
    """Ask about several runs at once; what fails, or takes longer than `seconds`, is its exception."""
    return await asyncio.gather(*(asyncio.wait_for(one, seconds) for one in looks), return_exceptions=True)


async def _ended_run(
    client: LangGraphClient, thread_id: str, run_id: str, created_at: str
) -> dict[str, Any] | Running | Gone:
    try:
        run: dict[str, Any] = dict(await client.runs.get(thread_id, run_id))
    except NotFoundError:
        return Gone(await _is_rolled_back(client, thread_id, run_id, created_at))
    if run["run_id"] != run_id or not isinstance(run["status"], str):
        raise TypeError("run_id")  # not LangGraph's answer
    return Running() if run["status"] in STILL else run


async def _has_begun(client: LangGraphClient, thread_id: str, run: dict[str, Any]) -> bool:
    """Whether a run has done something; where LangGraph will not show its checkpoint, its status tells."""
    try:
        return await last_checkpoint(client, thread_id, run["run_id"], _EMPTY_BYTES, reads_on=False) is not None
    except TooLargeError:
        return True
    except UnreadableError:
        return run["status"] not in ("pending", "interrupted")


async def _is_rolled_back(client: LangGraphClient, thread_id: str, run_id: str, created_at: str) -> bool:
    """Whether a run that LangGraph no longer knows gave way to a later one.

    When it was made is told by its id, by LangGraph's own clock; where it does not, that clock and ours may differ.
    """
    earliest = _time_in(run_id) or _earliest(created_at)
    try:
        runs = await _runs_since(client, thread_id, _STRATEGY, earliest)
    except NotFoundError:
        return False
    return any(run["multitask_strategy"] == "rollback" for run in runs)


async def _is_superseded(client: LangGraphClient, thread_id: str, run: dict[str, Any]) -> bool:
    """Whether another run was made while this one ran, to roll it back. The JavaScript server calls that an error."""
    begins, ends = (datetime.fromisoformat(run[name]) for name in ("created_at", "updated_at"))
    runs = await _runs_since(client, thread_id, _STRATEGY, begins)
    return any(
        other["multitask_strategy"] == "rollback" and datetime.fromisoformat(other["created_at"]) <= ends
        for other in runs
        if other["run_id"] != run["run_id"]
    )


async def _thread_after(client: LangGraphClient, thread_id: str, run_id: str) -> dict[str, Any] | None:
    """Return what a run has left on its thread: `status`, and `interrupts` by task.

    None where that can't be told: another run has been at work there since, or this client may not search. `search`,
    because `threads.get` brings the values too.
    """
    try:
        found = await client.threads.search(ids=[thread_id], select=["thread_id", "status", "interrupts"], limit=1)
    except (NotFoundError, PermissionDeniedError, UnprocessableEntityError):
        return None
    later = await _later_runs(client, thread_id, run_id)  # asked after the thread: what is not there yet left no trace
    if later is None or any(run["status"] != "pending" for run in later):
        return None
    return next((dict(thread) for thread in found if thread["thread_id"] == thread_id), None)


async def _later_runs(client: LangGraphClient, thread_id: str, run_id: str) -> list[dict[str, Any]] | None:
    """Return the runs of a thread that were made after this one, the oldest first; None where it has not this one."""
    runs = await _runs_since(client, thread_id, _LISTED, None, run_id)
    at = next((at for at, run in enumerate(runs) if run["run_id"] == run_id), None)
    return None if at is None else runs[at + 1 :]


async def _runs_since(
    client: LangGraphClient,
    thread_id: str,
    select: list[RunSelectField],
    earliest: datetime | None,
    run_id: str | None = None,
) -> list[dict[str, Any]]:
    """Return the runs of a thread, the oldest first: those since `earliest`, or back to the run `run_id` at the least.

    Servers list them in an order of their own: the Python one has the newest first, the JavaScript one the oldest. Only
    where what came shows that it is the former is the rest, which is older still, left alone.
    """
    found: dict[str, dict[str, Any]] = {}
    times: list[datetime] = []
    while True:
        page = await client.runs.list(thread_id, limit=_PAGE, offset=len(times), select=select)
        found |= {run["run_id"]: dict(run) for run in page}
        times += [_made(dict(run))[0] for run in page]
        is_newest_first = times == sorted(times, reverse=True) and times[:1] > times[-1:]
        is_enough = times[-1:] < [earliest] if earliest else run_id in found
        if len(page) < _PAGE or (is_newest_first and is_enough):
            break
    return sorted((run for run in found.values() if not earliest or _made(run)[0] >= earliest), key=_made)


def _made(run: dict[str, Any]) -> tuple[datetime, str]:
    """Return when a run was made, as far as it is told, and its id, which goes by that too."""
    made = datetime.fromisoformat(run["created_at"])
    return made if made.tzinfo else made.replace(tzinfo=UTC), run["run_id"]


def _time_in(run_id: str) -> datetime | None:
    """Return the time in a UUID of version 7, which LangGraph's ids are."""
    uuid, now = UUID(run_id), time.time()
    return datetime.fromtimestamp(min((uuid.int >> 80) / 1000, now), UTC) if uuid.version == _V7 else None


def _earliest(created_at: str) -> datetime:
    """Return when, by LangGraph's clock, a run can have been made at the earliest; a body may say any time at all."""
    created = min(datetime.fromisoformat(created_at), datetime.now(UTC))
    return max(created, _FIRST) - _CLOCKS_DIFFER


def _has_no_input(kwargs: dict[str, Any]) -> bool:
    """Whether a run goes on from where its thread stands; an input would be a checkpoint of its own."""
    return bool(kwargs.get("command")) or kwargs.get("input") is None


def _resumes(kwargs: dict[str, Any]) -> bool:
    """Whether a run answers the question of the one before: with a resume value, or with nothing at a breakpoint."""
    command = kwargs.get("command")
    return command.get("resume") is not None if command else kwargs.get("input") is None


def _as_delivered(run: dict[str, Any], checkpoint: Checkpoint | None, found: Seen, tokens: set[str]) -> str | None:
    """Write the run as its webhook would have, the token cut out; the values are LangGraph's own text."""
    values = checkpoint.values if checkpoint else b"null"
    if values is None:
        return None
    error = {"error" if name == "type" else name: text for name, text in (found.error or {}).items()}
    members = orjson.dumps({**run, **({"error": error} if error else {})})
    return _without(tokens, b"".join((members[:-1], b',"values":', values, b"}"))).decode()


def _cleaned(run: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Return a run without its token, which `runs.get` gives too, and the spellings of that token."""
    tokens = _tokens(str((run.get("kwargs") or {}).get("webhook") or ""))
    return orjson.loads(_without(tokens, orjson.dumps(run))), tokens


def _without(tokens: set[str], text: bytes) -> bytes:
    """Cut the tokens out, also one whose pieces stood around another, in a time that goes by the text's length."""
    if not tokens:
        return text
    either = re.compile(b"|".join(re.escape(token.encode()) for token in tokens))
    reach = max(len(token.encode()) for token in tokens)
    kept, at = bytearray(), 0
    while found := either.search(text, at):
        kept += text[at : found.start()]
        at = found.end()
        tail = bytes(kept[-reach:])
        while (joined := either.search(tail + text[at : at + reach])) and joined.start() < len(tail):
            del kept[len(kept) - len(tail) + joined.start() :]
            at += joined.end() - len(tail)
            tail = bytes(kept[-reach:])
    return bytes(kept + text[at:])


def _tokens(url: str) -> set[str]:
    """Return the token of a webhook URL, as it is spelt there and as it is meant."""
    pairs = [pair.partition("=") for pair in url.partition("?")[2].partition("#")[0].split("&")]
    spelt = {value for name, _, value in pairs if unquote_plus(name) == "token" and value}
    return spelt | {unquote_plus(value) for value in spelt}
