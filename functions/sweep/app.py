"""Every minute: put what is due into the work queue, so that every run ends in the ledger (G1).

The due index is the truth about what is owed. Two of these at once do no harm: each item is moved by one alone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.bootstrap import Once
from runledger.bootstrap.sweep import build
from runledger.domain.problems import Problem

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_SPARE_SECONDS = 15  # of the function's time for what is under way when the sweep is to end

parts = Once(build)


def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 - the schedule says nothing
    """Put what is due into the queue until it is done or the time is up."""
    telemetry.start(context)
    ends = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - _SPARE_SECONDS
    try:
        parts().work(ends)
    except Problem as problem:  # the ledger or the queue can't be reached: the next minute tries
        telemetry.count("failed")
        telemetry.logger.error("a sweep ends early", detail=problem.detail)
    finally:
        telemetry.flush()
