"""A fault at one outside call, AWS's or LangGraph's, in whatever way a call can fail."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOWN = "nothing is reached"
VANISHED = "the request is lost"
LOST = "done, the answer is lost"
LATE = "the answer is lost, done seconds later"
VERY_LATE = "the answer is lost, done minutes later"
TWICE = "done, the answer is lost, done again"  # as boto3's own second try does
KILLED_BEFORE = "killed before it"
KILLED_AFTER = "killed after it"
MODES = (DOWN, VANISHED, LOST, LATE, VERY_LATE, TWICE, KILLED_BEFORE, KILLED_AFTER)

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_AWS = "https://aws.example"


class KilledError(BaseException):
    """The process ends here."""


@dataclass
class Faults:
    """Sees every outside call of the function that is `watched`, and makes one of them fail."""

    calls: list[str] = field(default_factory=list)  # of the last watched invocation
    creations: Counter[str] = field(default_factory=Counter)  # runs that LangGraph made, by launch
    told: set[str] = field(default_factory=set)  # ids of the events that the bus took, and tokens of tasks
    was_met: bool = False  # whether the call that was to fail was made
    _client: httpx.Client = field(default_factory=httpx.Client)
    _watches: bool = False
    _at: int | str | None = None
    _mode: str = ""
    _late: list[tuple[str, Callable[[], object]]] = field(default_factory=list)

    @contextmanager
    def watched(self, at: int | str | None = None, mode: str = "") -> Iterator[None]:
        """Note the calls that are made; let one fail: number `at`, counted from 0, or the first that matches it."""
        self.calls, self._at, self._mode, self._watches, self.was_met = [], at, mode, True, False
        try:
            yield
        finally:
            self._watches = False

    def catch_up(self, mode: str) -> None:
        """Let what takes effect later do so, of faults of this mode."""
        late, self._late = self._late, [(kind, effect) for kind, effect in self._late if kind != mode]
        for kind, effect in late:
            with suppress(ClientError):  # a condition that no longer holds
                if kind == mode:
                    effect()

    def close(self) -> None:
        """Close the connections to LangGraph."""
        self._client.close()

    def forget(self) -> None:
        """Drop what would have taken effect later."""
        self._late = []

    def install(self, patch: Callable[[object, str, object], None]) -> None:
        """Stand between the functions and the world."""
        aws, langgraph = BaseClient._make_api_call, httpx.AsyncClient.send  # type: ignore[attr-defined]  # noqa: SLF001

        def call_aws(client: Any, operation: str, parameters: Any) -> Any:
            def do() -> Any:
                answer = aws(client, operation, parameters)
                if operation == "PutEvents":
                    self.told |= {json.loads(entry["Detail"])["id"] for entry in parameters["Entries"]}
                self.told |= {parameters[name] for name in ("taskToken",) if name in parameters}
                return answer

            mode = self._next(f"{client.meta.service_model.service_name} {operation}")
            if mode in (LOST, TWICE, KILLED_AFTER):
                with suppress(ClientError):
                    do()
            if mode == DOWN:
                raise EndpointConnectionError(endpoint_url=_AWS)
            self._fail(mode, do, ReadTimeoutError(endpoint_url=_AWS))
            return do()

        async def call_langgraph(client: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
            mode = self._next(f"{request.method} {_ID.sub('…', request.url.path)}")
            if mode in (LOST, KILLED_AFTER):
                response = await langgraph(client, request, **options)
                self._note(request, response)
                await response.aclose()
            if mode in (DOWN, TWICE):  # nobody repeats a request to LangGraph by itself
                raise httpx.ConnectError("refused", request=request)
            self._fail(mode, lambda: self._send(request), httpx.ReadTimeout("lost", request=request))
            response = await langgraph(client, request, **options)
            self._note(request, response)
            return response

        patch(BaseClient, "_make_api_call", call_aws)
        patch(httpx.AsyncClient, "send", call_langgraph)

    def _next(self, call: str) -> str | None:
        if not self._watches:
            return None
        self.calls.append(call)
        if self.was_met or self._at is None:
            return None
        self.was_met = len(self.calls) - 1 == self._at if isinstance(self._at, int) else bool(re.search(self._at, call))
        return self._mode if self.was_met else None

    def _fail(self, mode: str | None, do: Callable[[], object], timed_out: Exception) -> None:
        if mode in (LATE, VERY_LATE):
            self._late.append((mode, do))
        if mode in (KILLED_BEFORE, KILLED_AFTER):
            raise KilledError
        if mode in (VANISHED, LOST, LATE, VERY_LATE):
            raise timed_out

    def _send(self, request: httpx.Request) -> None:
        url, headers = str(request.url), dict(request.headers)
        with self._client.stream(request.method, url, headers=headers, content=request.content) as response:
            self._note(request, response)

    def _note(self, request: httpx.Request, response: httpx.Response) -> None:
        if request.method == "POST" and request.url.path.endswith(("/runs", "/runs/stream")) and response.is_success:
            self.creations[json.loads(request.content)["metadata"]["launch_id"]] += 1
