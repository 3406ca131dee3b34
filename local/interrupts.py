"""Ctrl-C, and the signal of `make down`, which is as good."""

from __future__ import annotations

import signal
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def raise_once() -> None:
    """Have the next one raise KeyboardInterrupt, and no more after it: what it sets off is to end in order."""
    for number in _SIGNALS:
        signal.signal(number, _raise)


def ignore() -> None:
    """Hear of none from now on."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _raise(*_: object) -> NoReturn:
    ignore()
    raise KeyboardInterrupt
