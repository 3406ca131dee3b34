"""One LangGraph deployment, asked with its key: what use cases know as an AgentServer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langgraph_sdk.errors import ConflictError, NotFoundError

from runledger import telemetry
from runledger.domain.inspection import (
    Gone,
    MovedOn,
    NotStartedError,
    Running,
    UnknownError,
    UnreadableError,
    started_as,
)
from runledger_langgraph.claims import get_run, inspect_claim, verify
from runledger_langgraph.inspection import at_once, inspect_result, inspect_status, inspect_waiting, runs_of_launch
from runledger_langgraph.refusals import ERRORS, KEY_REFUSED, explain, fault
from runledger_langgraph.runs import make_thread, start_run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from langgraph_sdk.client import LangGraphClient

    from runledger.domain.inspection import Found, Inspection, Start, Started
    from runledger.domain.launch_states import Launch
    from runledger.domain.problems import Problem
    from runledger.domain.run import Run
    from runledger_langgraph.client import LangGraph
    from runledger_langgraph.deployments import ApiKey


@dataclass(frozen=True)
class Deployment:
    """One LangGraph deployment. `until` is always when calls to it must end, in monotonic seconds.

    A bad or missing answer is raised as a Problem. `ledger_id` is the ledger's for which it is asked.
    """

    langgraph: LangGraph
    api_key: ApiKey
    ledger_id: str

    @property
    def url(self) -> str:
        """Return its URL, normalised."""
        return self.langgraph.url

    @property
    def deadline(self) -> float:
        """Return how long the calls of one request may take together, in seconds."""
        return self.langgraph.deadline

    def until(self, seconds: float) -> float:
        """Return when the calls of a request must end that has `seconds` for them."""
        return self.langgraph.until(seconds)

    def check_key(self) -> None:
        """Raise a 503 Problem where the key can't be read, or there is none."""
        self.api_key.value()

    def start(self, start: Start, until: float) -> Started:
        """Start a run; raise NotStartedError, or UnknownError where it may run all the same."""
        try:
            return start_run(self.langgraph, start, self.api_key.value(), until)
        except (NotStartedError, UnknownError) as error:
            self._report(error.problem)
            raise

    def runs_of(self, launch: Launch, until: float, *, must_know: bool = False) -> list[dict[str, Any]]:
        """Return the runs of a launch, the oldest first, without those that answer another of its runs.

        A thread of ours that is not known may never have been made. With `must_know` it is made then and asked for
        again, so that a proxy's 404 is never taken for LangGraph's. A thread that is known is never made again: such a
        request, should it come late, would undo the fence.
        """
        where = (launch.thread_id, launch.launch_id, launch.start_nonce, launch.created_at)

        async def find(client: LangGraphClient) -> list[dict[str, Any]]:
            try:
                found = await runs_of_launch(client, *where)
            except NotFoundError:
                if not must_know:
                    return []
                await make_thread(client, launch.thread_id, launch.launch_id, self.ledger_id)
                found = await runs_of_launch(client, *where)
            _ = [started_as(run) for run in found]  # what has no id or time is not LangGraph's answer
            return found

        return self._ask(until, find)

    def get(self, thread_id: str, run_id: str, until: float) -> dict[str, Any] | None:
        """Return a run as LangGraph has it; None where it has none."""
        return self._ask(until, lambda client: get_run(client, thread_id, run_id))

    def delete_thread(self, thread_id: str, until: float) -> None:
        """Delete a thread: no run can be made on it after that."""
        self._ask(until, lambda client: client.threads.delete(thread_id))

    def has_thread(self, thread_id: str, until: float) -> bool:
        """Whether LangGraph has a thread."""

        async def find(client: LangGraphClient) -> bool:
            try:
                return (await client.threads.get(thread_id))["thread_id"] == thread_id
            except NotFoundError:
                return False

        return self._ask(until, find)

    def make_canary(self, thread_id: str, until: float) -> None:
        """Make a thread that this ledger will ask for."""
        metadata = {"canary_of_ledger": self.ledger_id}
        self._ask(until, lambda client: client.threads.create(thread_id=thread_id, metadata=metadata))

    def cancel(self, thread_id: str, run_id: str, until: float) -> str | None:
        """Cancel a run; return None where that is done, else its status, or that it is not known any more."""

        async def end(client: LangGraphClient) -> str | None:
            with suppress(NotFoundError, ConflictError):
                await client.runs.cancel(thread_id, run_id)
                return None
            with suppress(NotFoundError):  # it has ended, by an earlier request perhaps
                return str((await client.runs.get(thread_id, run_id))["status"])
            return "not known any more"

        return self._ask(until, end)

    def waiting(self, run: Run, until: float) -> dict[str, Any] | MovedOn | Gone:
        """Return a run that waits as LangGraph has it, or what its thread did next."""
        thread_id, run_id = run["thread_id"], run["run_id"]

        async def find(client: LangGraphClient) -> dict[str, Any] | MovedOn | Gone:
            found = await inspect_waiting(client, thread_id, run_id, run.get("answer_nonce"))
            if not isinstance(found, Running):
                return found
            try:
                original: dict[str, Any] = dict(await client.runs.get(thread_id, run_id))
            except NotFoundError:
                return Gone(rolled_back=False)
            if not isinstance(original["kwargs"]["config"], dict) or not isinstance(original["metadata"] or {}, dict):
                raise TypeError("config")  # not LangGraph's answer
            _ = original["assistant_id"]
            return original

        return self._ask(until, find)

    def inspect(self, inspection: Inspection, until: float) -> Found:
        """Ask about one run; raise TooLargeError and UnreadableError, too."""
        return self._ask(until, lambda client: self._inspect(client, inspection))

    def inspect_all(
        self, inspections: Sequence[Inspection], each_seconds: float, until: float
    ) -> list[Found | Exception]:
        """Ask about several runs at once, each for `each_seconds` at most; what fails is what `inspect` would raise."""
        key = self.api_key.value()

        async def inspect(client: LangGraphClient) -> list[Found | BaseException]:
            return await at_once((self._inspect(client, one) for one in inspections), each_seconds)

        try:
            found = self.langgraph.ask(key, until, inspect)
        except TimeoutError as error:  # of them all together
            found = [error] * len(inspections)
        return [self._explained(one, key) if isinstance(one, BaseException) else one for one in found]

    async def _inspect(self, client: LangGraphClient, inspection: Inspection) -> Found:
        run = inspection.run
        match inspection.kind:
            case "claim":
                return await inspect_claim(client, run, self.ledger_id)
            case "end":
                return await verify(client, run)
            case "waiting":
                return await inspect_waiting(client, run["thread_id"], run["run_id"], run.get("answer_nonce"))
        of = (run["thread_id"], run["run_id"], run["created_at"])
        if inspection.kind == "status":
            return await inspect_status(client, *of, inspection.missing)
        return await inspect_result(client, *of, inspection.max_bytes, inspection.reads_on)

    def _ask[T](self, until: float, question: Callable[[LangGraphClient], Awaitable[T]]) -> T:
        key = self.api_key.value()
        try:
            return self.langgraph.ask(key, until, question)
        except Exception as error:  # noqa: BLE001 - each is raised again, LangGraph's as use cases know them
            raise self._explained(error, key) from None

    def _explained(self, error: BaseException, key: str | None) -> Exception:
        """Return what use cases know an error as: a Problem, or what it is; raise what ends the process."""
        if not isinstance(error, Exception):
            raise error
        if isinstance(error, UnreadableError):
            return UnreadableError(str(error).replace(key or "\0", "…"))
        if isinstance(error, NotFoundError):
            return fault("LangGraph does not know a thread that it was just given.")
        if not isinstance(error, ERRORS):
            return error
        problem = explain(error, self.langgraph, secrets=(key,))
        self._report(problem)
        return problem

    def _report(self, problem: Problem) -> None:
        """Count what is about our configuration; read a key that was refused anew next time."""
        if problem.about == "us":
            telemetry.count("misconfigured")
        if problem.slug == KEY_REFUSED:
            self.api_key.forget()
