"""How long the invocation has left: nothing that changes something is begun that may outlive it.

So a function always gets to its own end, to its answer and its metrics, and leaves no write of which it doesn't know
whether it was done. What is not begun is owed still: an item stays due, a message or a delivery comes again.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from runledger.domain.problems import unavailable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

CALL_SECONDS = 7  # what one call to AWS can take, see `adapters/aws`
_ends = math.inf  # of the invocation that this environment is at work on, in monotonic seconds; there is one at a time


def start(context: LambdaContext) -> None:
    """Take the time of the invocation that begins."""
    global _ends  # noqa: PLW0603 - the invocation's, as the logger's keys are
    _ends = time.monotonic() + context.get_remaining_time_in_millis() / 1000


def stop() -> None:
    """Forget the invocation that ends."""
    global _ends  # noqa: PLW0603 - as above
    _ends = math.inf


def has_time() -> bool:
    """Whether one more call to AWS will end in time, at its slowest."""
    return time.monotonic() + CALL_SECONDS <= _ends


def check() -> None:
    """Raise a 503 Problem where a call that changes something might not end in time."""
    if not has_time():
        raise unavailable("No time is left to write.")
