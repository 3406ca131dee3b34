"""What is installed is what was locked: the same versions everywhere, by hash, from no named host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from local.template import ROOT

if TYPE_CHECKING:
    from pathlib import Path

LAYERS = [ROOT / "layers" / name / "requirements.txt" for name in ("runledger", "langgraph")]
DEV = ROOT / "requirements-dev.txt"
LOCKS = sorted(
    [
        *ROOT.glob("requirements*.txt"),
        *(path for folder in ("layers", "local", "tests") for path in (ROOT / folder).rglob("requirements*.txt")),
    ]
)
_PIN = re.compile(r"([a-z0-9][a-z0-9.-]*)(?:\[[a-z0-9,-]+\])?==([^\s;]+)(?: ; [^\\]+)?(?: --hash=sha256:[0-9a-f]{64})+")


def versions(lock: Path) -> dict[str, set[str]]:
    """Return the versions of each package; a lock for all platforms may pin several."""
    found: dict[str, set[str]] = {}
    for line in lines(lock):
        match = _PIN.fullmatch(line)
        assert match, f"{lock.name}: {line[:100]}"
        found.setdefault(match[1], set()).add(match[2])
    return found


def lines(lock: Path) -> list[str]:
    """Return the requirements, each on one line."""
    joined = re.sub(r"\s*\\\n\s*", " ", lock.read_text())
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


def test_make_lock_makes_every_lock_but_that_of_its_own_tool() -> None:
    made = {ROOT / name for name in re.findall(r"-o (\S+)", (ROOT / "Makefile").read_text())}
    assert set(LOCKS) - made == {ROOT / "requirements-uv.txt"}
    assert made <= set(LOCKS)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_requirement_is_pinned_with_hashes_and_no_host_is_named(lock: Path) -> None:
    assert versions(lock)
    assert "://" not in lock.read_text()
    assert not [line for line in lines(lock) if line.startswith("-") or " @ " in line]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda path: path.parent.name)
def test_tests_run_on_the_versions_that_are_deployed(layer: Path) -> None:
    dev = versions(DEV)
    deployed = versions(layer)
    assert {name: dev.get(name) for name in deployed} == deployed


def test_the_layers_agree_where_they_overlap() -> None:
    runledger, langgraph = map(versions, LAYERS)
    shared = set(runledger) & set(langgraph)
    assert {name: runledger[name] for name in shared} == {name: langgraph[name] for name in shared}


def test_the_shared_layer_stays_light() -> None:
    assert not set(versions(LAYERS[0])) & {"langgraph-sdk", "langchain-core", "pydantic", "httpx", "orjson"}
