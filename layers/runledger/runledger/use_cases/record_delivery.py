"""Records deliveries about runs that the ledger has: the first, a repeat, or one that contradicts another (G4)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.domain import run_states, unconfirmed, verification
from runledger.domain.problems import Problem

if TYPE_CHECKING:
    from runledger.domain.deliveries import Delivery
    from runledger.domain.ledger import Placed
    from runledger.domain.run import Run
    from runledger.domain.unconfirmed import Kept
    from runledger.use_cases.ports import PayloadStore, Store


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger says of the run after a delivery, and whether the delivery was a repeat."""

    outcome: str
    is_repeat: bool


@dataclass(frozen=True)
class Recorder:
    """Where deliveries are recorded."""

    runs: Store[Run]
    bucket: PayloadStore

    def record(
        self,
        delivery: Delivery,
        placed: Placed,
        launch_id: str | None,
        *,
        disputed: bool = False,
    ) -> Recorded | Run:
        """Record one delivery by the token of a launch, or by a shared key (None).

        Where the ledger does not have the run, or as a claim alone, returns what it has: nothing, or the claim.
        Raises a 400 Problem where the run belongs to another launch.
        """
        update = run_states.delivered(delivery, placed, launch_id, time.time(), disputed=disputed)
        item = self.runs.apply(update)
        if item is None:
            telemetry.count("delivered")
            if placed.key:
                telemetry.count("spilled")
            telemetry.logger.info(
                "delivered", status=delivery.status, outcome=delivery.outcome, bytes=delivery.payload.size
            )
            return Recorded(delivery.outcome, is_repeat=False)
        if not item or "claim" in item:
            return item
        return self._again(delivery, placed, item, launch_id)

    def _again(
        self,
        delivery: Delivery,
        placed: Placed,
        item: Run,
        launch_id: str | None,
    ) -> Recorded:
        """Record a delivery about a run of which something is recorded, or that belongs to somebody else."""
        if item.get("launch_id") != launch_id:
            raise other_launch()
        if item["source"] == "reconcile" and "corrected" not in item and not run_states.conflicts(delivery, item):
            changed = self.runs.apply(run_states.superseding(delivery, placed, item, time.time()))
            if changed is not None:  # it went on since it was read
                return self._again(delivery, placed, changed, launch_id)
            telemetry.count("late")
            telemetry.logger.info("late", status=delivery.status, outcome=delivery.outcome)
            is_settling = item["outcome"] == "settling"
            return Recorded(delivery.outcome if is_settling else item["outcome"], is_repeat=False)
        if item.get("payload_sha256") == delivery.payload.sha256:
            telemetry.count("duplicate")
            telemetry.logger.info("duplicate")
        else:
            self._contradict(delivery, item, launch_id)
        return Recorded(item["outcome"], is_repeat=True)

    def _contradict(self, delivery: Delivery, item: Run, launch_id: str | None) -> None:
        placed = self.bucket.put(launch_id, delivery.run_id, delivery.payload)
        if self.runs.apply(verification.contradicted(delivery, placed, item, time.time())) is not None:
            return
        if item["source"] == "reconcile" and "corrected" not in item:
            telemetry.count("conflict")
        telemetry.count("contradicted")
        telemetry.logger.error(
            "a delivery contradicts what is recorded; LangGraph decides",
            other_key=placed.key,
            recorded=item["outcome"],
            reported=delivery.outcome,
        )


def record_kept(recorder: Recorder, launches: Store[dict[str, Any]], launch_id: str, one: Kept) -> None:
    """Record a delivery that was kept in a launch, whose run is recorded by now."""
    recorder.record(one.delivery, one.placed, launch_id, disputed=one.disputed)
    launches.apply(unconfirmed.taken(launch_id, one))


def other_launch() -> Problem:
    """Refuse a delivery whose token does not speak for its run."""
    return Problem(
        400, "other-launch", "The run belongs to another launch", "The token does not speak for this run's launch."
    )
