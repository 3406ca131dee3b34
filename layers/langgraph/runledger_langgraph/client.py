"""One LangGraph deployment: its SDK client, kept on one event loop, and a deadline for the calls of one request."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
from langgraph_sdk import get_client

from runledger_langgraph.origin import NotFromLangGraphError, check_origin, has_no_words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx
    from langgraph_sdk.client import LangGraphClient

DEADLINE = 20.0  # seconds for all calls of one request, under the 30 s of the gateway
# The SDK tries to connect six times with 7.5 s of pauses: so 16.5 s in all, and what never connected is told from what
# may have been sent before the deadline blurs the two.
_CONNECT = 1.5
_OK = "/ok"  # where each LangGraph server says that it is one


class LangGraph:
    """One LangGraph deployment, its connections kept between calls."""

    def __init__(self, url: str, deadline: float = DEADLINE) -> None:
        """`deadline` is in seconds, for all the calls of one request together.

        All that the first call would import or set up is done here, at start: Lambda gives a function of 512 MB more
        of a processor for that than for its calls.
        """
        self.url, self.deadline = url, deadline
        self._runner = asyncio.Runner()
        # connect, read, write, pool; the deadline ends whatever takes longer together
        timeouts = (_CONNECT, self.deadline, self.deadline, _CONNECT)
        self._sdk = get_client(url=self.url, api_key=None, timeout=timeouts)
        self._sdk.http.client.event_hooks = {"response": [self._check]}
        anyio.run(anyio.lowlevel.checkpoint)

    async def _check(self, response: httpx.Response) -> None:
        """Raise NotFromLangGraphError for an error that is not LangGraph's own.

        What LangGraph says of a run that it does not know, many others say of a path: then `/ok` tells who is there.
        """
        if response.request.url.path.endswith(_OK):
            return
        try:
            await check_origin(response)
        except NotFromLangGraphError:
            if not has_no_words(response) or not await self._is_there():
                raise

    async def _is_there(self) -> bool:
        answer = await self._sdk.http.client.get(_OK)
        try:
            said = answer.json()
        except ValueError:
            return False
        return answer.is_success and isinstance(said, dict) and said.get("ok") is True

    def until(self, seconds: float) -> float:
        """Return when (monotonic seconds) the calls of a request must end that has `seconds` for them."""
        return time.monotonic() + min(self.deadline, seconds)

    def ask[T](self, api_key: str | None, until: float, question: Callable[[LangGraphClient], Awaitable[T]]) -> T:
        """Run `question` with a client for `api_key`; raise TimeoutError at `until`."""

        async def in_time() -> T:
            async with asyncio.timeout(until - time.monotonic()):
                return await question(self._sdk)

        headers = self._sdk.http.client.headers
        if api_key is None:
            headers.pop("x-api-key", None)
        else:
            headers["x-api-key"] = api_key
        return self._runner.run(in_time())
