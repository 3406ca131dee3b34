"""Starting a run on LangGraph, in the background or streamed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runledger.domain.fields import UUID
from runledger.domain.launches import LEDGER
from runledger.domain.settling import ANSWER_DIGEST, ANSWERS, NONCE
from runledger_langgraph.refusals import ERRORS, explain, may_have_been_done

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from langgraph_sdk.client import LangGraphClient
    from langgraph_sdk.schema import StreamPart

    from runledger.domain.launches import LaunchRequest
    from runledger.domain.problems import Problem
    from runledger_langgraph.client import LangGraph

# Every run inherits its thread's metadata, those of other clients too: `launch_id` there would claim them all.
THREAD_MARKS = ("thread_of_launch", "thread_of_ledger")


class StartError(Exception):
    """The run's start did not succeed. `problem` is the answer for the caller."""

    def __init__(self, problem: Problem) -> None:
        """Keep the answer."""
        super().__init__(problem.detail)
        self.problem = problem


class NotStartedError(StartError):
    """LangGraph has made no run."""


class UnknownError(StartError):
    """LangGraph may have made the run: the request went out and no answer to it came back."""


@dataclass(frozen=True, slots=True)
class Start:
    """One run to start. `webhook` carries a token, which `token` repeats so that it can be kept out of messages.

    `nonce` is in the ledger already: the run is known by it, should the answer to its creation be lost.
    """

    request: LaunchRequest
    launch_id: str
    ledger_id: str
    nonce: str | None
    thread_id: str
    own_thread: bool
    is_first: bool
    webhook: str = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Started:
    """The run that LangGraph made. `assistant_id` is the assistant's UUID where LangGraph told it.

    `created_at` is LangGraph's, or the ledger's, where the run was found and not just made.
    """

    run_id: str
    assistant_id: str
    created_at: str | None = None


def start_run(langgraph: LangGraph, start: Start, api_key: str | None, until: float) -> Started:
    """Start a run and return its id; raise NotStartedError, or UnknownError where it may run all the same."""
    asked = False  # whether the request that makes the run may have left

    async def thread_then_run(client: LangGraphClient) -> Started:
        nonlocal asked
        if start.own_thread:
            await make_thread(client, start.thread_id, start.launch_id, start.ledger_id)
        asked = True
        return await (_stream if start.request.stream else _create)(client, start)

    try:
        return langgraph.ask(api_key, until, thread_then_run)
    except ERRORS as error:
        problem = explain(error, langgraph, own_thread=start.own_thread, secrets=(start.token, api_key))
        raise (UnknownError if asked and may_have_been_done(error) else NotStartedError)(problem) from None


async def make_thread(client: LangGraphClient, thread_id: str, launch_id: str, ledger_id: str) -> None:
    """Make sure that there is a thread of a launch's own."""
    marks = dict(zip(THREAD_MARKS, (launch_id, ledger_id), strict=True))
    thread = await client.threads.create(thread_id=thread_id, if_exists="do_nothing", metadata=marks)
    _ = thread["thread_id"]  # what is not LangGraph's, an empty redirect say, has none


def _arguments(start: Start) -> dict[str, Any]:
    request = start.request
    arguments: dict[str, Any] = {
        **request.options,
        "thread_id": start.thread_id,
        "assistant_id": request.assistant_id,
        # A run inherits from its assistant, its thread and `config.metadata`; what is given here wins over all of them.
        "metadata": {
            **dict.fromkeys((ANSWERS, ANSWER_DIGEST)),
            **request.metadata,
            "launch_id": start.launch_id,
            LEDGER: start.ledger_id,
            NONCE: start.nonce,
        },
        "webhook": start.webhook,
    }
    if start.own_thread or not start.is_first:
        # Of two creations on one thread LangGraph then makes one run: the fence against a doubled launch (G2). A launch
        # that is started over late must not interrupt or roll back what runs on its caller's thread by then.
        arguments["multitask_strategy"] = "reject"
    return arguments


async def _create(client: LangGraphClient, start: Start) -> Started:
    run = await client.runs.create(**_arguments(start))
    return Started(run_id_of(run["run_id"]), str(run["assistant_id"]))


def run_id_of(given: object) -> str:
    """Return what is a run's id, and can stand in a header and in a path."""
    if not isinstance(given, str) or UUID.check(given):
        raise TypeError("run_id")  # not LangGraph's answer
    return given


async def _stream(client: LangGraphClient, start: Start) -> Started:
    """Start a streamed run and let go of its stream: the run goes on, and anyone can join the stream.

    The run's id is in the headers of LangGraph's answer (`Content-Location`), which come at once; the first event has
    it too, but comes only when the run starts, which `after_seconds` or a busy thread puts off.
    """
    created: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    parts: AsyncGenerator[StreamPart] = client.runs.stream(  # type: ignore[assignment]
        **{"stream_mode": "events", **_arguments(start)},
        stream_resumable=True,
        on_disconnect="continue",
        on_run_created=lambda run: created.set_result(run["run_id"]),
    )
    first: asyncio.Future[StreamPart] = asyncio.ensure_future(anext(parts))
    try:
        await asyncio.wait([created, first], return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
        run_id = run_id_of(created.result() if created.done() else first.result().data["run_id"])
    finally:
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await parts.aclose()
    return Started(run_id, start.request.assistant_id)
