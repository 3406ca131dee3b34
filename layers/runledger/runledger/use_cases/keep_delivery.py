"""Keeps deliveries about runs that the ledger does not have yet, until LangGraph or the launcher confirms them (G11).

The launcher is normally faster. Where it is not, the delivery waits in its launch's item, and the launch is due. A
shared key has no launch: its delivery becomes a claim in the Runs table. Both are bounded, because tokens leak.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.domain import launch_states, run_states, unconfirmed
from runledger.domain.problems import Problem, unavailable
from runledger.domain.unconfirmed import INLINE_BYTES, Kept
from runledger.use_cases.record_delivery import Recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from runledger.domain.deliveries import Delivery
    from runledger.domain.ledger import Placed
    from runledger.domain.run import Run
    from runledger.domain.tokens import Grant
    from runledger.use_cases.ports import Store
    from runledger.use_cases.record_delivery import Recorder


@dataclass(frozen=True)
class Keeping:
    """What it takes to keep a delivery.

    A run that has no launch is taken to be on the deployment of `langgraph_url` (G13).
    """

    recorder: Recorder
    launches: Store[dict[str, Any]]
    langgraph_url: str

    def keep(self, delivery: Delivery, placed: Placed, grant: Grant, claim: Run) -> Recorded | None:
        """Keep a delivery whose run is not recorded, and return None; or record it where the run is recorded by now.

        `claim` is the run's claim, or nothing. Raises a 503 Problem where too many are kept: LangGraph sends it again,
        and is asked about the launch meanwhile.
        """
        if placed.key is None:  # one that an item of its own may hold is perhaps too large for this place
            placed = self.recorder.bucket.place(grant.launch_id, delivery.run_id, delivery.payload, INLINE_BYTES)
        launch_id, now = grant.launch_id, time.time()
        if launch_id is None:
            return self._claim(delivery, placed, grant, claim)
        launch = self.launches.apply(unconfirmed.kept(launch_id, delivery, placed, now))
        if launch is None:
            telemetry.count("kept")
            telemetry.logger.info("kept until the run is confirmed", status=delivery.status)
            return None
        if not launch:  # as after a restore to an earlier time
            return self._claim(delivery, placed, grant, claim)
        if one := unconfirmed.kept_about(launch, delivery.run_id):
            self._repeated(delivery, one, lambda: self.launches.apply(unconfirmed.disputed(launch_id, one)))
            return None
        if delivery.run_id in (launch.get("run_id"), launch.get("answer_run_id")):
            return self._recorded(delivery, placed, grant)
        self.launches.apply(launch_states.heard(launch_id, now))
        raise _too_many("of this launch")

    def _claim(self, delivery: Delivery, placed: Placed, grant: Grant, claim: Run) -> Recorded | None:
        now, run = time.time(), claim
        if not claim:  # the bound is for new ones; a repeat costs nothing
            if self.launches.apply(unconfirmed.counted(now)) is not None:
                raise _too_many("by shared keys in this hour")
            if delivery.temporary:  # its thread is deleted: nobody can be asked, so the shared key alone has to do
                update = run_states.believed(delivery, placed, self.langgraph_url, now)
            else:
                update = unconfirmed.claimed(delivery, placed, grant.launch_id, self.langgraph_url, now)
            found = self.recorder.runs.apply(update)
            if found is None:
                return _noted(delivery)
            run = found
        if "claim" in run:
            one = unconfirmed.claim_of(run)
            self._repeated(delivery, one, lambda: self.recorder.runs.apply(unconfirmed.contested(one, now)))
            return None
        return self._recorded(delivery, placed, grant)

    def _recorded(self, delivery: Delivery, placed: Placed, grant: Grant) -> Recorded:
        """Record the delivery after all: the run has been recorded since it was looked for."""
        recorded = self.recorder.record(delivery, placed, grant.launch_id)
        if not isinstance(recorded, Recorded):
            raise unavailable("The run is being recorded.")
        return recorded

    def _repeated(self, delivery: Delivery, one: Kept, dispute: Callable[[], object]) -> None:
        """Note a second delivery about an unconfirmed run; where it differs from the first, LangGraph decides."""
        if one.placed.payload.sha256 == delivery.payload.sha256:
            telemetry.count("duplicate")
        elif not one.disputed:
            dispute()
            telemetry.count("contradicted")
            telemetry.logger.error("a delivery about an unconfirmed run contradicts the first one; LangGraph decides")


def _noted(delivery: Delivery) -> Recorded | None:
    """Report a new delivery by a shared key: believed where the run is temporary, else claimed."""
    if delivery.temporary:
        telemetry.count("delivered")
        telemetry.logger.info("delivered", status=delivery.status, outcome=delivery.outcome)
        return Recorded(delivery.outcome, is_repeat=False)
    telemetry.count("claimed")
    telemetry.logger.info("claimed: kept until LangGraph confirms the run", status=delivery.status)
    return None


def _too_many(whose: str) -> Problem:
    return Problem(
        503,
        "too-many-unconfirmed",
        "Too many unconfirmed runs",
        f"Too many deliveries {whose} are about runs that are not confirmed yet. Send the same request again.",
        headers={"Retry-After": "60"},
    )
