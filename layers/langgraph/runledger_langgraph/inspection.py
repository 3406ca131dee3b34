"""Asking LangGraph what became of a run, or whether a launch has one."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import orjson
from langgraph_sdk.errors import NotFoundError

from runledger.core.settling import ANSWERS, NONCE, STILL, Seen, seen, unsettled
from runledger_langgraph.checkpoints import TooLargeError, checkpoint_at, last_checkpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable

    from langgraph_sdk.client import LangGraphClient
    from langgraph_sdk.schema import RunSelectField

    from runledger_langgraph.checkpoints import Checkpoint

MAX_RESULT_BYTES = 50 * 1024 * 1024
_PAGE = 100
_LISTED: list[RunSelectField] = ["run_id", "assistant_id", "metadata", "status", "created_at"]
_EMPTY_BYTES = 16  # of a history without a checkpoint, at most
_CLOCKS_DIFFER = timedelta(hours=1)  # LangGraph's and ours, at most


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended. `result` is JSON text in the form of a webhook's body, None where it is too large."""

    seen: Seen
    result: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Running:
    """A run that has not ended, or still waits for its answer."""


@dataclass(frozen=True, slots=True)
class Gone:
    """LangGraph answers 404 for the run; `rolled_back` where a later run of its thread superseded it."""

    rolled_back: bool


@dataclass(frozen=True, slots=True)
class MovedOn:
    """The thread has gone on from a run that waited: with the answer, in the run `answered_by`, or without one.

    `answer` is that run as LangGraph lists it, where Runledger has made it.
    """

    answered_by: str | None
    answer: dict[str, Any] | None = field(default=None, repr=False)


type Look = Ended | Running | Gone | MovedOn


async def look(  # noqa: PLR0913, PLR0917 - a run, and how much of its result to read
    client: LangGraphClient,
    thread_id: str,
    run_id: str,
    created_at: str,
    max_bytes: int,
    reads_on: bool = True,  # noqa: FBT001, FBT002
) -> Look:
    """Ask what became of a run; `created_at` is the run's, in the ledger's format.

    `runs.get` says `success` of a run that waits, so its own last checkpoint is read too. An answer after which the
    same node asks again makes none: there it is the one that it went on from, with the new question. Errors but 404 are
    raised, and TooLargeError without `reads_on`, else a result over `max_bytes` is left out.
    """
    run = await _ended_run(client, thread_id, run_id, created_at)
    if not isinstance(run, dict):
        return run
    checkpoint = await last_checkpoint(client, thread_id, run_id, max_bytes, reads_on=reads_on)
    is_own = checkpoint is not None
    if checkpoint is None and run["status"] == "success" and _resumes(run["kwargs"]):
        checkpoint = await checkpoint_at(client, thread_id, run["updated_at"], max_bytes, reads_on=reads_on)
    run, tokens = _cleaned(run)
    members = orjson.loads(_without(tokens, orjson.dumps(checkpoint.members))) if checkpoint else None
    found = seen(run, members, is_own=is_own)
    return Ended(found, _as_delivered(run, checkpoint, found, tokens))


async def look_at_status(client: LangGraphClient, thread_id: str, run_id: str, created_at: str) -> Look:
    """Ask what became of a run whose checkpoint can't be read; a success is `settling` then, and no result is there."""
    run = await _ended_run(client, thread_id, run_id, created_at)
    return Ended(unsettled(_cleaned(run)[0]), None) if isinstance(run, dict) else run


async def look_waiting(
    client: LangGraphClient, thread_id: str, run_id: str, nonce: str | None
) -> Running | MovedOn | Gone:
    """Ask whether a run that stopped at a question still waits: until a later run of its thread has done something.

    An answer of ours, known by the `nonce` that the ledger has for it, counts from its start on: it is what the thread
    does next. One that made no checkpoint has done
    something too, if it succeeded: the same node asks again.
    """
    later: list[dict[str, Any]] = []
    try:
        async for run in _runs(client, thread_id, _LISTED):  # newest first
            if run["run_id"] == run_id:
                break
            later.append(run)
        else:
            return Gone(rolled_back=False)
        for other in reversed(later):
            metadata = other["metadata"] or {}
            is_ours = metadata.get(ANSWERS) == run_id and nonce is not None and metadata.get(NONCE) == nonce
            has_begun = await _has_begun(client, thread_id, other["run_id"])
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
    earliest = datetime.fromisoformat(created_at) - _CLOCKS_DIFFER
    async for run in _runs(client, thread_id, _LISTED):
        if datetime.fromisoformat(run["created_at"]) < earliest:
            break
        metadata = run["metadata"] or {}
        if metadata.get("launch_id") == launch_id and nonce is not None and metadata.get(NONCE) == nonce:
            found.append(run)
    return found[::-1]


async def at_once(looks: Iterable[Awaitable[Look]], seconds: float) -> list[Look | BaseException]:
    """Ask about several runs at once; what fails, or takes longer than `seconds`, is its exception."""
    return await asyncio.gather(*(asyncio.wait_for(one, seconds) for one in looks), return_exceptions=True)


async def _ended_run(
    client: LangGraphClient, thread_id: str, run_id: str, created_at: str
) -> dict[str, Any] | Running | Gone:
    try:
        run: dict[str, Any] = dict(await client.runs.get(thread_id, run_id))
    except NotFoundError:
        return Gone(await _is_rolled_back(client, thread_id, created_at))
    if run["run_id"] != run_id or not isinstance(run["status"], str):
        raise TypeError("run_id")  # not LangGraph's answer
    return Running() if run["status"] in STILL else run


async def _has_begun(client: LangGraphClient, thread_id: str, run_id: str) -> bool:
    try:
        return await last_checkpoint(client, thread_id, run_id, _EMPTY_BYTES, reads_on=False) is not None
    except TooLargeError:
        return True


async def _is_rolled_back(client: LangGraphClient, thread_id: str, created_at: str) -> bool:
    created = datetime.fromisoformat(created_at)
    try:
        async for run in _runs(client, thread_id, ["created_at", "multitask_strategy"]):
            if datetime.fromisoformat(run["created_at"]) < created - timedelta(minutes=1):
                return False
            if run["multitask_strategy"] == "rollback":
                return True
    except NotFoundError:
        pass
    return False


async def _runs(client: LangGraphClient, thread_id: str, select: list[RunSelectField]) -> AsyncIterator[dict[str, Any]]:
    """Yield a thread's runs, the newest first, a page at a time."""
    offset = 0
    while True:
        page = await client.runs.list(thread_id, limit=_PAGE, offset=offset, select=select)
        for run in page:
            yield dict(run)
        if len(page) < _PAGE:
            return
        offset += _PAGE


def _resumes(kwargs: dict[str, Any]) -> bool:
    """Whether a run answers the question of the one before: with a resume value, or with nothing at a breakpoint."""
    command = kwargs.get("command")
    return command.get("resume") is not None if command else kwargs.get("input") is None


def _as_delivered(run: dict[str, Any], checkpoint: Checkpoint | None, found: Seen, tokens: set[str]) -> str | None:
    """Write the run as its webhook would have, the token cut out; the values are LangGraph's own text."""
    values = checkpoint.values if checkpoint else b"null"
    if values is None:
        return None
    members = orjson.dumps({**run, **({"error": found.error} if found.error else {})})
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
