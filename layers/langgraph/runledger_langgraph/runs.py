"""Starting a run on LangGraph, in the background or streamed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from runledger.domain.inspection import NotStartedError, Started, UnknownError, run_id_of
from runledger.domain.launches import LEDGER
from runledger.domain.settling import ANSWER_DIGEST, ANSWERS, NONCE
from runledger_langgraph.refusals import ERRORS, explain, may_have_been_done

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from langgraph_sdk.client import LangGraphClient
    from langgraph_sdk.schema import StreamPart

    from runledger.domain.inspection import Start
    from runledger_langgraph.client import LangGraph

# Every run inherits its thread's metadata, those of other clients too: `launch_id` there would claim them all.
THREAD_MARKS = ("thread_of_launch", "thread_of_ledger")


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
