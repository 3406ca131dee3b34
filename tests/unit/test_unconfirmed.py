"""Deliveries about runs that only a token vouches for: how they are kept, and each transition of that (G11)."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest

from runledger.domain import unconfirmed
from runledger.domain.conditions import Absent, Below, Differs, Equals, Present
from runledger.domain.deliveries import Delivery
from runledger.domain.json_text import MAX_METADATA_BYTES
from runledger.domain.ledger import SCHEMA, shard
from runledger.domain.retry import FIRST_CHECK_SECONDS
from runledger.domain.unconfirmed import INLINE_BYTES, MAX_OF_LAUNCH, Kept, claim_of, kept_about, kept_name, kept_of
from tests.unit.test_run_states import BARE, DELIVERY, INLINE, LAUNCH, NOW, NOW_TEXT, RUN, SECOND, SPILLED, due_in

if TYPE_CHECKING:
    from runledger.domain.ledger import Placed

NAME = "kept_about_01a201d6_a0dc_7321_8df4_30b90bcfb9f8"
OTHER = "01a201d6-a0dc-7321-8df4-30b90bcfb9f9"
ONE = Kept(DELIVERY, INLINE, SECOND, disputed=False)
MAX_ITEM_BYTES = 400 * 1024  # of DynamoDB


@pytest.mark.parametrize("disputed", [False, True])
@pytest.mark.parametrize("placed", [INLINE, SPILLED])
@pytest.mark.parametrize(
    "delivery", [DELIVERY, BARE, replace(DELIVERY, temporary=True, ledger_id="ledger", outcome="settling")]
)
def test_g3_g11_a_kept_delivery_reads_as_it_was_written(delivery: Delivery, placed: Placed, *, disputed: bool) -> None:
    one = Kept(delivery, placed, SECOND, disputed=disputed)
    read = Kept.read(RUN, one.write())
    text = placed.payload.text if placed.key is None else ""
    payload = replace(placed.payload, text=text)
    assert read == replace(one, delivery=replace(delivery, payload=payload), placed=replace(placed, payload=payload))
    assert read.write() == one.write(), "it is taken away as it was read"


def test_g11_every_fact_of_a_delivery_is_kept() -> None:
    """One that is added to Delivery must not get lost here."""
    named = set(re.findall(r'"(\w+)": ', ONE.write()))
    assert named >= {field.name for field in fields(Delivery)} - {"run_id", "payload"}


def test_g11_a_delivery_is_kept_once_for_each_run_that_is_not_the_launchs_and_makes_the_launch_due_now() -> None:
    update = unconfirmed.kept(LAUNCH, DELIVERY, INLINE, NOW)
    assert update.key == {"launch_id": LAUNCH}
    assert update.when == (
        Present("launch_id"),
        Absent(NAME),
        Below("kept_count", MAX_OF_LAUNCH),
        Differs("run_id", RUN),
        Differs("answer_run_id", RUN),
    )
    assert update.set == {NAME: ONE.write(), "due_at": SECOND, "due_shard": str(shard(LAUNCH))}
    assert update.add == {"kept_count": 1}
    assert not update.remove


def test_g11_a_kept_delivery_is_disputed_and_taken_away_only_as_it_was_read() -> None:
    for update in (unconfirmed.disputed(LAUNCH, ONE), unconfirmed.taken(LAUNCH, ONE)):
        assert update.key == {"launch_id": LAUNCH}
        assert update.when == (Equals(NAME, ONE.write()),)
    assert unconfirmed.disputed(LAUNCH, ONE).set == {NAME: replace(ONE, disputed=True).write()}
    assert not unconfirmed.disputed(LAUNCH, ONE).add, "it counts once"
    assert not unconfirmed.taken(LAUNCH, ONE).set
    assert (unconfirmed.taken(LAUNCH, ONE).remove, unconfirmed.taken(LAUNCH, ONE).add) == ((NAME,), {"kept_count": -1})


def test_g11_the_deliveries_of_a_launch_are_found_again_the_longest_kept_first() -> None:
    early = replace(ONE, delivery=replace(DELIVERY, run_id=OTHER), since=SECOND - 1)
    item = {"launch_id": LAUNCH, "kept_count": 2, NAME: ONE.write(), kept_name(OTHER): early.write()}
    assert kept_of(item) == [early, ONE]
    assert kept_about(item, RUN) == ONE
    assert kept_about(item, LAUNCH) is None
    assert kept_of({"launch_id": LAUNCH}) == []


@pytest.mark.parametrize("worst", ["\\", "\u00e9", "\U0001f389"])
def test_g11_what_is_kept_of_a_launch_fits_into_its_item(worst: str) -> None:
    """Its request is there too, of 8 KB, and a task's token."""
    name = ("\x01" if worst == "\\" else worst) * 256
    told = replace(DELIVERY, thread_id=name, assistant_id=name, status=name, metadata="\\" * MAX_METADATA_BYTES)
    told = replace(told, error={"type": name[0] * 2000, "message": name[0] * 2000})
    text = worst * (INLINE_BYTES // len(worst.encode()))
    one = Kept(told, replace(INLINE, payload=replace(INLINE.payload, text=text)), SECOND, disputed=False)
    assert MAX_OF_LAUNCH * len(one.write().encode()) < MAX_ITEM_BYTES - 32 * 1024


@pytest.mark.parametrize("by", [LAUNCH, None])
def test_g11_a_claim_is_in_no_list_and_its_age_counts_by_our_own_clock(by: str | None) -> None:
    update = unconfirmed.claimed(DELIVERY, INLINE, by, "https://x.org", NOW)
    assert update.key == {"run_id": RUN}
    assert update.when == (Absent("run_id"),)
    assert update.set == {
        "schema": SCHEMA,
        "outcome": "unconfirmed",
        "status": "error",
        "source": "webhook",
        "claim": ONE.write(),
        "claimed_by": by,
        "langgraph_url": "https://x.org",
        "starts_at": SECOND,
        "delivered_at": NOW_TEXT,
        "updated_at": NOW_TEXT,
        **due_in(FIRST_CHECK_SECONDS),
    }
    keys_of_lists = {"launch_id", "thread_id", "created_at", "outcome_shard"}
    assert not keys_of_lists & {*update.set, *update.once, *update.add}
    assert "unpublished" not in update.add, "nobody is told of it"


def test_g11_a_claim_is_contested_as_it_was_read_and_found_again() -> None:
    update = unconfirmed.contested(ONE, NOW)
    assert update.key == {"run_id": RUN}
    assert update.when == (Equals("outcome", "unconfirmed"), Equals("claim", ONE.write()))
    contested = replace(ONE, disputed=True)
    assert update.set == {"claim": contested.write(), "updated_at": NOW_TEXT}
    assert claim_of({"run_id": RUN, "claim": contested.write()}) == contested


@pytest.mark.parametrize(
    ("now", "hour", "expires_at"),
    [(NOW, "2026-11-22T05", 1_795_410_000), (SECOND + 28, "2026-11-22T06", 1_795_413_600)],
)
def test_g11_claims_are_counted_for_each_hour_and_forgotten_a_day_later(now: float, hour: str, expires_at: int) -> None:
    update = unconfirmed.counted(now)
    assert update.key == {"launch_id": f"claims-{hour}"}
    assert update.when == (Below("claims", unconfirmed.MAX_CLAIMS_AN_HOUR),)
    assert (update.set, update.add) == ({"expires_at": expires_at}, {"claims": 1})


def test_every_transition_is_in_the_table_and_the_table_names_no_other() -> None:
    named = re.findall(r"^\| (\w+) ", str(unconfirmed.__doc__), re.MULTILINE)
    made = {
        name for name, it in vars(unconfirmed).items() if getattr(it, "__annotations__", {}).get("return") == "Update"
    }
    assert set(named) - {"transition"} == made
