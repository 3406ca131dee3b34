"""What invokes functions by itself: a thread that is waited for when the stack stops."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_END_SECONDS = 5


def in_background(run: Callable[[threading.Event], None]) -> Callable[[], None]:
    """Run something until its event is set; return what sets that and waits for the end."""
    stopped = threading.Event()
    thread = threading.Thread(target=run, args=(stopped,), daemon=True)
    thread.start()

    def stop() -> None:
        stopped.set()
        thread.join(timeout=_END_SECONDS)

    return stop
