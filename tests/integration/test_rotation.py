"""G7: the key ring's rotation, step by step, and the commands that change the ring at once; G5: no key is told."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from runledger.adapters.secrets_manager import CACHE_SECONDS, REREAD_SECONDS
from runledger.domain.rotation import FINISH_SECONDS, names
from runledger.domain.tokens import SIGNS_AFTER_SECONDS, KeyRing
from tests.integration import faults as kinds
from tests.integration.rotation import STEPS, Rotation
from tests.integration.spellings import assert_nowhere
from tests.integration.support import NOW, delivery, new_id, stand_still

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.conftest import Load
    from tests.integration.faults import Faults
    from tests.integration.support import Aws, Output, WallClock

NEW = f"k{int(NOW)}"
OLD = f"k{int(NOW) - 3600}"
KEY = b"o" * 64


@pytest.fixture
def rotation(load: Load, aws: Aws, output: Output) -> Iterator[Rotation]:
    """The function and its secret; in whatever a test has it do, no key is told to anybody."""
    found = Rotation(load("rotate"), aws)
    yield found
    assert output.logs or found.told
    for key in found.every_key():
        assert_nowhere(key, output.text, *found.told)


@pytest.fixture
def two(rotation: Rotation) -> KeyRing:
    """A ring whose second key signs, with a shared key."""
    ring = KeyRing(OLD, {**rotation.ring.signing, OLD: KEY}, {"shared-crons": b"s" * 64})
    rotation.put(ring)
    return ring


# ---- the four steps --------------------------------------------------------------------------------------------------
def test_g7_a_rotation_adds_a_key_that_signs_ten_minutes_later(rotation: Rotation, output: Output) -> None:
    before = rotation.ring
    (first,) = rotation.labelled("AWSCURRENT")
    rotation.rotate()
    after = rotation.ring
    assert names(after) == ["k0", NEW]
    assert after.signing["k0"] == before.signing["k0"] != after.signing[NEW]
    assert (after.signer(NOW), after.signer(NOW + SIGNS_AFTER_SECONDS)) == ("k0", NEW)
    (current,) = rotation.labelled("AWSCURRENT")
    assert rotation.labels() == {first: ["AWSPREVIOUS"], current: ["AWSCURRENT"]}
    assert output.counts == {"rotated": 1}
    assert [(line["message"], line.get("kid")) for line in output.logs] == [("a key is made", NEW), ("rotated", None)]


def test_g7_two_rotations_in_a_row_add_two_keys(rotation: Rotation) -> None:
    rotation.rotate()
    rotation.rotate()
    assert names(rotation.ring) == ["k0", NEW, f"k{int(NOW) + 1}"]
    assert rotation.ring.current == "k0"


def test_g7_old_keys_go_when_no_token_can_need_them(rotation: Rotation, wall: WallClock, output: Output) -> None:
    rotation.rotate()
    wall.now += 600 + (30 + 7 + 1) * 86_400 - 1
    rotation.rotate()
    assert "k0" in rotation.ring.signing
    wall.now += 1
    rotation.rotate()
    assert names(rotation.ring)[0] == NEW
    assert [line["dropped"] for line in output.logs if "dropped" in line] == [[], [], ["k0"]]


def test_g7_the_life_of_a_key_follows_max_run_seconds(load: Load, aws: Aws, wall: WallClock) -> None:
    rotation = Rotation(load("rotate", MaxRunSeconds="60"), aws)
    rotation.rotate()
    wall.now += 600 + (30 + 1) * 86_400 + 60
    rotation.rotate()
    assert "k0" not in rotation.ring.signing


@pytest.mark.parametrize("twice", STEPS)
def test_g7_a_step_that_is_done_twice_is_done_once(rotation: Rotation, twice: str, output: Output) -> None:
    token = rotation.begin()
    seen = []
    for name in STEPS:
        rotation.step(name, token)
        seen.append(rotation.kept.versions[token].get("secret_string"))
        if name == twice:
            rotation.step(name, token)
            assert rotation.kept.versions[token].get("secret_string") == seen[-1]
    assert len(set(seen)) == 1
    assert names(rotation.ring) == ["k0", NEW]
    assert output.counts == {"rotated": 1}


@pytest.mark.parametrize(
    "early", [("testSecret",), ("finishSecret",), ("setSecret", "testSecret"), ("finishSecret",) * 2]
)
def test_g7_a_step_that_comes_too_early_changes_nothing(rotation: Rotation, early: tuple[str, ...]) -> None:
    token, before = rotation.begin(), rotation.ring
    for name in early:
        if name == "setSecret":
            rotation.step(name, token)
        else:
            assert "createSecret has not been done" in rotation.fails(name, token)
    assert rotation.ring == before
    assert rotation.labelled("AWSPENDING") == [token]
    rotation.rotate()
    assert names(rotation.ring) == ["k0", NEW]


def test_g7_steps_may_be_left_out_but_for_the_first_and_the_last(rotation: Rotation) -> None:
    token = rotation.begin()
    rotation.step("createSecret", token)
    rotation.step("finishSecret", token)
    assert names(rotation.ring) == ["k0", NEW]


@pytest.mark.parametrize("step", STEPS)
def test_g7_a_rotation_that_is_done_stays_done_and_leaves_no_label(rotation: Rotation, step: str) -> None:
    """A label that a crash left on it would stop the next rotation, once another version is current."""
    rotation.rotate()
    (token,) = rotation.labelled("AWSCURRENT")
    rotation.kept.versions[token]["version_stages"].append("AWSPENDING")
    before = rotation.ring
    rotation.step(step, token)
    assert (rotation.ring, rotation.labels()[token]) == (before, ["AWSCURRENT"])


@pytest.mark.parametrize("step", STEPS)
def test_g7_what_is_not_this_rotation_is_refused(rotation: Rotation, step: str, output: Output) -> None:
    token, before = rotation.begin(), rotation.ring
    (current,) = rotation.labelled("AWSCURRENT")
    rotation.step("createSecret", token)
    event = {"Step": step, "SecretId": rotation.secret_id, "ClientRequestToken": token}
    assert "has no ClientRequestToken" in rotation.refuses({"Step": step, "SecretId": rotation.secret_id})
    other = rotation.aws.template.names["LangGraphApiKeySecret"]
    assert "another secret" in rotation.refuses({**event, "SecretId": other})
    assert "no such version" in rotation.refuses({**event, "ClientRequestToken": new_id()})
    assert "no such step" in rotation.refuses({**event, "Step": "dropSecret"})
    rotation.kept.rotation_enabled = False
    assert "switched off" in rotation.refuses(event)
    rotation.kept.rotation_enabled = True
    rotation.kept.versions[token]["version_stages"].remove("AWSPENDING")
    assert "no longer" in rotation.refuses(event)
    assert (rotation.ring, rotation.labelled("AWSCURRENT")) == (before, [current])
    assert output.counts == {"failed": 6}


def test_g7_secrets_manager_may_try_the_function_without_rotating(rotation: Rotation) -> None:
    """As it does when it is given a schedule that does not rotate at once: testSecret with a copy of the ring."""
    token, ring = rotation.begin(), rotation.ring
    rotation.kept.versions[token]["secret_string"] = ring.text()
    rotation.kept.rotation_requested = False  # DescribeSecret says nothing of rotation yet
    rotation.step("testSecret", token)
    assert rotation.labelled("AWSPENDING") == [token]
    assert rotation.ring == ring


# ---- whatever fails --------------------------------------------------------------------------------------------------
CALLS = (
    *("DescribeSecret", "GetSecretValue", "GetSecretValue", "PutSecretValue"),
    "DescribeSecret",
    *("DescribeSecret", "GetSecretValue", "GetSecretValue"),
    *("DescribeSecret", "GetSecretValue", "GetSecretValue", "UpdateSecretVersionStage", "UpdateSecretVersionStage"),
)


def test_the_calls_of_a_rotation_are_counted(rotation: Rotation) -> None:
    """Else the test below would stop too early."""
    made: list[str] = []
    rotation.client.meta.events.register("before-send", lambda event_name, **_: made.append(event_name))
    rotation.rotate()
    assert tuple(name.rpartition(".")[2] for name in made) == CALLS


@pytest.mark.parametrize("kind", [kinds.BROKEN, kinds.ANSWER_LOST])
@pytest.mark.parametrize("call", range(len(CALLS)))
def test_g7_a_rotation_that_breaks_off_anywhere_leaves_a_ring_that_works_and_the_next_one_ends(
    rotation: Rotation, two: KeyRing, faults: Faults, wall: WallClock, kind: str, call: int
) -> None:
    """From that call on nothing is done, or done unheard of; then the step again, or the next rotation."""
    token = rotation.begin()
    with faults.on(rotation.client, kind, skip=call):
        done = _steps_until_one_fails(rotation, token)
    assert done < len(STEPS)
    ring = rotation.ring
    assert ring in (two, KeyRing(two.current, ring.signing, two.shared))
    assert two.signing.items() <= ring.signing.items()
    for name in STEPS[done:]:
        rotation.step(name, token)  # as Secrets Manager repeats what fails
    assert names(rotation.ring) == ["k0", OLD, NEW, "shared-crons"]
    assert rotation.labels()[token] == ["AWSCURRENT"]
    wall.now += 3600
    rotation.rotate()
    assert names(rotation.ring) == ["k0", OLD, NEW, f"k{int(wall.now)}", "shared-crons"]


@pytest.mark.parametrize("kind", [kinds.UNREACHABLE, kinds.ANSWER_LOST])
@pytest.mark.parametrize("call", range(len(CALLS)))
def test_g7_a_rotation_that_broke_off_and_was_left_is_followed_by_another(
    rotation: Rotation, two: KeyRing, faults: Faults, wall: WallClock, kind: str, call: int
) -> None:
    """A month later at the earliest, by when its key is too old to begin with."""
    with faults.on(rotation.client, kind, skip=call):
        _steps_until_one_fails(rotation, rotation.begin())
    wall.now += 30 * 86_400
    for _ in range(2):
        _steps_until_one_fails(rotation, rotation.begin())
    after = rotation.ring
    assert two.signing.items() <= after.signing.items()
    assert f"k{int(wall.now)}" in after.signing
    assert [labels for labels in rotation.labels().values() if "AWSPENDING" in labels] == []


def _steps_until_one_fails(rotation: Rotation, token: str) -> int:
    """Have the steps done; return how many were."""
    return sum(1 for _ in itertools.takewhile(lambda name: rotation.tries(name, token), STEPS))


@pytest.mark.parametrize("kind", [kinds.THROTTLED, kinds.ANSWER_LOST])
@pytest.mark.parametrize("call", range(len(CALLS)))
def test_g7_one_fault_is_made_good_by_a_second_try(
    rotation: Rotation, faults: Faults, output: Output, kind: str, call: int
) -> None:
    with faults.on(rotation.client, kind, times=1, skip=call):
        rotation.rotate()
    assert names(rotation.ring) == ["k0", NEW]
    assert rotation.labelled("AWSPENDING") == []
    assert output.counts == {"rotated": 1}


@pytest.mark.parametrize("text", ["", "{}", '{"current": "k0"}', "[1]", "k" * 64])
def test_g7_a_ring_that_is_none_is_never_rotated_and_never_rotated_to(rotation: Rotation, text: str) -> None:
    ring = rotation.ring
    token = rotation.begin()
    rotation.kept.versions[token]["secret_string"] = text
    rotation.step("createSecret", token)
    for step in ("testSecret", "finishSecret"):
        rotation.fails(step, token)
    assert (rotation.ring, rotation.labelled("AWSPENDING")) == (ring, [])
    rotation.rotate()
    if text:
        rotation.aws.put_secret("KeyRingSecret", text)
        assert "The secret of the key ring" in rotation.fails("createSecret", rotation.begin())
        assert rotation.aws.secret("KeyRingSecret") == text


def test_g7_a_ring_without_the_key_that_signs_now_is_found_by_the_test(rotation: Rotation, two: KeyRing) -> None:
    token = rotation.begin()
    without = KeyRing("k0", {"k0": two.signing["k0"], NEW: KEY}, two.shared)
    rotation.kept.versions[token]["secret_string"] = without.text()
    rotation.fails("testSecret", token)
    assert (rotation.ring, rotation.labelled("AWSPENDING")) == (two, [])


def test_g7_a_key_of_another_name_is_found_by_the_test(
    rotation: Rotation, two: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = rotation.begin()
    rotation.step("createSecret", token)
    monkeypatch.setattr("runledger.use_cases.rotate_keys.is_rotation", lambda *_: True)
    wrong = KeyRing(OLD, {**two.signing, OLD: b"x" * 64}, two.shared)
    rotation.kept.versions[token]["secret_string"] = wrong.text()
    assert "not good by the new ring" in rotation.fails("testSecret", token)
    assert rotation.ring == two


def test_g7_a_full_ring_is_left_as_it_is_with_an_alarm(rotation: Rotation, wall: WallClock, output: Output) -> None:
    many = {f"k{int(NOW) - 60 * number}": KEY for number in range(690)}
    full = KeyRing(f"k{int(NOW) - 600}", many, {})
    rotation.put(full)
    wall.now += 5
    assert "no place for another key" in rotation.fails("createSecret", rotation.begin())
    assert rotation.ring == full
    assert output.counts == {"failed": 1}
    wall.now += 40 * 86_400
    rotation.rotate()
    assert names(rotation.ring) == [NEW, f"k{int(wall.now)}"]


# ---- what others do meanwhile ----------------------------------------------------------------------------------------
DEEDS: dict[str, Callable[[Rotation], Any]] = {
    "a shared key is made": lambda rotation: rotation.call({"share": "scripts"}),
    "a shared key is replaced": lambda rotation: rotation.call({"share": "crons"}),
    "the key that signs is revoked": lambda rotation: rotation.call({"revoke": OLD}),
    "an old key is revoked": lambda rotation: rotation.call({"revoke": "k0"}),
    "a person puts a ring": lambda rotation: rotation.put(KeyRing("k7", {"k7": b"7" * 64}, {})),
}


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS.keys())
@pytest.mark.parametrize("before", [*STEPS[1:], "MoveToVersionId"])
def test_g7_what_is_done_to_the_ring_during_a_rotation_is_not_undone(
    rotation: Rotation, two: KeyRing, deed: Callable[[Rotation], Any], before: str
) -> None:
    """Before each step, and between the last look at the ring and the move of its label."""
    token = rotation.begin()
    assert two
    change = _once(lambda: deed(rotation))

    events = rotation.client.meta.events
    for name in STEPS:
        if name == "finishSecret" and before == "MoveToVersionId":
            events.register_first("before-call.secrets-manager.UpdateSecretVersionStage", change)
        if name == before:
            change()
        if not rotation.tries(name, token):
            break
    else:
        pytest.fail("the rotation ended as if nothing had been done")
    events.unregister("before-call.secrets-manager.UpdateSecretVersionStage", change)
    changed = rotation.ring
    assert changed != two
    assert rotation.labelled("AWSPENDING") == []
    rotation.rotate()
    after = rotation.ring
    assert changed.signing.items() <= after.signing.items()
    assert changed.shared == after.shared
    assert len(after.signing) == len(changed.signing) + 1


def test_g7_a_rotation_that_takes_minutes_is_given_up(rotation: Rotation, wall: WallClock) -> None:
    """Its key would sign before every copy of the ring has it."""
    before, token = rotation.ring, rotation.begin()
    rotation.step("createSecret", token)
    wall.now += FINISH_SECONDS + 1
    rotation.fails("finishSecret", token)
    assert (rotation.ring, rotation.labelled("AWSPENDING")) == (before, [])
    rotation.rotate()
    assert names(rotation.ring) == ["k0", f"k{int(wall.now)}"]


def test_g7_a_command_ends_a_rotation_under_way(rotation: Rotation, two: KeyRing) -> None:
    """Else RotateSecret would take it up again, as one that goes on."""
    token = rotation.begin()
    rotation.step("createSecret", token)
    rotation.call({"revoke": OLD})
    assert OLD in two.signing
    assert rotation.labelled("AWSPENDING") == []
    assert "no longer" in rotation.fails("testSecret", token)
    assert OLD not in rotation.ring.signing


def test_g7_a_pending_version_that_a_command_met_stays_without_effect(rotation: Rotation, two: KeyRing) -> None:
    """The label comes back where createSecret was about to put its ring."""
    token = rotation.begin()
    assert two
    create = rotation.client.meta.events
    create.register_first("before-call.secrets-manager.PutSecretValue", _once(lambda: rotation.call({"revoke": OLD})))
    rotation.step("createSecret", token)
    assert rotation.labelled("AWSPENDING") == [token]
    assert OLD in KeyRing.parse(rotation.kept.versions[token]["secret_string"]).signing
    rotation.fails("finishSecret", token)
    assert OLD not in rotation.ring.signing
    assert rotation.labelled("AWSPENDING") == []


def _once(act: Callable[[], object]) -> Callable[..., None]:
    done: list[bool] = []

    def hook(**_: Any) -> None:
        if not done:
            done.append(True)
            act()

    return hook


# ---- commands --------------------------------------------------------------------------------------------------------
def test_g7_a_revoked_key_is_gone_at_once_and_the_older_one_signs(
    rotation: Rotation, two: KeyRing, output: Output
) -> None:
    assert rotation.call({"revoke": OLD}) == {"revoked": OLD, "signer": "k0", "keys": ["k0", NEW, "shared-crons"]}
    after = rotation.ring
    assert after.signing["k0"] == two.signing["k0"]
    assert (after.current, after.signer(NOW), after.signer(NOW + SIGNS_AFTER_SECONDS)) == ("k0", "k0", NEW)
    assert after.shared == two.shared
    assert output.counts == {"changed": 1}


def test_g7_the_only_key_is_followed_by_a_new_one_that_signs_at_once(rotation: Rotation) -> None:
    assert rotation.call({"revoke": "k0"}) == {"revoked": "k0", "signer": NEW, "keys": [NEW]}
    assert rotation.ring.current == rotation.ring.signer(NOW) == NEW


def test_g7_a_shared_key_is_made_replaced_and_revoked(rotation: Rotation, two: KeyRing) -> None:
    assert rotation.call({"share": "scripts"})["keys"] == ["k0", OLD, "shared-crons", "shared-scripts"]
    first = rotation.ring
    assert rotation.call({"share": "scripts"}) == {
        "shared": "shared-scripts",
        "signer": OLD,
        "keys": ["k0", OLD, "shared-crons", "shared-scripts"],
    }
    second = rotation.ring
    assert len({ring.shared["shared-scripts"] for ring in (first, second)}) == 2
    assert len(second.shared["shared-scripts"]) == 64
    assert rotation.call({"revoke": "shared-scripts"})["keys"] == ["k0", OLD, "shared-crons"]
    assert rotation.ring == two


@pytest.mark.parametrize("signs", [True, False])
def test_g7_a_leaked_key_is_refused_when_the_copies_of_the_ring_are_old(load: Load, aws: Aws, *, signs: bool) -> None:
    rotation = Rotation(load("rotate"), aws)
    rotation.put(KeyRing(OLD, {**rotation.ring.signing, OLD: KEY}, {}))
    kid, launch_id = (OLD if signs else "k0"), new_id()
    leaked, other = aws.token(launch_id, kid=kid), aws.token(launch_id, kid="k0" if signs else OLD)
    webhook = load("webhook")
    clock = stand_still(webhook, aws)
    rotation.call({"revoke": kid})
    clock.now += CACHE_SECONDS
    assert webhook.call(delivery(new_id(), launch_id), f"token={leaked}").status == 503  # read this very moment
    clock.now += REREAD_SECONDS
    assert webhook.call(delivery(new_id(), launch_id), f"token={leaked}").status == 401
    assert webhook.call(delivery(new_id(), launch_id), f"token={other}").status == 200


BAD = {
    "nothing": ({}, ""),
    "no object": ([{"revoke": "k0"}], ""),
    "a text with Step": ("Step", ""),
    "null": (None, ""),
    "both": ({"revoke": "k0", "share": "a"}, ""),
    "another field": ({"drop": "k0"}, ""),
    "more": ({"revoke": "k0", "why": "leaked"}, ""),
    "an unknown kid": ({"revoke": "k5"}, "/revoke"),
    "an unknown shared key": ({"revoke": "shared-scripts"}, "/revoke"),
    "a number": ({"revoke": 0}, "/revoke"),
    "no kid": ({"revoke": "current"}, "/revoke"),
    "a kid with more": ({"revoke": "k0\n"}, "/revoke"),
    "a long name": ({"share": "a" * 33}, "/share"),
    "an empty name": ({"share": ""}, "/share"),
    "a name in capitals": ({"share": "Crons"}, "/share"),
    "a list": ({"share": ["a"]}, "/share"),
    "a kid for a name": ({"share": None}, "/share"),
}


@pytest.mark.parametrize(("payload", "pointer"), BAD.values(), ids=BAD.keys())
def test_a_command_that_is_wrong_is_told_where_and_changes_nothing(
    rotation: Rotation, two: KeyRing, output: Output, payload: Any, pointer: str
) -> None:
    answer = rotation.call(payload)
    assert (answer["status"], answer["type"]) == (400, "urn:runledger:invalid-request")
    assert [error["pointer"] for error in answer["errors"]] == [pointer]
    assert rotation.ring == two
    assert len(rotation.kept.versions) == 2
    assert output.counts == {"refused": 1, "refused:invalid-request": 1}
    if "unknown" in answer["detail"] or "no such key" in answer["detail"]:
        assert answer["detail"].endswith(f"it has k0, {OLD}, shared-crons")


def test_g5_neither_a_rotation_nor_a_command_tells_a_key(rotation: Rotation, output: Output, faults: Faults) -> None:
    rotation.rotate()
    rotation.call({"share": "crons"})
    rotation.call({"revoke": NEW})
    with faults.on(rotation.client, kinds.BROKEN, skip=3):
        rotation.fails("createSecret", rotation.begin())
    for key in (keys := rotation.every_key()):
        assert_nowhere(key, output.text, *rotation.told)
    assert len(keys) >= 3


def test_g5_what_stands_where_a_name_is_to_be_is_told_to_nobody(rotation: Rotation, output: Output) -> None:
    key = rotation.ring.signing["k0"].decode()
    for payload in ({"revoke": key}, {"share": key}, {key: "k0"}, {"revoke": [key]}, [key], key):
        assert rotation.call(payload)["status"] == 400
    event = {"Step": key, "SecretId": key, "ClientRequestToken": key}
    rotation.refuses(event)
    rotation.refuses({**event, "SecretId": rotation.secret_id})
    rotation.refuses({**event, "SecretId": rotation.secret_id, "Step": "createSecret"})
    assert_nowhere(key, output.text, *rotation.told)


def test_g7_two_commands_at_once_both_take_effect(rotation: Rotation, two: KeyRing) -> None:
    events = rotation.client.meta.events
    assert two
    share = _once(lambda: rotation.call({"share": "scripts"}))
    events.register_first("before-call.secrets-manager.UpdateSecretVersionStage", share)
    rotation.call({"revoke": OLD})
    events.unregister("before-call.secrets-manager.UpdateSecretVersionStage", share)
    assert names(rotation.ring) == ["k0", NEW, "shared-crons", "shared-scripts"]


def test_g7_a_command_that_always_comes_too_late_says_so(rotation: Rotation, two: KeyRing, output: Output) -> None:
    events = rotation.client.meta.events
    count = iter(range(9))

    def put(**_: Any) -> None:
        rotation.put(KeyRing(two.current, two.signing, {"shared-x": f"{next(count):064}".encode()}))

    events.register_first("before-call.secrets-manager.UpdateSecretVersionStage", put)
    assert "changed by somebody else" in rotation.refuses({"revoke": OLD})
    events.unregister("before-call.secrets-manager.UpdateSecretVersionStage", put)
    assert rotation.ring.shared == {"shared-x": f"{2:064}".encode()}
    assert output.counts == {"failed": 1}


@pytest.mark.parametrize("kind", [kinds.UNREACHABLE, kinds.ANSWER_LOST])
@pytest.mark.parametrize("call", range(5))
def test_g7_a_revocation_that_breaks_off_is_done_by_the_same_command_again(
    rotation: Rotation, two: KeyRing, faults: Faults, kind: str, call: int
) -> None:
    """Also where a rotation was under way, whose label is the last that it takes away."""
    token = rotation.begin()
    rotation.step("createSecret", token)
    with faults.on(rotation.client, kind, skip=call):
        if call < 3:
            rotation.refuses({"revoke": OLD})
        else:  # it is done by then
            assert rotation.call({"revoke": OLD})["keys"] == ["k0", NEW, "shared-crons"]
    if OLD in rotation.ring.signing:
        assert rotation.ring == two
        rotation.call({"revoke": OLD})
    assert names(rotation.ring) == ["k0", NEW, "shared-crons"]
    for step in ("testSecret", "finishSecret"):
        rotation.fails(step, token)
    assert names(rotation.ring) == ["k0", NEW, "shared-crons"]
    assert rotation.labelled("AWSPENDING") == []


@pytest.mark.parametrize("kind", [kinds.THROTTLED, kinds.ANSWER_LOST])
@pytest.mark.parametrize("call", range(4))
def test_g7_one_fault_of_a_command_is_made_good_by_a_second_try(
    rotation: Rotation, two: KeyRing, faults: Faults, kind: str, call: int
) -> None:
    assert two
    with faults.on(rotation.client, kind, times=1, skip=call):
        assert rotation.call({"revoke": OLD})["keys"] == ["k0", NEW, "shared-crons"]
    assert names(rotation.ring) == ["k0", NEW, "shared-crons"]
