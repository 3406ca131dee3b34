"""Pages of runs, newest first: what `GET /runs` asks for, and the cursor that leads on from one page to the next.

Runs of one outcome stand in 8 shards of an index, those of one thread in one partition; a page is merged from all of
them. A cursor says where each partition was left, and holds nothing else: the partitions are the query's own, so a
cursor that somebody made up reaches nothing that its sender could not ask for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import heapq
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import parse_qsl

from runledger.domain.fields import ANYTHING, UUID, Field, one_of
from runledger.domain.ledger import SHARDS
from runledger.domain.outcomes import Outcome
from runledger.domain.problems import FieldError, invalid_request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runledger.domain.strict_json import Json

DEFAULT_LIMIT, MAX_LIMIT = 20, 100
_LIMIT = re.compile(r"[1-9]\d?|100", re.ASCII)
OUTCOMES: tuple[str, ...] = get_args(Outcome)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)

type Summary = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run stands in its partition; `created_at` in the ledger's format."""

    created_at: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A valid query of `GET /runs`.

    `after` has a position for each partition, None for one of which nothing was returned so far. `newest` is the time
    of the first page's first run: what was made since then would stand in the wrong place on a later page.
    """

    by: str
    value: str
    limit: int
    newest: str | None
    after: tuple[Position | None, ...]

    @property
    def partitions(self) -> tuple[str, ...]:
        """Return the keys of the index's partitions that have such runs."""
        return _partitions(self.by, self.value)


def _limit(value: Json) -> str | None:
    return None if _LIMIT.fullmatch(str(value)) else f"must be a whole number from 1 to {MAX_LIMIT}"


# Checked are texts; the schemas are of what these texts say. That just one of the first two is to be sent, none of them
# twice and nothing else, is beyond OpenAPI; what a cursor holds is checked against the query that it is sent with.
PARAMETERS: dict[str, Field] = {
    "thread_id": UUID,
    "outcome": one_of(*OUTCOMES),
    "limit": Field(_limit, {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}),
    "cursor": Field(ANYTHING.check, {"type": "string"}),
}


def parse_listing(query: str) -> Listing:
    """Check the raw query string of `GET /runs`; raise a Problem that names every bad parameter."""
    pairs = parse_qsl(query, keep_blank_values=True)
    given = dict(pairs)
    errors = [_wrong(name, f"unknown; known are {', '.join(PARAMETERS)}") for name in given if name not in PARAMETERS]
    errors += [_wrong(name, "given more than once") for name in given if [n for n, _ in pairs].count(name) > 1]
    if ("thread_id" in given) == ("outcome" in given):
        errors.append(_wrong("thread_id", "send either thread_id or outcome"))
    errors += [
        _wrong(name, complaint)
        for name, known in PARAMETERS.items()
        if name in given and (complaint := known.check(given[name]))
    ]
    if errors:
        raise invalid_request(*errors)
    by = "thread_id" if "thread_id" in given else "outcome"
    value = given[by].lower() if by == "thread_id" else given[by]
    newest, after = _read(given["cursor"], by, value) if "cursor" in given else (None, None)
    return Listing(
        by, value, int(given.get("limit", DEFAULT_LIMIT)), newest, after or (None,) * len(_partitions(by, value))
    )


def page(listing: Listing, found: Sequence[Sequence[Summary]]) -> tuple[list[Summary], str | None]:
    """Return the runs of a page and the cursor of the next, None after the last.

    `found` has the runs of each partition from where it was left, newest first, and one more than the page can have.
    """
    tagged = ([(number, run) for run in runs] for number, runs in enumerate(found))
    merged = list(heapq.merge(*tagged, key=lambda one: str(one[1]["created_at"]), reverse=True))
    taken = merged[: listing.limit]
    if len(merged) == len(taken):
        return [run for _, run in taken], None
    after = list(listing.after)
    for number, run in taken:
        after[number] = Position(run["created_at"], run["run_id"])
    newest = listing.newest or str(taken[0][1]["created_at"])
    return [run for _, run in taken], _write(listing, newest, after)


def _partitions(by: str, value: str) -> tuple[str, ...]:
    return (value,) if by == "thread_id" else tuple(f"{value}#{number}" for number in range(SHARDS))


def _write(listing: Listing, newest: str, after: list[Position | None]) -> str:
    positions = [one and [one.created_at, one.run_id] for one in after]
    text = json.dumps([_digest(listing.by, listing.value), newest, positions], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str, by: str, value: str) -> tuple[str, tuple[Position | None, ...]]:
    """Take a cursor apart, each part checked: DynamoDB is given nothing that it would refuse."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        digest, newest, positions = json.loads(text)
        after = tuple(one if one is None else Position(*one) for one in positions)
        is_ours = digest == _digest(by, value) and len(after) == len(_partitions(by, value)) and _TIME.fullmatch(newest)
        is_ours = is_ours and all(one is None or _is_place(one, newest) for one in after)
    except (ValueError, TypeError, RecursionError, binascii.Error):
        is_ours = None
    if not is_ours:
        raise invalid_request(_wrong("cursor", "not one that was given out for this query; begin without a cursor"))
    return newest, after


def _is_place(position: Position, newest: str) -> bool:
    is_whole = _TIME.fullmatch(position.created_at) and _UUID.fullmatch(position.run_id)
    return bool(is_whole) and position.created_at <= newest


def _digest(by: str, value: str) -> str:
    return hashlib.sha256(f"{by}={value}".encode()).hexdigest()[:16]


def _wrong(name: str, detail: str) -> FieldError:
    return FieldError(name, detail, is_parameter=True)
