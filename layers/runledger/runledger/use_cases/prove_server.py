"""Whether a LangGraph deployment is itself: whether it still knows what it has to know (G13).

A 404 about a run means that LangGraph has deleted it, or that this is another LangGraph: a database that was emptied or
restored, a URL or a proxy that leads elsewhere. So before a run is given up, the same deployment must know a run that
is as old or older, on another thread, which our launcher has recorded or LangGraph has confirmed. Where it has deleted
all of them, a canary does: a thread that this ledger made there before the run.
"""

from __future__ import annotations

import hashlib
import itertools
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.domain import launch_states, retry
from runledger.domain.ledger import SHARDS
from runledger.domain.times import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runledger.domain.run import Run
    from runledger.use_cases.ports import AgentServer, AgentServers, ListedRunStore, Store

_OUTCOMES = ("succeeded", "pending", "failed", "awaiting_input")  # of runs that LangGraph may still have
_PROOF_SECONDS = 60
_MOST = 3  # witnesses that are asked about
_RECENT_SECONDS = 24 * 3600  # how much older than the run a witness may be: LangGraph may forget by age


@dataclass(frozen=True)
class Prover:
    """What it takes to find witnesses. A proof serves for a minute, for runs that are not older than its witness."""

    runs: ListedRunStore
    launches: Store[dict[str, Any]]
    servers: AgentServers
    _failed: dict[str, tuple[str, float]] = field(default_factory=dict)  # by URL: the run's time, and when it failed
    _proofs: dict[str, tuple[str, float]] = field(default_factory=dict)  # by URL: the witness's time, and when that was

    def is_itself(self, server: AgentServer, run: Run, until: float) -> bool:
        """Whether a deployment knows something as old as a run that it does not know; `until` as for `AgentServer`."""
        created_at, now = str(run["created_at"]), time.time()
        since, at = self._proofs.get(server.url, ("~", 0.0))
        if since <= created_at and 0 <= now - at < _PROOF_SECONDS:
            return True
        failed, at = self._failed.get(server.url, ("", 0.0))
        if created_at <= failed and 0 <= now - at < _PROOF_SECONDS:  # what is younger may have a witness
            return False
        witness = self._known_run(server, run, until) or self._known_canary(server, created_at, until)
        if witness is None:
            self._failed[server.url] = (created_at, now)
            telemetry.count("langgraph_forgets")
            telemetry.logger.error(
                "LangGraph does not know a run, and neither a run nor a canary that is as old proves that it is itself",
                langgraph_url=server.url,
                created_at=created_at,
            )
            return False
        self._proofs[server.url] = (witness, now)
        return True

    def _known_run(self, server: AgentServer, run: Run, until: float) -> str | None:
        """Return the time of a recent run that the deployment knows; None where it knows none of the newest."""
        for item in itertools.islice(self._witnesses(server, run), _MOST):
            if server.get(item["thread_id"], item["run_id"], until) is not None:
                return str(item["created_at"])
        return None

    def _witnesses(self, server: AgentServer, run: Run) -> Iterator[Mapping[str, Any]]:
        """Yield runs of the same deployment that are as old as `run` or a little older, one thread each.

        What a shared key alone vouches for has no thread.
        """
        newest = str(run["created_at"])
        oldest = iso(max(0, datetime.fromisoformat(newest).timestamp() - _RECENT_SECONDS))
        threads = {run["thread_id"]}
        for outcome in _OUTCOMES:
            listed = (self.runs.newest_of_outcome(f"{outcome}#{shard}", 1, newest, None) for shard in range(SHARDS))
            for summary in itertools.chain.from_iterable(listed):
                if summary["created_at"] < oldest or summary.get("thread_id") in {*threads, None}:
                    continue
                item = self.runs.item(summary["run_id"])
                if item and self.servers.current(item.get("langgraph_url")) == server.url:
                    threads.add(item["thread_id"])
                    yield item

    def _known_canary(self, server: AgentServer, created_at: str, until: float) -> str | None:
        """Return the time of the canary where it is old enough and known; a missing one is made for later runs.

        It is made anew only once it was missed for half an hour: a URL may lead elsewhere for a while.
        """
        name, now = f"canary-{hashlib.sha256(server.url.encode()).hexdigest()[:32]}", time.time()
        canary = self.launches.item(name)
        if canary and server.has_thread(canary["thread_id"], until):
            if "missed_since" in canary:
                self.launches.apply(launch_states.canary_seen(name, canary["thread_id"]))
            return str(canary["created_at"]) if canary["created_at"] <= created_at else None
        if canary and (since := retry.canary_missed_since(canary, now)) > now - retry.MISSED_SECONDS:
            self.launches.apply(launch_states.canary_miss(name, canary["thread_id"], since))
            return None
        thread_id = str(uuid.uuid4())
        server.make_canary(thread_id, until)
        was = canary["thread_id"] if canary else None
        self.launches.apply(launch_states.canary(name, thread_id, was, time.time()))
        return None
