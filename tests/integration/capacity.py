"""What DynamoDB would bill a call with: moto does not count it, so this follows AWS's own rules.

A write costs one unit for each KB of the item, the larger of before and after; an index is written where what it shows
changes, twice where its key does; a read costs a unit for each 4 KB, half that where it need not be the newest.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

type Item = dict[str, Any]  # in DynamoDB's JSON

_WRITE_BYTES, _READ_BYTES, _OVERHEAD_BYTES = 1024, 4096, 100


def written(before: Item | None, after: Item | None, properties: Mapping[str, Any]) -> dict[str, int]:
    """Return the write units of an UpdateItem, the table's under "" and those of each index that is written.

    `properties` are the table's in the template.
    """
    units = {"": max(_units(before, _WRITE_BYTES), _units(after, _WRITE_BYTES), 1)}
    if before != after:
        for index in _indexes(properties):
            units[index["IndexName"]] = _index_units(before, after, index, properties)
    return {name: n for name, n in units.items() if n}


def read(items: list[Item], *, newest: bool) -> float:
    """Return the read units of a GetItem (`newest`) or of a Query, whose items count together."""
    units = max(math.ceil(sum(map(size, items)) / _READ_BYTES), 1)
    return float(units) if newest else units / 2


def stored(item: Item, properties: Mapping[str, Any]) -> int:
    """Return the bytes that an item takes in its table and the table's indexes, each with AWS's own hundred."""
    shown = [_shown(item, index, properties) for index in _indexes(properties)]
    return sum(size(one) + _OVERHEAD_BYTES for one in (item, *shown) if one)


def size(item: Item) -> int:
    """Return an item's size in bytes, as DynamoDB counts it."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(typed: Mapping[str, Any]) -> int:
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return math.ceil(len(value.strip("-").replace(".", "")) / 2) + 1
        case "M":
            return 3 + size(value) + len(value)
        case "L":
            return 3 + sum(1 + _size(one) for one in value)
        case "SS":
            return sum(len(one.encode()) for one in value)
    return 1  # true, false, null


def _indexes(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(properties.get("GlobalSecondaryIndexes", []))


def _index_units(before: Item | None, after: Item | None, index: Mapping[str, Any], table: Mapping[str, Any]) -> int:
    old, new = (_shown(item, index, table) for item in (before, after))
    if old == new:
        return 0
    keys = [key["AttributeName"] for key in index["KeySchema"]]
    if old and new and [old[key] for key in keys] == [new[key] for key in keys]:
        return max(_units(old, _WRITE_BYTES), _units(new, _WRITE_BYTES))
    return _units(old, _WRITE_BYTES) + _units(new, _WRITE_BYTES)


def _shown(item: Item | None, index: Mapping[str, Any], table: Mapping[str, Any]) -> Item | None:
    """Return what an index has of an item; None where the item lacks the index's key."""
    keys = [key["AttributeName"] for key in (*index["KeySchema"], *table["KeySchema"])]
    if item is None or not all(key in item for key in keys):
        return None
    names = {*keys, *index["Projection"].get("NonKeyAttributes", ())}
    return {name: value for name, value in item.items() if name in names}


def _units(item: Item | None, unit: int) -> int:
    return math.ceil(size(item) / unit) if item else 0
