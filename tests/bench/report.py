"""What `make bench` found, as Markdown."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from tests.bench.budgets import BUDGETS

if TYPE_CHECKING:
    from collections.abc import Iterator

UNITS = {"cold": "", "warm": "", "size": " MB", "aws_calls": ""}
SAID = {"cold": "cold", "warm": "warm", "size": "with layers, unpacked", "aws_calls": "calls to AWS"}
_HEAD = """\
# How fast, how large
`make bench` on {machine}, {date}: {count} rounds. In each, every handler is started in Lambda's emulator, in turn,
from what `sam build` made: code read-only, no bytecode written, the start at the first call. The references are `sam
build`'s own default, `minimal` and `guide, bytecode` with bytecode added. `warm` is the median of {warm_calls} further
calls, less their waits for AWS, which are of the same length for all (`level.py`). Ratios are medians of pairs within a
round.
"""
_SHOWN = ("cold", "cold_cpu", "warm", "warm_cpu", "peak", "size", "aws_calls")


def markdown(results: dict[str, Any]) -> str:
    """Return the whole report."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: dict[str, Any]) -> Iterator[str]:
    rounds = results["rounds"]
    yield _HEAD.format(**results)
    yield "![cold starts](results.svg)"
    yield ""
    yield "| budget | at most | spent | |"
    yield "|---|---|---|---|"
    for budget in BUDGETS:
        spent, unit = budget.spent(rounds), UNITS[budget.figure]
        times = f" times {budget.reference}" if budget.reference else ""
        figure = f"{spent:.2f}" if budget.reference else f"{spent:.0f}"
        mark = "kept" if spent <= budget.most else "**exceeded**"
        yield f"| {budget.subject}: {SAID[budget.figure]} | {budget.most:g}{unit}{times} | {figure}{unit} | {mark} |"
    yield ""
    yield "Medians; times in ms, `cpu` is the processor's time of the function's process, which drifts less."
    yield ""
    yield "| handler | cold | cold cpu | warm | warm cpu | peak MB | unpacked MB | calls to AWS |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, figures in rounds.items():
        shown = [median(one[figure] for one in figures) for figure in _SHOWN]
        yield f"| {name} | " + " | ".join(_figure(value) for value in shown) + " |"


def _figure(value: float) -> str:
    return f"{value:.1f}" if 0 < value < 100 and value % 1 else f"{value:.0f}"
