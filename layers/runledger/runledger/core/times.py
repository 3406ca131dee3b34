"""One format for every time in the ledger, so that text sorts as time does."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(epoch_seconds: float) -> str:
    """Format seconds since 1970 as `2026-11-22T05:59:32.829296Z`, always with six decimals."""
    return _format(datetime.fromtimestamp(epoch_seconds, UTC))


def normalised(text: object) -> str | None:
    """Return a time of LangGraph's (ISO 8601, any offset) in the ledger's format; None where it isn't one."""
    if not isinstance(text, str):
        return None
    try:
        return _format(datetime.fromisoformat(text).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _format(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
