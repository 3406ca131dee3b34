"""Rotations under traffic: nothing genuine is refused, and each run is recorded by its webhook (G7)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from local import logs
from local.resources import scan
from runledger.adapters.secrets_manager import CACHE_SECONDS
from runledger.domain.tokens import SIGNS_AFTER_SECONDS, KeyRing, created_at
from tests.e2e.client import Ledger, eventually
from tests.e2e.watched import WatchedStack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.stack import Stack

RUNS, ROTATIONS = 200, 3
CALLERS = 4
TRIED = 12  # launches by which it is found out how long RUNS of them take here


@pytest.fixture
def lines() -> list[str]:
    """What the functions print."""
    return []


@pytest.fixture
def stack(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> Iterator[Stack]:
    """A stack of its own, whose clocks can be put ahead, with the LangGraph server of all tests."""
    folder = tmp_path_factory.mktemp("rotation")
    url = ledger.stack.langgraph_url
    with WatchedStack(
        langgraph_url=url, folder=folder, triggers=False, log=lambda _name, line: lines.append(line)
    ) as running:
        yield running


def ring(stack: Stack) -> KeyRing:
    secret = stack.client("secretsmanager").get_secret_value(SecretId=stack.template.names["KeyRingSecret"])
    return KeyRing.parse(secret["SecretString"])


def launch(stack: Stack, count: int, **body: Any) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(CALLERS) as callers:
        return list(callers.map(lambda _: Ledger(stack).launch(input={"task": "answer"}, **body), range(count)))


def kid(stack: Stack, launched: dict[str, Any]) -> str:
    """Return the key that signed the token of a run's webhook."""
    run: Any = Ledger(stack).langgraph(lambda client: client.runs.get(launched["thread_id"], launched["run_id"]))
    return str(run["kwargs"]["webhook"].partition("token=")[2].partition(".")[0])


def count(message: str, lines: list[str]) -> int:
    """Return how often the functions logged it."""
    return sum((logs.parse(line) or {}).get("message") == message for line in list(lines))


def assert_recorded(stack: Stack, launched: list[dict[str, Any]], lines: list[str], seconds: float = 60) -> None:
    """All the runs end in the ledger, each told by its webhook, and no delivery was refused or failed."""
    wanted = {run["run_id"] for run in launched}

    def all_told() -> bool | None:
        found = scan(stack.table("RunsTable"), "run_id", "source")
        return {item["run_id"] for item in found if item.get("source") == "webhook"} >= wanted or None

    eventually(all_told, seconds)
    eventually(lambda: count("delivered", lines) >= len(wanted) or None)  # the lines come a moment later
    told = [members for line in lines if (members := logs.parse(line))]
    assert [members for members in told if members["level"] not in ("DEBUG", "INFO")] == []
    assert count("delivered", lines) == len(wanted)


def test_g7_200_runs_in_flight_across_three_rotations_are_all_recorded(stack: Stack, lines: list[str]) -> None:
    """A quarter of them launched under each key; none is delivered before the last rotation."""
    launched, signers = launch(stack, TRIED), []  # the functions are started
    tries = time.monotonic()
    launched += launch(stack, TRIED)
    ahead = 5 + (time.monotonic() - tries) * RUNS / TRIED
    eventually(lambda: count("delivered", lines) == 2 * TRIED or None)
    begins = time.monotonic() + ahead
    for number in range(ROTATIONS + 1):
        if number:
            stack.rotate()
            stack.let_pass(SIGNS_AFTER_SECONDS)
        waits = max(0, int(begins - time.monotonic()))
        batch = launch(stack, RUNS // (ROTATIONS + 1), after_seconds=waits)
        signers.append({kid(stack, batch[0]), kid(stack, batch[-1])})
        launched += batch
        assert number == ROTATIONS or count("delivered", lines) == 2 * TRIED, "it has become slower meanwhile"
    assert_recorded(stack, launched, lines, 60 + ahead)
    keys = list(ring(stack).signing)
    assert len(keys) == ROTATIONS + 1
    assert signers == [{key} for key in keys]


def test_g7_rotations_in_a_row_under_traffic_refuse_nothing_and_the_new_keys_wait(
    stack: Stack, lines: list[str]
) -> None:
    """On demand, while others launch and deliver; the second comes before the first one's key has signed anything."""
    with ThreadPoolExecutor(1) as traffic:
        meanwhile = traffic.submit(launch, stack, 24)
        eventually(lambda: count("launched", lines) > 2 or None)
        stack.rotate()
        stack.rotate()
        launched = meanwhile.result()
    old, first, second = ring(stack).signing
    assert created_at(old) < created_at(first) < created_at(second)
    stack.let_pass(CACHE_SECONDS)  # every copy of the ring is read anew, and has the new keys
    launched += (waiting := launch(stack, 1))
    stack.let_pass(SIGNS_AFTER_SECONDS - CACHE_SECONDS)
    launched += (signing := launch(stack, 1))
    assert (kid(stack, waiting[0]), kid(stack, signing[0])) == (old, second)
    assert {kid(stack, run) for run in launched[:24]} == {old}
    assert_recorded(stack, launched, lines)


def test_g7_a_leaked_key_is_revoked_at_once_and_its_runs_are_found_all_the_same(stack: Stack, lines: list[str]) -> None:
    """The next key signs at once; whatever the old one had signed is refused when the copies of the ring are old."""
    refused = launch(stack, 1, after_seconds=4)
    answer = stack.pools["RotateFunction"].invoke({"revoke": "k0"})
    (new,) = ring(stack).signing
    assert answer == {"revoked": "k0", "signer": new, "keys": [new]}
    stack.let_pass(CACHE_SECONDS)
    launched = launch(stack, 1)
    assert (kid(stack, refused[0]), kid(stack, launched[0])) == ("k0", new)
    eventually(lambda: count("refused", lines) or None)
    assert Ledger(stack).landed(launched[0]["run_id"])["launch_id"] == launched[0]["launch_id"]
    stack.recover()
    found = Ledger(stack).run(refused[0]["run_id"])
    assert (found["source"], found["outcome"]) == ("reconcile", "succeeded")
