"""What LangGraph says of a run when it is asked, and what may come of starting one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from runledger.domain.fields import UUID
from runledger.domain.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runledger.domain.launches import LaunchRequest
    from runledger.domain.run import Run
    from runledger.domain.settling import Facts, Seen


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


@dataclass(frozen=True, slots=True)
class Confirmed:
    """LangGraph knows the run of a claim. `seen` is how it ended, None where it goes on."""

    facts: Facts
    seen: Seen | None


@dataclass(frozen=True, slots=True)
class NotOurs:
    """LangGraph knows the run, and it is not the token's: it belongs to the launch `owner`, or to another ledger."""

    owner: str | None


@dataclass(frozen=True, slots=True)
class Verified:
    """LangGraph says the same as the webhook."""


@dataclass(frozen=True, slots=True)
class Denied:
    """LangGraph says otherwise than the webhook."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What LangGraph is to be asked about a run, the item `run`.

    `claim`: does the run of an unconfirmed delivery exist, and whose is it? `end`: has it ended as its webhook said?
    `waiting`: does it still wait for a person? `result`: what became of it, with a result of up to `max_bytes`; without
    `reads_on` a larger one is a TooLargeError. `status`: that without its checkpoint; with `missing`, the reason, a
    success gets an outcome all the same.
    """

    kind: Literal["claim", "end", "waiting", "result", "status"]
    run: Run
    max_bytes: int = 0
    reads_on: bool = True
    missing: str | None = None


type Look = Ended | Running | Gone | MovedOn
type Found = Look | Verified | Denied | Confirmed | NotOurs


MAX_RESULT_BYTES = 50 * 1024 * 1024  # of a checkpoint that is read at all


class TooLargeError(Exception):
    """The checkpoint is larger than is to be read now."""


class UnreadableError(Exception):
    """LangGraph itself has answered, and the checkpoint can't be had; the text says why."""


class AgentServerError(Problem):
    """LangGraph refuses, can't be reached, or does not answer as it should."""


class TimedOutError(AgentServerError):
    """LangGraph has not answered in time."""


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


def started_as(item: Mapping[str, Any]) -> Started:
    """Read a run that is there already, in the ledger or in LangGraph."""
    return Started(run_id_of(item["run_id"]), item.get("assistant_id", ""), item["created_at"])


def run_id_of(given: object) -> str:
    """Return what is a run's id, and can stand in a header and in a path; raise TypeError for anything else."""
    if not isinstance(given, str) or UUID.check(given):
        raise TypeError("run_id")  # not LangGraph's answer
    return given
