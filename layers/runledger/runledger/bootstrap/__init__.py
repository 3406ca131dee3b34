"""The only place that builds things: one module for each function, which builds it by its environment.

Each imports only what its function is made of: a cold start pays for each module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runledger.adapters.settings import in_lambda

if TYPE_CHECKING:
    from collections.abc import Callable


class Once[T]:
    """What a function is made of: in Lambda built at its start, where time costs least, elsewhere when first needed."""

    def __init__(self, build: Callable[[], T]) -> None:
        """`build` is that of the function's module here."""
        self._build = build
        self._built: T | None = None
        if in_lambda():
            self()

    def __call__(self) -> T:
        """Return what was built."""
        if self._built is None:
            self._built = self._build()
        return self._built

    def forget(self) -> None:
        """Build anew next time, as in another environment."""
        self._built = None
