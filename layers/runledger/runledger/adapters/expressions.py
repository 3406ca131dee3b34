"""DynamoDB's expression language: an update of the ledger as the parameters of UpdateItem."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeSerializer

from runledger.domain.conditions import Absent, AtLeast, AtMost, Below, Differs, Either, Equals, OneOf, Present

if TYPE_CHECKING:
    from runledger.domain.conditions import Condition
    from runledger.domain.ledger import Update

_NAME = re.compile(r"#(\w+)")
_FORMS = {
    Present: "attribute_exists({0})",
    Absent: "attribute_not_exists({0})",
    Equals: "{0} = {1}",
    Differs: "(attribute_not_exists({0}) OR {0} <> {1})",
    AtLeast: "{0} >= {1}",
    AtMost: "{0} <= {1}",
    Below: "(attribute_not_exists({0}) OR {0} < {1})",
}
serialize = TypeSerializer().serialize


def request(update: Update) -> dict[str, Any]:
    """Build the UpdateItem parameters of `update`, without the table's name."""
    sets = {name: value for name, value in update.set.items() if value is not None}
    once = {name: value for name, value in update.once.items() if value is not None}
    clauses = [
        f"#{name} = if_not_exists(#{name}, :{name})" if name in once else f"#{name} = :{name}" for name in sets | once
    ]
    expression = [f"SET {', '.join(clauses)}"] if clauses else []
    if update.remove:
        expression.append("REMOVE " + ", ".join(f"#{name}" for name in update.remove))
    if update.add:
        expression.append("ADD " + ", ".join(f"#{name} :{name}" for name in update.add))
    text = " ".join(expression)
    values: dict[str, object] = {**sets, **once, **update.add}
    condition = " AND ".join(_text(one, values) for one in update.when)
    return {
        "Key": {name: serialize(value) for name, value in update.key.items()},
        "UpdateExpression": text,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {f"#{name}": name for name in _NAME.findall(f"{text} {condition}")},
        "ExpressionAttributeValues": {f":{name}": _typed(value) for name, value in values.items()},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _text(condition: Condition, values: dict[str, object]) -> str:
    """Return a condition as an expression; what it compares with is added to `values`."""

    def value(of: object) -> str:
        name = f"if_{len(values)}"
        values[name] = of
        return f":{name}"

    if isinstance(condition, Either):
        return f"({_text(condition.one, values)} OR {_text(condition.other, values)})"
    if isinstance(condition, OneOf):
        return f"#{condition.name} IN ({', '.join(map(value, condition.values))})"
    if isinstance(condition, Present | Absent):
        return _FORMS[type(condition)].format(f"#{condition.name}")
    return _FORMS[type(condition)].format(f"#{condition.name}", value(condition.value))


def _typed(value: object) -> Any:  # noqa: ANN401 - DynamoDB's own form
    """Return a value in DynamoDB's form; nearly all are texts, which the serializer tells from nine other types."""
    return {"S": value} if type(value) is str else serialize(value)
