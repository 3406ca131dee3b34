"""What an update makes of an item, without a table: conditions and changes as DynamoDB has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runledger.domain.conditions import Absent, AtLeast, AtMost, Below, Differs, Either, Equals, OneOf, Present

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runledger.domain.conditions import Condition
    from runledger.domain.ledger import Update


def holds(condition: Condition, item: Mapping[str, Any]) -> bool:  # noqa: PLR0911 - one for each kind
    match condition:
        case Present(name):
            return name in item
        case Absent(name):
            return name not in item
        case Equals(name, value):
            return bool(name in item and item[name] == value)
        case Differs(name, value):
            return bool(name not in item or item[name] != value)
        case OneOf(name, values):
            return item.get(name) in values
        case AtLeast(name, value):
            return bool(name in item and item[name] >= value)
        case AtMost(name, value):
            return bool(name in item and item[name] <= value)
        case Below(name, value):
            return bool(item.get(name, 0) < value)
        case Either(one, other):
            return holds(one, item) or holds(other, item)


def changed(item: Mapping[str, Any], update: Update) -> dict[str, Any] | None:
    """Return the item after an update; None where a condition of it does not hold."""
    if not all(holds(condition, item) for condition in update.when):
        return None
    after = {**update.key, **item}
    after |= {name: value for name, value in update.set.items() if value is not None}
    after |= {name: value for name, value in update.once.items() if value is not None and name not in item}
    for name in update.remove:
        after.pop(name, None)
    for name, more in update.add.items():
        after[name] = (item.get(name, frozenset()) | more) if isinstance(more, frozenset) else item.get(name, 0) + more
    return after
