"""Updates as DynamoDB takes them: it refuses a name or value that is missing, unused, empty or set twice."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runledger.adapters.expressions import request
from runledger.domain import answer_states, launch_states, run_states, unconfirmed, verification
from runledger.domain.conditions import Absent, AtLeast, AtMost, Below, Differs, Either, Equals, OneOf, Present
from runledger.domain.deliveries import Delivery, Payload
from runledger.domain.launch_states import Launch
from runledger.domain.ledger import Placed, Update
from runledger.domain.settling import Facts, Seen
from runledger.domain.unconfirmed import Kept

if TYPE_CHECKING:
    from runledger.domain.conditions import Condition
    from runledger.domain.outcomes import Outcome

LAUNCH, RUN, NOW = "6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10", "01a201d6-a0dc-7321-8df4-30b90bcfb9f8", 1_795_327_172.75
TIME = "2026-11-22T05:59:32.750000Z"
OUTCOMES: tuple[Outcome, ...] = ("settling", "succeeded", "failed", "timed_out", "cancelled", "rolled_back")
PAYLOAD = Payload("{}", 2, "5" * 64)
PLACES = {"inline": Placed(PAYLOAD, None), "spilled": Placed(PAYLOAD, "key")}


def delivery(outcome: Outcome, *, bare: bool) -> Delivery:
    empty = Delivery(RUN, "status", outcome, None, None, None, None, None, None, None, None, PAYLOAD)
    if bare:
        return empty
    error = {"type": "ValueError", "message": "boom"}
    told = replace(empty, thread_id="thread", assistant_id="assistant", error=error, metadata="{}")
    return replace(told, created_at=TIME, started_at=TIME, ended_at=TIME)


def kept(place: str, *, bare: bool = False) -> Kept:
    return Kept(delivery("failed", bare=bare), PLACES[place], 1, disputed=False)


LAUNCHED = Launch.read(
    {"launch_id": LAUNCH, "state": "starting", "attempt": 2, "holder": "h", "lease_until": 1, "thread_id": "t"}
    | {"own_thread": False, "digest": "d", "langgraph_url": "u", "created_at": TIME}
)
SEEN = Seen("success", "awaiting_input", TIME, {"message": "boom"}, "[]", began=True, metadata="{}")
UNBEGUN = Seen("interrupted", "cancelled", None, None, None, began=False)
PENDING = run_states.pending(run_id=RUN, launch_id=LAUNCH, thread_id="t", assistant_id="a", after_seconds=0, now=NOW)
BARELY_KNOWN = Facts("t", None, None, TIME, None)
KNOWN = Facts("t", "a", LAUNCH, TIME, "{}")
FAILED = Seen("error", "failed", TIME, {"message": "boom"}, None, began=True)
RECORDED: Any = {
    "told": {"run_id": RUN, "outcome": "failed", "status": "error"},
    "not told": {"run_id": RUN, "outcome": "failed", "status": "error", "unpublished": {"failed"}},
    "settling": {"run_id": RUN, "outcome": "settling", "status": "success", "payload_sha256": "5" * 64},
    "told of a question": {"run_id": RUN, "outcome": "awaiting_input", "status": "success", "questions": "[]"},
}
TRANSITIONS = {
    **{
        f"claimed, {place}": launch_states.claimed(
            launch_id=LAUNCH,
            digest="d",
            request=text,
            request_key=key,
            assistant_id="a",
            thread_id="t",
            own_thread=True,
            stream=False,
            langgraph_url="u",
            holder="h",
            now=NOW,
        )
        for place, text, key in (("inline", "{}", None), ("spilled", None, "key"))
    },
    "launched by an answer": launch_states.answering(
        launch_id=LAUNCH, digest="d", run_id=RUN, thread_id="t", assistant_id="a", langgraph_url="u", now=NOW
    ),
    "taken_over": launch_states.taken_over(LAUNCHED, "h", NOW),
    "attempted": launch_states.attempted(LAUNCHED, "t", NOW),
    "started": launch_states.started(replace(LAUNCHED, attempt=1), RUN, NOW),
    "started, to be watched": launch_states.started(LAUNCHED, RUN, NOW),
    "started, heard": launch_states.started(LAUNCHED, RUN, NOW, heard=True),
    "refused": launch_states.refused(LAUNCHED, "thread-busy", "It is busy.", NOW),
    "heard": launch_states.heard(LAUNCH, NOW),
    "called_for": launch_states.called_for(LAUNCH, "d", "token", 1_000, NOW),
    "owing": launch_states.call_later(LAUNCH, NOW),
    "put_off": launch_states.deferred(LAUNCH, NOW),
    "canary": launch_states.canary("canary-1", LAUNCH, None, NOW),
    "canary, once more": launch_states.canary("canary-1", LAUNCH, RUN, NOW),
    "canary_miss": launch_states.canary_miss("canary-1", LAUNCH, int(NOW)),
    "canary_seen": launch_states.canary_seen("canary-1", LAUNCH),
    "called_back": launch_states.called_back(LAUNCH, "token"),
    "checked": launch_states.checked(LAUNCH, 1),
    "watched": launch_states.watched(LAUNCHED, NOW),
    "launch postponed": launch_states.postponed(LAUNCH, 1, NOW),
    "launch unreached": launch_states.unreached(LAUNCH, 1, NOW),
    "launch enqueued": launch_states.enqueued(LAUNCH, 1, NOW),
    "run unreached": run_states.unreached(RUN, 1, NOW, NOW),
    "run enqueued": run_states.enqueued(RUN, 1, NOW),
    "pending": PENDING,
    "launched": run_states.launched(PENDING),
    "contradicted": verification.contradicted(
        delivery("failed", bare=False), PLACES["spilled"], {"outcome": "succeeded", "status": "success"}, NOW
    ),
    "continued": launch_states.continued(LAUNCH, RUN, NOW),
    **{
        f"{name}{', bare' * bare}, {place}": update
        for place in PLACES
        for bare in (False, True)
        for one in [kept(place, bare=bare)]
        for name, update in (
            ("kept", unconfirmed.kept(LAUNCH, one.delivery, one.placed, NOW)),
            ("disputed", unconfirmed.disputed(LAUNCH, one)),
            ("taken", unconfirmed.taken(LAUNCH, one)),
            ("claimed", unconfirmed.claimed(one.delivery, one.placed, LAUNCH, "u", NOW)),
            ("claimed, shared", unconfirmed.claimed(one.delivery, one.placed, None, "u", NOW)),
            ("contested", unconfirmed.contested(one, NOW)),
            ("believed", run_states.believed(one.delivery, one.placed, "u", NOW)),
            ("disowned", verification.disowned(PENDING, RECORDED["told"], NOW)),
            ("disowned before it was published", verification.disowned(PENDING, RECORDED["not told"], NOW)),
            ("confirmed", verification.confirmed(one, KNOWN, FAILED, NOW)),
            ("confirmed, waits", verification.confirmed(one, BARELY_KNOWN, SEEN, NOW)),
            ("found_going", verification.found_going(one, KNOWN, NOW)),
            ("found_going, shared", verification.found_going(one, BARELY_KNOWN, NOW)),
            ("unconfirmed", verification.unconfirmed(one, LAUNCH, NOW)),
        )
    },
    "counted": unconfirmed.counted(NOW),
    "verified": verification.verified(RECORDED["told"]),
    "verified, not known": verification.verified(RECORDED["told"], is_known=False),
    "doubted": verification.doubted(RECORDED["told"], NOW),
    **{f"reopened, {name}": verification.reopened(item, NOW) for name, item in RECORDED.items()},
    **{
        f"corrected, {name}, {seen.outcome}, {place}": verification.corrected(item, seen, PLACES.get(place), NOW)
        for name, item in RECORDED.items()
        for seen in (SEEN, UNBEGUN, FAILED)
        for place in (*PLACES, "too large")
    },
    "webhook_missing, final": run_states.webhook_missing(RUN, "failed"),
    "webhook_missing, open": run_states.webhook_missing(RUN, "settling"),
    "missed": run_states.missed(RUN, 1, NOW, NOW),
    "lost": run_states.lost(RUN, NOW),
    "rolled_back": run_states.rolled_back(RUN, NOW),
    "doubled": run_states.doubled(RUN, LAUNCH, NOW),
    "postponed": run_states.postponed(RUN, 1, NOW),
    "postponed, known": run_states.postponed(RUN, 1, NOW, known=True),
    "closed": run_states.closed(RUN, 1),
    "due_now": run_states.due_now(RUN, NOW),
    "answered": answer_states.moved_on(RUN, "other", NOW),
    "answered by ours": answer_states.moved_on(RUN, "other", NOW, digest="d"),
    "answering": answer_states.answering({"run_id": RUN}, "d", "h", NOW),
    "answering again": answer_states.answering({"run_id": RUN, "answer_holder": "h"}, "d", "i", NOW),
    "unanswered": answer_states.unanswered(RUN, "h", NOW),
    "cancelled": answer_states.cancelled({"run_id": RUN}, NOW),
    "abandoned": answer_states.moved_on(RUN, None, NOW),
    "settled": run_states.settled(RUN, replace(SEEN, outcome="succeeded", questions=None), NOW),
    "reconciled, heard of": run_states.reconciled(RUN, SEEN, PLACES["inline"], NOW, is_heard=True),
    "settled, waits": run_states.settled(RUN, SEEN, NOW),
    **{
        f"reconciled, {'waits' if seen is SEEN else 'never began'}, {place}": run_states.reconciled(
            RUN, seen, PLACES.get(place), NOW
        )
        for seen in (SEEN, UNBEGUN)
        for place in (*PLACES, "too large")
    },
    **{
        f"{outcome}, {place}{', bare' * bare}{', shared' * (launch is None)}": run_states.delivered(
            delivery(outcome, bare=bare), PLACES[place], launch, NOW
        )
        for outcome in OUTCOMES
        for place in PLACES
        for bare in (False, True)
        for launch in (LAUNCH, None)
    },
    **{
        f"{outcome} superseding {recorded}, {place}": run_states.superseding(
            delivery(outcome, bare=False), PLACES[place], {"outcome": recorded, "status": "another"}, NOW
        )
        for outcome in OUTCOMES
        for recorded in OUTCOMES
        for place in PLACES
    },
}
_NAMES = st.sampled_from(["a", "aa", "a_b", "set", "by", "status", "size"])
_VALUES = st.one_of(st.text(min_size=1), st.integers(-9, 9), st.booleans(), st.just({"type": "E"}))
_COUNTS = st.integers(-9, 9)
_SIMPLE: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Present, _NAMES),
    st.builds(Absent, _NAMES),
    *(st.builds(kind, _NAMES, _VALUES | st.just(frozenset({"E"}))) for kind in (Equals, Differs)),
    st.builds(OneOf, _NAMES, st.lists(st.text(min_size=1), min_size=1, max_size=3).map(tuple)),
    *(st.builds(kind, _NAMES, _COUNTS) for kind in (AtLeast, AtMost, Below)),
)
_CONDITIONS = st.recursive(_SIMPLE, lambda inner: st.builds(Either, inner, inner), max_leaves=4)


@st.composite
def updates(draw: st.DrawFn) -> Update:
    """Any update that sets something; a name is set once and used in one clause."""
    names = draw(st.permutations(["a", "aa", "a_b", "set", "by", "status", "size"]))
    cuts = [draw(st.integers(1, 3)), draw(st.integers(3, 4)), draw(st.integers(4, 5))]
    return Update(
        key={"id": "x"},
        when=(Present("id"), *draw(st.lists(_CONDITIONS, max_size=3))),
        set={names[0]: "always", **{name: draw(st.none() | _VALUES) for name in names[1 : cuts[0]]}},
        once={name: draw(st.none() | _VALUES) for name in names[cuts[0] : cuts[1]]},
        add={name: draw(st.integers(1, 9)) for name in names[cuts[1] : cuts[2]]},
        remove=tuple(names[cuts[2] :]),
    )


def well_formed(made: Any) -> None:
    """What DynamoDB checks before it looks at any item."""
    expressions = f"{made['UpdateExpression']} {made['ConditionExpression']}"
    assert set(re.findall(r"#\w+", expressions)) == set(made["ExpressionAttributeNames"])
    assert set(re.findall(r":\w+", expressions)) == set(made["ExpressionAttributeValues"])
    assert all(f"#{name}" == alias for alias, name in made["ExpressionAttributeNames"].items())
    assert not any("NULL" in value for value in made["ExpressionAttributeValues"].values())
    clauses = re.fullmatch(
        r"(?:SET (?P<set>.+?))?(?:(?:^| )REMOVE (?P<remove>.+?))?(?:(?:^| )ADD (?P<add>.+?))?", made["UpdateExpression"]
    )
    assert clauses
    assert any(clauses.groups()), "an empty expression is refused"
    assert made["ExpressionAttributeValues"], "an empty map is refused"
    targets = [
        part.split()[0] for clause in clauses.groups() if clause for part in re.split(r", (?=#)", clause) if part
    ]
    assert len(targets) == len(set(targets)), "two clauses for one attribute"
    assert not set(made["Key"]) & {target[1:] for target in targets}, "a key can't be changed"


@pytest.mark.parametrize("update", TRANSITIONS.values(), ids=TRANSITIONS)
def test_every_transition_is_well_formed(update: Update) -> None:
    well_formed(request(update))


@given(updates())
def test_any_update_is_well_formed_and_says_what_it_means(update: Update) -> None:
    made = request(update)
    well_formed(made)
    said = made["UpdateExpression"]
    for name, value in update.set.items():
        assert (f"#{name} = :{name}" in re.split(r", | REMOVE | ADD |SET ", said)) == (value is not None)
    for name, value in update.once.items():
        assert (f"#{name} = if_not_exists(#{name}, :{name})" in said) == (value is not None)
    for name, count in update.add.items():
        assert re.search(rf"ADD .*#{name} :{name}\b", said)
        assert made["ExpressionAttributeValues"][f":{name}"] == {"N": str(count)}
    assert unnumbered(made) == " AND ".join(map(meant, update.when))
    named = re.findall(r":\w+", made["ConditionExpression"])
    assert len(named) == len(set(named)), "no value takes the place of another"
    compared = [typed(value) for one in update.when for value in values_of(one)]
    assert [made["ExpressionAttributeValues"][name] for name in named] == compared


def unnumbered(made: Any) -> str:
    return re.sub(r":if_\d+", ":if", made["ConditionExpression"])


def meant(condition: Condition) -> str:
    """Return the condition as it reads where it stands alone."""
    if isinstance(condition, Either):
        return f"({meant(condition.one)} OR {meant(condition.other)})"
    return unnumbered(request(Update(key={"id": "x"}, when=(condition,))))


def values_of(condition: Condition) -> list[object]:
    match condition:
        case Present() | Absent():
            return []
        case OneOf(_, values):
            return list(values)
        case Either(one, other):
            return [*values_of(one), *values_of(other)]
    return [condition.value]


def typed(value: object) -> dict[str, object]:
    match value:
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case frozenset():
            return {"SS": list(value)}
    return {"M": {name: {"S": text} for name, text in cast("dict[str, str]", value).items()}}


def test_a_request_reads_as_it_should() -> None:
    update = Update(
        key={"run_id": RUN},
        when=(Equals("state", "starting"), Below("tries", 3)),
        set={"state": "started", "count": 3, "nothing": None, "own": True, "error": {"type": "E"}},
        once={"created_at": TIME, "never": None},
        add={"tries": 1},
        remove=("due_at", "due_shard"),
    )
    assert request(update) == {
        "Key": {"run_id": {"S": RUN}},
        "UpdateExpression": (
            "SET #state = :state, #count = :count, #own = :own, #error = :error,"
            " #created_at = if_not_exists(#created_at, :created_at)"
            " REMOVE #due_at, #due_shard ADD #tries :tries"
        ),
        "ConditionExpression": "#state = :if_6 AND (attribute_not_exists(#tries) OR #tries < :if_7)",
        "ExpressionAttributeNames": {
            f"#{name}": name
            for name in ("state", "count", "own", "error", "created_at", "due_at", "due_shard", "tries")
        },
        "ExpressionAttributeValues": {
            ":state": {"S": "started"},
            ":if_6": {"S": "starting"},
            ":if_7": {"N": "3"},
            ":count": {"N": "3"},
            ":own": {"BOOL": True},
            ":error": {"M": {"type": {"S": "E"}}},
            ":created_at": {"S": TIME},
            ":tries": {"N": "1"},
        },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


@pytest.mark.parametrize(
    ("condition", "text", "values"),
    [
        (Present("a"), "attribute_exists(#a)", []),
        (Absent("a"), "attribute_not_exists(#a)", []),
        (Equals("a", "x"), "#a = :if_0", [{"S": "x"}]),
        (Equals("a", frozenset({"x"})), "#a = :if_0", [{"SS": ["x"]}]),
        (Differs("a", "x"), "(attribute_not_exists(#a) OR #a <> :if_0)", [{"S": "x"}]),
        (OneOf("a", ("x", "y")), "#a IN (:if_0, :if_1)", [{"S": "x"}, {"S": "y"}]),
        (AtLeast("a", 1), "#a >= :if_0", [{"N": "1"}]),
        (AtMost("a", 1), "#a <= :if_0", [{"N": "1"}]),
        (Below("a", 1), "(attribute_not_exists(#a) OR #a < :if_0)", [{"N": "1"}]),
        (Either(Equals("a", 1), Equals("a", 2)), "(#a = :if_0 OR #a = :if_1)", [{"N": "1"}, {"N": "2"}]),
        (
            Either(Absent("a"), Either(AtMost("a", 1), OneOf("a", ("x",)))),
            "(attribute_not_exists(#a) OR (#a <= :if_0 OR #a IN (:if_1)))",
            [{"N": "1"}, {"S": "x"}],
        ),
    ],
)
def test_each_kind_of_condition_reads_as_it_should(condition: Condition, text: str, values: list[object]) -> None:
    made = request(Update(key={"id": "x"}, when=(condition,), remove=("b",)))
    assert made["ConditionExpression"] == text
    assert made["ExpressionAttributeNames"] == {"#a": "a", "#b": "b"}
    assert made["ExpressionAttributeValues"] == {f":if_{number}": value for number, value in enumerate(values)}
