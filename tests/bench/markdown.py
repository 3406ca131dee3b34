"""Tables for the pages that are made here."""

from __future__ import annotations

type Rows = list[tuple[object, ...]]


def table(head: tuple[str, ...], rows: Rows) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
