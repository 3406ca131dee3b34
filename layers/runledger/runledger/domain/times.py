"""One format for every time in the ledger, so that text sorts as time does."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(epoch_seconds: float) -> str:
    """Format seconds since 1970 as `2026-11-22T05:59:32.829296Z`, always with six decimals."""
    return _format(datetime.fromtimestamp(epoch_seconds, UTC))


def normalised(text: object) -> str | None:
    """Return a time of LangGraph's (ISO 8601; UTC where it has no offset) in the ledger's format; else None."""
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
        return _format(time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _format(time: datetime) -> str:
    return time.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"  # strftime doesn't pad the year
