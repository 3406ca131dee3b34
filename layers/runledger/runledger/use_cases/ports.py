"""What use cases ask of the world outside. The adapters are such things; so is what a test puts in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from runledger.domain.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from runledger.domain.callbacks import Report
    from runledger.domain.deliveries import Payload
    from runledger.domain.events import Event
    from runledger.domain.inspection import Found, Gone, Inspection, MovedOn, Start, Started
    from runledger.domain.launch_states import Launch
    from runledger.domain.ledger import Placed, Update
    from runledger.domain.listings import Position
    from runledger.domain.messages import Message
    from runledger.domain.tokens import KeyRing

type Item = dict[str, Any]


class Store[T](Protocol):
    """One table of Ts. Every method raises a 503 Problem where the table can't be reached."""

    def apply(self, update: Update) -> T | None:
        """Make a change. None where it was made; where its conditions did not hold, the item as it is."""

    def item(self, item_id: str) -> T | None:
        """Return the item with this id, as it is now; None where there is none."""


class RunStore(Store[Run], Protocol):
    """The Runs table."""

    def of_launch(self, launch_id: str) -> Iterator[Run]:
        """Yield summaries of a launch's runs, the oldest first, as of a moment ago."""


class ListedRunStore(RunStore, Protocol):
    """The Runs table with its lists."""

    def newest_of_outcome(
        self, outcome_shard: str, limit: int, newest: str | None, after: Position | None
    ) -> list[Run]:
        """Return summaries of the runs in one shard of an outcome, newest first, not newer than `newest`."""


class DueStore(Protocol):
    """One table with its due index."""

    def apply(self, update: Update) -> object | None:
        """Make a change; None where it was made."""

    def due(self, shard: int, up_to: int) -> Iterator[Item]:
        """Yield the keys of what is due in one shard at epoch second `up_to`, the longest due first."""


class PayloadStore(Protocol):
    """Where texts stand that are too large for an item. Methods raise a 503 Problem where it can't be reached."""

    name: str

    def place(self, launch_id: str | None, run_id: str, payload: Payload, inline_bytes: int) -> Placed:
        """Leave a payload of up to `inline_bytes` to the item, store a larger one."""

    def put(self, launch_id: str | None, run_id: str, payload: Payload) -> Placed:
        """Store a payload; a second time it is the same object again."""

    def put_questions(self, launch_id: str | None, run_id: str, text: str | None) -> str | None:
        """Store all the questions of a run, if there are too many for its item; return their key."""

    def put_request(self, launch_id: str, digest: str, text: str) -> str:
        """Store the request of a launch; return its key."""

    def fetch(self, key: str) -> str:
        """Return the text that is stored under a key."""


class EventBus(Protocol):
    """Where the rest of AWS hears what runs came to."""

    def send(self, events: list[Event]) -> None:
        """Send events; raise a 503 Problem where the bus does not take them all."""


class Tasks(Protocol):
    """The Step Functions tasks that wait for launches."""

    def end(self, token: str, report: Report) -> bool:
        """End a task; return whether somebody was waiting. Raises a 503 Problem where that can't be done now."""


class LaunchQueue(Protocol):
    """The queue of messages that launch runs."""

    def hide(self, message: Message, seconds: int) -> None:
        """Have a message come again so much later."""


class WorkQueue(Protocol):
    """The queue of items that are owed a step. Methods raise a 503 Problem where it can't be reached."""

    at_once: int  # messages that are sent at once, at most

    def send(self, texts: Sequence[str]) -> None:
        """Send messages."""

    def waiting(self) -> int:
        """Return about how many messages no worker has taken yet."""


class InParallel(Protocol):
    """`map`, or what does the same in threads."""

    def __call__[T, R](self, function: Callable[[T], R], items: Iterable[T], /) -> Iterable[R]:
        """Return what the function returns for each item, in order."""


class DeadLetters(Protocol):
    """The queue of what could not be done."""

    def send(self, letter: str, reason: str) -> None:
        """Put a dead letter into the queue; raise a 503 Problem where that fails."""


class Secret[T](Protocol):
    """One secret."""

    def value(self) -> T:
        """Return it; raise a 503 Problem where it can't be read."""


class RereadableSecret[T](Secret[T], Protocol):
    """One secret that can be read before its copy is too old."""

    reread_seconds: int

    def fresh(self) -> T | None:
        """Read it again; None where that was done `reread_seconds` ago or less. Raises as `value` does."""


class ForgettableSecret[T](Secret[T], Protocol):
    """One secret whose copy can turn out to be wrong."""

    def forget(self) -> None:
        """Read it anew next time."""


class KeyRingVersion(Protocol):
    """One version of the key ring."""

    @property
    def version_id(self) -> str:
        """Return its id."""

    @property
    def ring(self) -> KeyRing:
        """The ring; a 503 Problem where the version holds none."""


class KeyRings(Protocol):
    """The versions of the key ring's secret. Methods raise a 503 Problem where it can't be reached."""

    @property
    def secret_id(self) -> str:
        """Return the secret's ARN."""

    def labels(self) -> dict[str, list[str]] | None:
        """Return the labels by version; None where the secret's rotation was switched off."""

    def current(self) -> KeyRingVersion:
        """Return the version that readers get."""

    def content(self, version_id: str) -> KeyRingVersion | None:
        """Return one version; None where it has only its labels yet."""

    def fill(self, version_id: str, ring: KeyRing) -> None:
        """Give the pending version its content."""

    def replace(self, old_id: str, ring: KeyRing) -> None:
        """Make `ring` the current version in place of another; raise MovedOnError where that isn't current."""

    def promote(self, version_id: str, old_id: str) -> None:
        """Make a version the current one in place of another; raise as `replace` does."""

    def release(self, version_id: str) -> None:
        """Have a version become the current one no more."""


class AgentServer(Protocol):
    """One LangGraph deployment. `until` is when calls to it end, in monotonic seconds.

    Methods raise an AgentServerError where it does not answer as it should.
    """

    @property
    def url(self) -> str:
        """Return its URL, normalised."""

    @property
    def deadline(self) -> float:
        """Return how long the calls of one request may take together, in seconds."""

    def until(self, seconds: float) -> float:
        """Return when the calls of a request must end that has `seconds` for them."""

    def check_key(self) -> None:
        """Raise a 503 Problem where its key can't be read, or there is none."""

    def start(self, start: Start, until: float) -> Started:
        """Start a run; raise NotStartedError, or UnknownError where it may run all the same."""

    def runs_of(self, launch: Launch, until: float, *, must_know: bool = False) -> list[Item]:
        """Return the runs of a launch. With `must_know` its thread is made where it is not known."""

    def get(self, thread_id: str, run_id: str, until: float) -> Item | None:
        """Return a run; None where LangGraph has none."""

    def delete_thread(self, thread_id: str, until: float) -> None:
        """Delete a thread: no run can be made on it after that."""

    def has_thread(self, thread_id: str, until: float) -> bool:
        """Whether LangGraph has a thread."""

    def make_canary(self, thread_id: str, until: float) -> None:
        """Make a thread that this ledger will ask for."""

    def cancel(self, thread_id: str, run_id: str, until: float) -> str | None:
        """Cancel a run; return None where that is done, else what has become of it."""

    def waiting(self, run: Run, until: float) -> Item | MovedOn | Gone:
        """Return a run that waits as LangGraph has it, or what its thread did next."""

    def inspect(self, inspection: Inspection, until: float) -> Found:
        """Ask about one run; raise TooLargeError and UnreadableError, too."""

    def inspect_all(
        self, inspections: Sequence[Inspection], each_seconds: float, until: float
    ) -> list[Found | Exception]:
        """Ask about several runs at once, each for `each_seconds` at most; what fails is what `inspect` would raise."""


class AgentServers(Protocol):
    """The LangGraph deployments that may be asked."""

    @property
    def configured(self) -> AgentServer:
        """Return that of `LangGraphUrl`."""

    def at(self, url: str | None) -> AgentServer:
        """Return the one that an item stored; raise NoKeyError where it must not be asked."""

    def current(self, url: str | None) -> str:
        """Return the URL that a deployment has now, by the one that an item stored."""

    def count(self) -> int:
        """Return how many there are."""
