"""Deliveries about runs that only a token vouches for, kept until LangGraph or the launcher confirms the run (G11).

LangGraph logs webhook URLs, so a token can leak. A token is enough to have a delivery kept, and not enough to have it
believed. So the Runs table gets no run from a launch token: a delivery about a run that the launcher has not recorded
is kept in the launch's item, and the launch is due. Whoever records the run takes the delivery from there.

| transition | table    | from                               | to                                                      |
|------------|----------|------------------------------------|---------------------------------------------------------|
| kept       | launches | without this run, fewer than 4     | the same, with the delivery, one more, due now          |
| disputed   | launches | with a delivery about this run     | the same, the delivery marked as contradicted           |
| taken      | launches | with this delivery                 | the same, without it, one less                          |
| counted    | launches | an hour's counter under its limit  | the same, one claim more                                |
| claimed    | runs     | absent                             | `unconfirmed`, with the delivery, due                   |
| contested  | runs     | `unconfirmed`, claim as read       | the same, the delivery marked as contradicted           |

A delivery that no launch in the ledger can keep (a shared key's) is a claim: an unconfirmed run in no list, until
LangGraph confirms it (`confirmed` in `run_states`). One that LangGraph does not know, look after look, stays so.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runledger.domain.conditions import Absent, Below, Differs, Equals, Present
from runledger.domain.deliveries import Delivery, Payload
from runledger.domain.ledger import SCHEMA, Placed, Update, due
from runledger.domain.retry import FIRST_CHECK_SECONDS
from runledger.domain.times import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runledger.domain.run import Run

MAX_OF_LAUNCH = 4  # unconfirmed runs of one launch at a time; there is one, unless its token has leaked
MAX_CLAIMS_AN_HOUR = 5_000  # by all shared keys together
INLINE_BYTES = 16_384  # of a kept payload; four of them fit into a launch's item
UNCONFIRMED = "unconfirmed"
_FACTS = tuple(field.name for field in dataclasses.fields(Delivery) if field.name not in ("run_id", "payload"))
_COUNT, _PREFIX = "kept_count", "kept_about_"
NONE_KEPT = Below(_COUNT, 1)
_HOUR, _DAY = 3600, 24 * 3600


@dataclass(frozen=True, slots=True)
class Kept:
    """A delivery that is kept, since epoch second `since`; `disputed` where another one contradicts it."""

    delivery: Delivery
    placed: Placed
    since: int
    disputed: bool

    @classmethod
    def read(cls, run_id: str, text: str) -> Kept:
        """Read what `write` wrote."""
        members = json.loads(text)
        payload = Payload(members["text"] or "", members["size"], members["sha256"])
        facts = {name: members[name] for name in _FACTS}
        return cls(
            Delivery(run_id=run_id, payload=payload, **facts),
            Placed(payload, members["key"]),
            members["since"],
            members["disputed"],
        )

    def write(self) -> str:
        """Return the delivery as JSON text."""
        payload = self.placed.payload
        members = {
            **{name: getattr(self.delivery, name) for name in _FACTS},
            "text": payload.text if self.placed.key is None else None,
            "key": self.placed.key,
            "size": payload.size,
            "sha256": payload.sha256,
            "since": self.since,
            "disputed": self.disputed,
        }
        return json.dumps(members, ensure_ascii=False)  # four of them fit into a launch's item


def kept_of(launch: Mapping[str, Any]) -> list[Kept]:
    """Return the deliveries that are kept in a launch's item, the longest kept first."""
    found = [
        Kept.read(name.removeprefix(_PREFIX).replace("_", "-"), text)
        for name, text in launch.items()
        if name.startswith(_PREFIX)
    ]
    return sorted(found, key=lambda one: one.since)


def number_of_kept(launch: Mapping[str, Any]) -> int:
    """Return how many deliveries are kept in a launch's item."""
    return int(launch.get(_COUNT, 0))


def kept_about(launch: Mapping[str, Any], run_id: str) -> Kept | None:
    """Return the delivery about one run that is kept in a launch's item."""
    text = launch.get(kept_name(run_id))
    return None if text is None else Kept.read(run_id, text)


def kept(launch_id: str, delivery: Delivery, placed: Placed, now: float) -> Update:
    """Keep a delivery about a run that is not known to be of this launch, and have LangGraph asked now."""
    name = kept_name(delivery.run_id)
    return Update(
        key={"launch_id": launch_id},
        when=(
            Present("launch_id"),
            Absent(name),
            Below(_COUNT, MAX_OF_LAUNCH),
            Differs("run_id", delivery.run_id),
            Differs("answer_run_id", delivery.run_id),
        ),
        set={name: Kept(delivery, placed, int(now), disputed=False).write(), **due(launch_id, now)},
        add={_COUNT: 1},
    )


def disputed(launch_id: str, one: Kept) -> Update:
    """Note that a second delivery contradicts the kept one: LangGraph decides once the run is confirmed."""
    name = kept_name(one.delivery.run_id)
    return Update(
        key={"launch_id": launch_id},
        when=(Equals(name, one.write()),),
        set={name: dataclasses.replace(one, disputed=True).write()},
    )


def taken(launch_id: str, one: Kept) -> Update:
    """Take a kept delivery away: it is recorded, or rejected."""
    name = kept_name(one.delivery.run_id)
    return Update(
        key={"launch_id": launch_id},
        when=(Equals(name, one.write()),),
        add={_COUNT: -1},
        remove=(name,),
    )


def kept_name(run_id: str) -> str:
    """Return the attribute of a launch that keeps the delivery about a run."""
    return f"{_PREFIX}{run_id.replace('-', '_')}"


def counted(now: float) -> Update:
    """Count a claim; fails where this hour has had MAX_CLAIMS_AN_HOUR."""
    hour = int(now) // _HOUR
    return Update(
        key={"launch_id": f"claims-{iso(hour * _HOUR)[:13]}"},
        when=(Below("claims", MAX_CLAIMS_AN_HOUR),),
        set={"expires_at": hour * _HOUR + _DAY},
        add={"claims": 1},
    )


def claimed(delivery: Delivery, placed: Placed, by: str | None, langgraph_url: str, now: float) -> Update:
    """Keep a delivery as an unconfirmed run, which is in no list; `by` is the token's launch, None for a shared key.

    For deliveries that no launch in the ledger can keep. LangGraph is asked about the run at `langgraph_url`, and its
    age counts from now, by our own clock.
    """
    return Update(
        key={"run_id": delivery.run_id},
        when=(Absent("run_id"),),
        set={
            "schema": SCHEMA,
            "outcome": UNCONFIRMED,
            "status": delivery.status,
            "source": "webhook",
            "claim": Kept(delivery, placed, int(now), disputed=False).write(),
            "claimed_by": by,
            "langgraph_url": langgraph_url,
            "starts_at": int(now),
            "delivered_at": iso(now),
            "updated_at": iso(now),
            **due(delivery.run_id, now + FIRST_CHECK_SECONDS),
        },
    )


def contested(one: Kept, now: float) -> Update:
    """Note that a second delivery contradicts a claim: the payload is LangGraph's to tell once the run is confirmed."""
    return Update(
        key={"run_id": one.delivery.run_id},
        when=(Equals("outcome", UNCONFIRMED), Equals("claim", one.write())),
        set={"claim": dataclasses.replace(one, disputed=True).write(), "updated_at": iso(now)},
    )


def claim_of(run: Run) -> Kept:
    """Return the delivery that an unconfirmed run was claimed by."""
    return Kept.read(run["run_id"], run["claim"])
