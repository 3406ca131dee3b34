"""The calls to AWS that each function's code makes, named as its role names them."""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.contract.permissions import STATE_MACHINES, Permission, for_code
from tests.integration.needs import NEEDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass
class Calls:
    """Which calls each function made, through clients that `watched` makes while the function was running.

    `names` has the physical names of resources by logical id. Functions are called one inside another in tests, as a
    webhook while a launch is under way; whichever was called last is at work.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    made: dict[str, set[Permission]] = field(default_factory=lambda: defaultdict(set))
    _running: list[str] = field(default_factory=list)

    def watched[**P](self, make: Callable[P, Any]) -> Callable[P, Any]:
        """Return what makes clients that are listened to, also where they sign a link, which takes no call."""

        def client(*args: P.args, **kwargs: P.kwargs) -> Any:
            made = make(*args, **kwargs)
            made.meta.events.register("provide-client-params", self._note)
            return made

        return client

    def running[**P, T](self, function: str, handler: Callable[P, T]) -> Callable[P, T]:
        """Return the function's handler, whose calls are noted under its name."""

        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            with self._at_work(function):
                return handler(*args, **kwargs)

        return call

    def denied(self) -> list[tuple[str, Permission]]:
        """Return the calls that the function's role does not allow."""
        return denied(self.made)

    def missing(self, test: str) -> list[tuple[str, Permission]]:
        """Return what `needs` says that a test shows, by its node id, and functions did not make use of in it."""
        needed = NEEDS.get(test.partition("[")[0].rpartition("/")[2], {})
        return [(function, call) for function, calls in needed.items() for call in calls - self.made[function]]

    @contextmanager
    def _at_work(self, function: str) -> Iterator[None]:
        self._running.append(function)
        try:
            yield
        finally:
            self._running.pop()

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if self._running:
            action = action_of(model.service_model.signing_name, model.name)
            self.made[self._running[-1]] |= {(action, resource) for resource in resources(params, self.names)}


def denied(made: Mapping[str, set[Permission]]) -> list[tuple[str, Permission]]:
    """Return those of the calls that functions made which their roles do not allow."""
    return [(name, call) for name, calls in made.items() for call in sorted(calls - for_code()[name])]


def action_of(service: str, operation: str) -> str:
    """Return the action that IAM checks for an operation: one for SendMessage and SendMessageBatch."""
    return f"{service}:{operation.removesuffix('Batch')}"


def resources(params: Mapping[str, Any], names: Mapping[str, str]) -> set[str]:
    """Return what a call with these parameters is about, as a policy names it; `names` as in `Calls`."""

    def logical(name: str) -> str:
        (found,) = [logical for logical, physical in names.items() if physical == name]
        return found

    match params:
        case {"TableName": table, "IndexName": index}:
            return {f"${{{logical(table)}.Arn}}/index/{index}"}
        case {"TableName": name} | {"QueueUrl": name}:
            return {f"{logical(name)}.Arn"}
        case {"Bucket": bucket, "Key": key}:
            return {f"${{{logical(bucket)}.Arn}}/{re.sub(r'/.*', '/*', key)}"}
        case {"SecretId": secret}:
            return {logical(secret)}
        case {"Entries": entries}:
            return {f"{logical(entry['EventBusName'])}.Arn" for entry in entries}
        case {"taskToken": _}:
            return {STATE_MACHINES}
    raise NotImplementedError(f"what is this call about: {sorted(params)}")
