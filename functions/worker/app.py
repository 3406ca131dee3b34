"""Performs one step for each run or launch that needs one: each ends (G1), once (G2, G4), and is published (G8).

Two things bring them: the Runs table's stream what was just written, within seconds, and the work queue what is due. A
step is safe to repeat, and begins with what its item says now. One that fails is deferred in its item.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.adapters import sqs, stream
from runledger.bootstrap import Once
from runledger.bootstrap.worker import build
from runledger.deadline import CALL_SECONDS
from runledger.domain.tickets import parse_ticket
from runledger.use_cases.perform_fresh import perform_fresh
from runledger.use_cases.perform_step import perform

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from runledger.domain.messages import Message
    from runledger.domain.tickets import Ticket

# Of the function's time: for what is under way when the work is to end, and for one change, which takes its run, the
# bus, its launch and that one's task.
_SPARE_SECONDS, _CHANGE_SECONDS = 35, 9 * CALL_SECONDS

parts = Once(build)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Work on a batch of records; answer which of them are to come again."""
    telemetry.start(context)
    ends = time.monotonic() + context.get_remaining_time_in_millis() / 1000
    try:
        if event["Records"][0]["eventSource"] == "aws:sqs":
            return _queued(event["Records"], ends - _SPARE_SECONDS)
        changes = [stream.read(record) for record in event["Records"]]
        return stream.to_repeat(perform_fresh(replace(parts(), ends=ends - _CHANGE_SECONDS), changes))
    finally:
        telemetry.flush()


def _queued(records: list[dict[str, Any]], ends: float) -> dict[str, Any]:
    tickets, unknown = _read(records)
    perform(replace(parts(), ends=ends), tickets)
    return sqs.to_repeat(unknown)


def _read(records: list[dict[str, Any]]) -> tuple[list[Ticket], list[Message]]:
    """Return the tickets of messages, and the messages that are none: they become dead letters."""
    tickets, unknown = [], []
    for message in map(sqs.read, records):
        try:
            tickets.append(parse_ticket(message.text))
        except ValueError as error:
            telemetry.count("failed")
            telemetry.logger.error("a message of the work queue is no ticket", detail=str(error))
            unknown.append(message)
    return tickets, unknown
