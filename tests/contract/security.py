"""The table of SECURITY.md, as its test and `make mutations` read it."""

from __future__ import annotations

from dataclasses import dataclass

from local.template import ROOT

_COLUMNS = 5


@dataclass(frozen=True)
class Row:
    """What somebody can try: the test that shows what stops it, as pytest names it, and the mutation that lets it."""

    what: str
    test: str
    mutation: str


def rows() -> list[Row]:
    """Return the rows of the table, below its head."""
    lines = [line for line in (ROOT / "SECURITY.md").read_text().splitlines() if line.startswith("|")]
    return [_row(line) for line in lines[2:]]


def _row(line: str) -> Row:
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert len(cells) == _COLUMNS, line
    _, what, _, test, mutation = cells
    return Row(what, test.strip("`"), mutation.strip("`"))
