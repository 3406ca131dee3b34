"""Performing the next step of each item that the work queue brings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runledger import telemetry
from runledger.domain import launch_states
from runledger.domain.problems import Problem
from runledger.domain.tickets import RUN
from runledger.use_cases.perform_launch import perform_launch
from runledger.use_cases.perform_runs import perform_runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runledger.domain.tickets import Ticket
    from runledger.use_cases.work import Item, Work


def perform(work: Work, tickets: Iterable[Ticket]) -> None:
    """Perform the next step of each item whose ticket is good still.

    A step that fails is deferred in its item. What there is no time for is due again at once.
    """
    runs: list[Item] = []
    launches: list[Item] = []
    for ticket in tickets:
        if (item := _read(work, ticket)) is not None:
            (runs if ticket.key == RUN else launches).append(item)
    perform_runs(work, runs)
    for item in launches:
        if work.has_time():
            perform_launch(work, item)
        else:
            _release(work, item)


def _read(work: Work, ticket: Ticket) -> Item | None:
    """Return a ticket's item; None where somebody has worked on it since, or it can't be read: then it is due later."""
    telemetry.about_only(**{ticket.key: ticket.item_id})
    store = work.launcher.runs if ticket.key == RUN else work.launcher.launches
    try:
        item = store.item(ticket.item_id)
    except Problem as problem:
        telemetry.count("failed")
        telemetry.logger.error("an item is left until its ticket ends", detail=problem.detail)
        return None
    if ticket.is_good(item):
        return item
    telemetry.count("superseded")
    return None


def _release(work: Work, item: Item) -> None:
    try:
        work.launcher.launches.apply(launch_states.put_off(item["launch_id"], time.time()))
    except Problem as problem:
        telemetry.logger.error("a launch is left until its ticket ends", detail=problem.detail)
