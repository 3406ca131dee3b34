"""What is printed for a person fits into 80 columns."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from local import ledger
from runledger.domain.listings import OUTCOMES

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("size", [999, 999_949, 50_000_000])
def test_the_ledger_shows_each_id_and_word_in_full(size: int) -> None:
    run_id, created_at = "01a212d1-1074-779b-8b20-d0de46943fe4", "2026-11-25T13:07:00.000Z"
    run = {"run_id": run_id, "disputed": True, "source": "reconcile", "payload_bytes": size, "created_at": created_at}
    console = Console(width=80)
    with console.capture() as capture:
        console.print(ledger.table([{**run, "outcome": outcome} for outcome in OUTCOMES]))
    rows = [line.split() for line in capture.get().splitlines() if "reconcile" in line]
    assert [row[:3] for row in rows] == [[run_id, f"{outcome}?", "reconcile"] for outcome in OUTCOMES]
    assert {row[4] for row in rows} == {"13:07:00"}


def test_make_help_does_not_wrap() -> None:
    printed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "keys " in printed
    assert max(map(len, printed.splitlines())) <= 80
