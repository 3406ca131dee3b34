"""The tables of template.yaml and the writes of the domain agree, name by name."""

from __future__ import annotations

import ast
import inspect
import json
from dataclasses import replace
from typing import Any

import pytest

from runledger.adapters.expressions import request
from runledger.domain import answer_states, launch_states, ledger, run_states, unconfirmed, verification
from runledger.domain.conditions import Absent, Below, Condition, Differs, Either, Equals, OneOf
from runledger.domain.deliveries import Delivery, Payload, parse_delivery
from runledger.domain.json_text import MAX_METADATA_BYTES
from runledger.domain.launch_states import Launch
from runledger.domain.ledger import Placed, Update
from runledger.domain.questions import MAX_BYTES
from runledger.domain.run import Run
from runledger.domain.settling import Facts, Seen
from runledger.domain.unconfirmed import INLINE_BYTES, MAX_OF_LAUNCH, Kept
from tests.contract.source import TEMPLATE, modules, read_of

NOW = 1_795_327_173.6
LAUNCH, RUN = "6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10", "01a201d6-a0d4-71ed-b1cb-bd7f037d2e51"
WAITS: Any = {"run_id": RUN, "outcome": "awaiting_input", "status": "success", "answer_holder": LAUNCH}
LONGEST = "\U0001f389" * 256  # names are cut by characters, stored by bytes
MAX_ITEM_BYTES = 400 * 1024
MAX_REQUEST = 8_192  # of the request in a launch's item
SEEN = Seen(
    status="success",
    outcome="awaiting_input",
    ended_at="2026-11-22T05:59:33.653878Z",
    error={"message": "\U0001f389" * 2_000},
    questions="x" * MAX_BYTES,
    began=True,
    metadata="x" * MAX_METADATA_BYTES,
    all_questions="x",
    question_count=10_000,
    missing="\U0001f389" * 500,
)
MAX_INLINE = int(TEMPLATE.document["Parameters"]["InlinePayloadBytes"]["MaxValue"])


def delivery(status: str) -> Delivery:
    """Return a delivery with everything in it, each as long as it may be."""
    body = {
        "run_id": RUN,
        "status": status,
        "thread_id": LAUNCH,
        "assistant_id": LONGEST,
        "created_at": "2026-11-22T05:59:32.822367+00:00",
        "run_started_at": "2026-11-22T05:59:33.636297+00:00",
        "run_ended_at": "2026-11-22T05:59:33.653878+00:00",
        "error": {"error": "\U0001f389" * 50_000, "message": "\U0001f389" * 50_000},
        "metadata": {"launch_id": LAUNCH, "pad": "x" * (MAX_METADATA_BYTES - 70)},
    }
    parsed = parse_delivery(json.dumps(body).encode(), "token")
    assert isinstance(parsed, Delivery)
    return parsed


def updates() -> dict[str, list[Update]]:
    """Return every write of the ledger, by table."""
    inline = Placed(Payload("x" * MAX_INLINE, MAX_INLINE, "0" * 64), None)
    spilled = Placed(inline.payload, ledger.payload_key(LAUNCH, RUN, "0" * 64))
    pending = run_states.pending(
        run_id=RUN, launch_id=LAUNCH, thread_id=LONGEST, assistant_id=LONGEST, after_seconds=0, now=NOW
    )
    claim: dict[str, Any] = {
        "launch_id": LAUNCH,
        "assistant_id": LONGEST,
        "thread_id": LONGEST,
        "langgraph_url": "https://x.org",
    }
    claim |= {"digest": "0" * 64, "request": "x" * MAX_REQUEST, "request_key": ledger.request_key(LAUNCH, "0" * 64)}
    claimed = launch_states.claimed(**claim, own_thread=True, stream=False, holder=LAUNCH, now=NOW)
    launch = Launch.read({**claimed.key, **claimed.set})
    small = Placed(Payload('"' * INLINE_BYTES, INLINE_BYTES, "0" * 64), None)
    facts = Facts(LAUNCH, LONGEST, LAUNCH, "2026-11-22T05:59:33.653878Z", "x" * MAX_METADATA_BYTES)
    kept = Kept(delivery("error"), small, int(NOW), disputed=False)
    ends = WAITS | {"outcome": "failed"}
    return {
        "LaunchesTable": [
            claimed,
            launch_states.answering(
                launch_id=LAUNCH,
                digest="0" * 64,
                run_id=RUN,
                thread_id=LONGEST,
                assistant_id=LONGEST,
                langgraph_url="https://x.org",
                now=NOW,
            ),
            launch_states.taken_over(launch, LAUNCH, NOW),
            launch_states.attempted(launch, LONGEST, NOW),
            launch_states.started(launch, RUN, NOW),
            launch_states.started(replace(launch, attempt=2, own_thread=False), RUN, NOW),
            launch_states.started(launch, RUN, NOW, heard=True),
            launch_states.refused(launch, "thread-busy", "d" * 2_300, NOW),
            launch_states.heard(LAUNCH, NOW),
            launch_states.called_for(LAUNCH, "0" * 64, "t" * 2048, int(NOW * 1000), NOW),
            launch_states.call_later(LAUNCH, NOW),
            launch_states.deferred(LAUNCH, NOW),
            launch_states.canary("canary-1", LAUNCH, None, NOW),
            launch_states.canary("canary-1", LAUNCH, RUN, NOW),
            launch_states.canary_miss("canary-1", LAUNCH, int(NOW)),
            launch_states.canary_seen("canary-1", LAUNCH),
            launch_states.called_back(LAUNCH, "t" * 2048),
            launch_states.checked(LAUNCH, 1),
            launch_states.watched(launch, NOW),
            launch_states.postponed(LAUNCH, 1, NOW),
            launch_states.unreached(LAUNCH, 1, NOW),
            launch_states.enqueued(LAUNCH, 1, NOW),
            launch_states.continued(LAUNCH, RUN, NOW),
            *(
                unconfirmed.kept(LAUNCH, replace(delivery("error"), run_id=f"{n}"), small, NOW)
                for n in range(MAX_OF_LAUNCH)
            ),
            unconfirmed.disputed(LAUNCH, kept),
            unconfirmed.taken(LAUNCH, kept),
            unconfirmed.counted(NOW),
        ],
        "RunsTable": [
            pending,
            run_states.launched(pending),
            run_states.delivered(delivery("error"), inline, LAUNCH, NOW),
            run_states.delivered(delivery("success"), spilled, None, NOW),
            run_states.superseding(delivery("error"), spilled, WAITS | {"outcome": "succeeded"}, NOW),
            run_states.superseding(delivery("success"), inline, WAITS | {"outcome": "settling"}, NOW),
            verification.contradicted(
                delivery(LONGEST), spilled, WAITS | {"outcome": "succeeded", "status": "success"}, NOW
            ),
            unconfirmed.claimed(delivery("error"), small, LAUNCH, "https://x.org", NOW),
            unconfirmed.contested(kept, NOW),
            verification.confirmed(kept, facts, SEEN, NOW, ledger.questions_key(LAUNCH, RUN, "0" * 64)),
            verification.found_going(kept, facts, NOW),
            verification.unconfirmed(kept, LAUNCH, NOW),
            verification.verified(ends),
            verification.verified(ends, is_known=False),
            verification.doubted(ends, NOW),
            verification.corrected(ends, SEEN, inline, NOW, ledger.questions_key(LAUNCH, RUN, "0" * 64)),
            verification.corrected(ends | {"status": "error"}, replace(SEEN, outcome="succeeded"), None, NOW),
            verification.reopened(ends, NOW),
            verification.disowned(pending, ends, NOW),
            run_states.believed(delivery("error"), inline, "https://x.org", NOW),
            run_states.reconciled(RUN, SEEN, inline, NOW),
            run_states.reconciled(RUN, SEEN, spilled, NOW),
            run_states.reconciled(RUN, replace(SEEN, outcome="cancelled", began=False), None, NOW),
            run_states.settled(RUN, replace(SEEN, outcome="succeeded", questions=None), NOW),
            run_states.settled(RUN, SEEN, NOW, ledger.questions_key(LAUNCH, RUN, "0" * 64)),
            run_states.unreadable(RUN, 0),
            run_states.unreadable(RUN, 1),
            run_states.postponed(RUN, 1, NOW),
            run_states.unreached(RUN, 1, NOW, NOW),
            run_states.enqueued(RUN, 1, NOW),
            answer_states.moved_on(RUN, RUN, NOW, digest="0" * 64),
            answer_states.answering(WAITS, "0" * 64, LAUNCH, NOW),
            answer_states.unanswered(RUN, LAUNCH, NOW),
            answer_states.cancelled(WAITS, NOW),
            run_states.published({"run_id": RUN, "outcome": "failed", "unpublished": {"failed"}, "due_at": 1}),
            run_states.published({"run_id": RUN, "outcome": "awaiting_input", "unpublished": {"lost"}}),
            run_states.webhook_missing(RUN, "succeeded"),
            run_states.webhook_missing(RUN, "settling"),
            run_states.missed(RUN, 1, NOW, NOW),
            run_states.lost(RUN, NOW),
            run_states.lost(RUN, NOW, unproven=True),
            run_states.rolled_back(RUN, NOW),
            run_states.doubled(RUN, LAUNCH, NOW),
            run_states.postponed(RUN, 1, NOW, known=True),
            run_states.postponed(RUN, 1, NOW, unsettled=NOW),
            run_states.closed(RUN, 1),
            run_states.deferred(RUN, 1, NOW),
            run_states.due_now(RUN, NOW),
        ],
    }


def written(update: Update) -> dict[str, Any]:
    whole: dict[str, Any] = {**update.once, **update.set, **update.add, **update.key}
    return {name: value for name, value in whole.items() if value is not None}


def table(name: str) -> dict[str, Any]:
    found: dict[str, Any] = TEMPLATE.resources("AWS::DynamoDB::Table")[name]
    return found


def keys(schema: list[dict[str, str]]) -> list[str]:
    return [key["AttributeName"] for key in schema]


TABLES = pytest.mark.parametrize("name", list(TEMPLATE.resources("AWS::DynamoDB::Table")))


def test_every_write_of_the_ledger_is_looked_at() -> None:
    defined = {
        f"{module.__name__.rpartition('.')[2]}.{name}("
        for module in (answer_states, launch_states, run_states, unconfirmed, verification)
        for name, made in inspect.getmembers(module, inspect.isfunction)
        if made.__annotations__.get("return") == "Update"
    }
    assert len(defined) > 20
    assert {name for name in defined if name in inspect.getsource(updates)} == defined


def test_only_the_transitions_make_writes() -> None:
    """Else the test above looks in the wrong place."""
    makers = {
        name
        for name, tree in modules().items()
        if any(isinstance(node, ast.Call) and ast.unparse(node.func) == "Update" for node in ast.walk(tree))
    }
    states = {f"runledger.domain.{name}_states" for name in ("answer", "launch", "run")}
    assert makers == states | {"runledger.domain.unconfirmed", "runledger.domain.verification"}


@TABLES
def test_keys_are_written_under_the_names_and_types_that_the_table_declares(name: str) -> None:
    declared = {a["AttributeName"]: a["AttributeType"] for a in table(name)["AttributeDefinitions"]}
    types: dict[str, set[str]] = {}
    for update in updates()[name]:
        for attribute, value in written(update).items():
            types.setdefault(attribute, set()).add("N" if type(value) is int else type(value).__name__)
    assert {attribute: types.get(attribute) for attribute in declared} == {
        attribute: {"N" if kind == "N" else "str"} for attribute, kind in declared.items()
    }


@TABLES
def test_every_write_names_the_tables_key(name: str) -> None:
    for update in updates()[name]:
        assert list(update.key) == keys(table(name)["KeySchema"])


def test_the_type_of_a_run_has_each_attribute_that_is_written_and_no_other() -> None:
    own = {attribute for update in updates()["RunsTable"] for attribute in (*update.key, *written(update))}
    removed = {attribute for update in updates()["RunsTable"] for attribute in update.remove}
    assert own | removed | {"expires_at"} == set(Run.__annotations__)


@TABLES
def test_every_item_is_made_with_the_version_of_its_schema(name: str) -> None:
    makes = [one for one in updates()[name] if all(map(holds_for_none, one.when))]
    made = [one for one in makes if {"outcome", "digest"} & set(one.set)]
    assert made
    assert {written(one).get("schema") for one in made} == {ledger.SCHEMA}


@TABLES
def test_an_index_key_is_written_whole_and_removed_whole(name: str) -> None:
    """Half a key hides the item from the index; half a removal leaves nothing to query for."""
    for index in table(name)["GlobalSecondaryIndexes"]:
        if index["IndexName"] == "due":
            own = set(keys(index["KeySchema"]))
            for update in updates()[name]:
                assert own & set(written(update)) in (set(), own)
                assert own & set(update.remove) in (set(), own)
                assert not own & set(update.remove) & set(written(update))


def test_g8_who_touches_the_set_of_unpublished_events_touches_the_text_that_the_streams_filter_matches() -> None:
    touching = 0
    for update in updates()["RunsTable"]:
        text = request(update)["UpdateExpression"]
        adds = "#unpublished :unpublished" in text or "#unpublished = :unpublished" in text
        removes = "#unpublished" in text.partition("REMOVE")[2]
        assert ("#event_state = :event_state" in text) == adds
        assert (written(update).get("event_state") == "unpublished") == adds
        assert ("#event_state" in text.partition("REMOVE")[2]) == (removes and not adds)
        touching += adds or removes
    assert touching > 10


def holds_for_none(condition: Condition) -> bool:
    """Whether the condition holds where there is no item, so that one can be made."""
    if isinstance(condition, Either):
        return holds_for_none(condition.one) or holds_for_none(condition.other)
    return isinstance(condition, Absent | Differs | Below)


def test_every_run_is_in_the_indexes_by_thread_and_outcome() -> None:
    """But for claims, which are in no list (G11), and for what no more than a token or a shared key vouches for."""
    says = [u for u in updates()["RunsTable"] if "outcome" in written(u) and "claim" not in written(u)]
    assert all("outcome_shard" in written(update) for update in says)
    makes = [update for update in says if all(map(holds_for_none, update.when))]
    assert len(makes) == 3
    assert all(any(isinstance(one, Equals | OneOf) for one in update.when) for update in says if update not in makes)
    for index in table("RunsTable")["GlobalSecondaryIndexes"]:
        if index["IndexName"] in ("by-thread", "by-outcome"):
            lacks = [u for u in makes if not set(keys(index["KeySchema"])) <= set(written(u))]
            is_by_thread = index["IndexName"] == "by-thread"
            doubtful = [
                u for u in makes if written(u).get("confirmed") is False or written(u)["outcome"] == "unconfirmed"
            ]
            assert lacks == (doubtful if is_by_thread else [])
            assert len(doubtful) == 2


@TABLES
def test_indexes_hold_a_summary_and_no_payload(name: str) -> None:
    known = {attribute for update in updates()[name] for attribute in written(update)}
    for index in table(name)["GlobalSecondaryIndexes"]:
        projection = index["Projection"]
        assert projection["ProjectionType"] in ("KEYS_ONLY", "INCLUDE")
        projected = set(projection.get("NonKeyAttributes", []))
        assert projected <= known
        assert not projected & {"payload", "error", "questions", "callback"}


def test_g10_the_indexes_that_take_every_write_are_sharded() -> None:
    for name in TEMPLATE.resources("AWS::DynamoDB::Table"):
        hashes = {index["IndexName"]: keys(index["KeySchema"])[0] for index in table(name)["GlobalSecondaryIndexes"]}
        assert hashes["due"] == "due_shard"
        assert hashes.get("by-outcome", "outcome_shard") == "outcome_shard"
    assert {ledger.shard(f"{number}") for number in range(200)} == set(range(ledger.SHARDS))


@TABLES
def test_g10_the_due_index_has_the_keys_alone_because_a_worker_reads_the_item(name: str) -> None:
    (index,) = [index for index in table(name)["GlobalSecondaryIndexes"] if index["IndexName"] == "due"]
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    own = {*keys(index["KeySchema"]), *keys(table(name)["KeySchema"])}
    assert read_of("runledger.use_cases.sweep", "item") <= own


def test_g2_the_index_by_launch_has_what_adopting_a_run_takes() -> None:
    (index,) = [i for i in table("RunsTable")["GlobalSecondaryIndexes"] if i["IndexName"] == "by-launch"]
    read = read_of("runledger.domain.inspection", "item")
    own = {*keys(index["KeySchema"]), *keys(table("RunsTable")["KeySchema"])}
    assert "run_id" in read
    assert read - own <= set(index["Projection"]["NonKeyAttributes"])


@TABLES
def test_nothing_that_expires_is_spelt_otherwise_than_in_the_template(name: str) -> None:
    specification = table(name)["TimeToLiveSpecification"]
    assert specification == {"AttributeName": "expires_at", "Enabled": True}
    attributes = {attribute for update in updates()[name] for attribute in written(update)}
    assert {a for a in attributes if "expir" in a.lower() or "ttl" in a.lower()} <= {"expires_at"}


def test_the_largest_run_fits_into_an_item() -> None:
    """Also where a late webhook contradicts a question, so that there are questions and an error.

    A claim goes when the run has a payload.
    """
    item: dict[str, Any] = {}
    for update in (update for update in updates()["RunsTable"] if "claim" not in written(update)):
        for attribute, value in written(update).items():
            item[attribute] = max(item.get(attribute, ""), value, key=_size)
    size = sum(len(attribute) + _size(value) for attribute, value in item.items())
    assert MAX_INLINE < size <= MAX_ITEM_BYTES


def _size(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return 3 + sum(1 + len(name) + _size(member) for name, member in value.items())
    return 21  # a number of 38 digits; a boolean is one
