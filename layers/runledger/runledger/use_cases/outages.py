"""Servers that do not answer: they are left alone for a moment, so that they cost the work for others no time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

_TOO_MANY = 3  # failures, one after the other
_ALONE_SECONDS = 15


@dataclass(frozen=True)
class Outages:
    """What one process has seen of servers, by name: a deployment's URL, or that of the event bus."""

    _failures: dict[str, int] = field(default_factory=dict)
    _since: dict[str, float] = field(default_factory=dict)  # the last of them, in epoch seconds

    def is_out(self, name: str) -> bool:
        """Whether a server has failed three times in a row, the last time just now."""
        is_recent = 0 <= time.time() - self._since.get(name, 0) < _ALONE_SECONDS
        return is_recent and self._failures.get(name, 0) >= _TOO_MANY

    def note(self, name: str, *, has_answered: bool) -> None:
        """Note whether a server has answered."""
        if has_answered:
            self._failures.pop(name, None)
        else:
            self._failures[name] = self._failures.get(name, 0) + 1
            self._since[name] = time.time()
