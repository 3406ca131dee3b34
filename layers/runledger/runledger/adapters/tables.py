"""DynamoDB: the Runs and Launches tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from runledger.core.problems import unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from runledger.core.ledger import Update

_NAME = re.compile(r"#(\w+)")
_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


class Table:
    """One table, written by conditional updates alone."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        """`name` is the physical one."""
        self._client, self._name = client, name

    def apply(self, update: Update) -> dict[str, Any] | None:
        """Do `update`. None where it was done; where its condition failed, the item as it is.

        Raises a 503 Problem where DynamoDB can't be reached or throttles beyond the client's own tries.
        """
        try:
            self._client.update_item(TableName=self._name, **request(update))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code != "ConditionalCheckFailedException":
                raise unavailable(f"The ledger can't be written ({code}).") from error
            item: dict[str, Any] = error.response.get("Item", {})  # type: ignore[assignment]
            return {name: _deserialize(value) for name, value in item.items()}
        except BotoCoreError as error:
            raise unavailable(f"The ledger can't be written ({type(error).__name__}).") from error
        return None


def request(update: Update) -> dict[str, Any]:
    """Build the UpdateItem parameters of `update`, without the table's name."""
    sets = {name: value for name, value in update.set.items() if value is not None}
    once = {name: value for name, value in update.once.items() if value is not None}
    clauses = [
        f"#{name} = if_not_exists(#{name}, :{name})" if name in once else f"#{name} = :{name}" for name in sets | once
    ]
    expression = [f"SET {', '.join(clauses)}"]
    if update.remove:
        expression.append("REMOVE " + ", ".join(f"#{name}" for name in update.remove))
    if update.add:
        expression.append("ADD " + ", ".join(f"#{name} :{name}" for name in update.add))
    text = " ".join(expression)
    values = {**sets, **once, **update.add, **{f"if_{name}": value for name, value in update.given.items()}}
    condition = update.condition.replace(
        ":", ":if_"
    )  # a value of the condition may share its name with one that is set
    return {
        "Key": {name: _serialize(value) for name, value in update.key.items()},
        "UpdateExpression": text,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {f"#{name}": name for name in _NAME.findall(f"{text} {condition}")},
        "ExpressionAttributeValues": {f":{name}": _serialize(value) for name, value in values.items()},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
