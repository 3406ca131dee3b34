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

    from runledger.domain.run import Run
    from runledger.domain.tickets import Ticket
    from runledger.use_cases.ports import Item, Store
    from runledger.use_cases.work import Work


def perform(work: Work, tickets: Iterable[Ticket]) -> None:
    """Perform the next step of each item whose ticket is good still.

    A step that fails is deferred in its item. What there is no time for is due again at once.
    """
    runs: list[Run] = []
    launches: list[Item] = []
    for ticket in tickets:
        if ticket.key == RUN:
            runs.extend(_read(work.launcher.runs, ticket))
        else:
            launches.extend(_read(work.launcher.launches, ticket))
    perform_runs(work, runs)
    for item in launches:
        if work.has_time():
            perform_launch(work, item)
        else:
            _release(work, item)


def _read[T: (Run, Item)](store: Store[T], ticket: Ticket) -> list[T]:
    """Return a ticket's item; none where somebody has worked on it since, or it can't be read: then it is due later."""
    telemetry.about_only(**{ticket.key: ticket.item_id})
    try:
        item = store.item(ticket.item_id)
    except Problem as problem:
        telemetry.count("failed")
        telemetry.logger.error("an item is left until its ticket ends", detail=problem.detail)
        return []
    if item is not None and ticket.is_good(item):
        return [item]
    telemetry.count("superseded")
    return []


def _release(work: Work, item: Item) -> None:
    try:
        work.launcher.launches.apply(launch_states.deferred(item["launch_id"], time.time()))
    except Problem as problem:
        telemetry.logger.error("a launch is left until its ticket ends", detail=problem.detail)
