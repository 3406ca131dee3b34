"""DynamoDB: the Runs and Launches tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import BotoCoreError, ClientError

from runledger import deadline
from runledger.adapters.expressions import request, serialize
from runledger.domain.problems import unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from runledger.domain.ledger import Update
    from runledger.domain.listings import Position
    from runledger.domain.run import Run

_PAGE = 100
_deserialize = TypeDeserializer().deserialize


class Table[T]:
    """One table, written by conditional updates alone. `key` is the name of its key."""

    key: ClassVar[str]

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        """`name` is the physical one."""
        self._client, self._name = client, name

    def apply(self, update: Update) -> T | None:
        """Do `update`. None where it was done; where its condition failed, the item as it is.

        Raises a 503 Problem where DynamoDB can't be reached or throttles beyond the client's own tries, or no time is
        left.
        """
        deadline.check()
        try:
            self._client.update_item(TableName=self._name, **request(update))
        except (BotoCoreError, ClientError) as error:
            if not isinstance(error, ClientError) or _code(error) != "ConditionalCheckFailedException":
                raise unavailable(f"The ledger can't be written ({_code(error)}).") from error
            return cast("T", plain(error.response.get("Item", {})))  # type: ignore[arg-type]
        return None

    def item(self, item_id: str) -> T | None:
        """Return the item with this id, as it is now; None where there is none."""
        try:
            answer = self._client.get_item(
                TableName=self._name, Key={self.key: serialize(item_id)}, ConsistentRead=True
            )
        except (BotoCoreError, ClientError) as error:
            raise unavailable(f"The ledger can't be read ({_code(error)}).") from error
        return cast("T", plain(answer["Item"])) if "Item" in answer else None

    def due(self, shard: int, up_to: int) -> Iterator[dict[str, Any]]:
        """Yield summaries of what is due in one shard at epoch second `up_to`, the longest due first."""
        return self._query(
            IndexName="due",
            KeyConditionExpression="due_shard = :shard AND due_at <= :up_to",
            ExpressionAttributeValues={":shard": serialize(str(shard)), ":up_to": serialize(up_to)},
        )

    def _query(self, **parameters: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - boto3's own
        while True:
            items, next_key = self._page(Limit=_PAGE, **parameters)
            yield from items
            if next_key is None:
                return
            parameters["ExclusiveStartKey"] = next_key

    def _page(self, **parameters: Any) -> tuple[list[dict[str, Any]], Any]:  # noqa: ANN401 - boto3's own
        try:
            page = self._client.query(TableName=self._name, **parameters)
        except (BotoCoreError, ClientError) as error:
            raise unavailable(f"The ledger can't be read ({_code(error)}).") from error
        return [plain(item) for item in page["Items"]], page.get("LastEvaluatedKey")


class RunsTable(Table["Run"]):
    """The Runs table, with the indexes that lists are read from."""

    key = "run_id"

    def of_launch(self, launch_id: str) -> Iterator[Run]:
        """Yield summaries of a launch's runs, oldest first, as of a moment ago."""
        return cast(
            "Iterator[Run]",
            self._query(
                IndexName="by-launch",
                KeyConditionExpression="launch_id = :launch_id",
                ExpressionAttributeValues={":launch_id": serialize(launch_id)},
            ),
        )

    def newest_of_launch(self, launch_id: str, limit: int) -> list[Run]:
        """Return summaries of a launch's runs, newest first, as of a moment ago."""
        return self._newest("launch_id", launch_id, limit, IndexName="by-launch")

    def newest_of_thread(self, thread_id: str, limit: int, newest: str | None, after: Position | None) -> list[Run]:
        """Return summaries of a thread's runs, newest first: not newer than `newest`, from `after` on."""
        return self._newest("thread_id", thread_id, limit, newest, after, IndexName="by-thread")

    def newest_of_outcome(
        self, outcome_shard: str, limit: int, newest: str | None, after: Position | None
    ) -> list[Run]:
        """Return summaries of the runs in one shard of an outcome, as for a thread."""
        return self._newest("outcome_shard", outcome_shard, limit, newest, after, IndexName="by-outcome")

    def _newest(
        self,
        key: str,
        value: str,
        limit: int,
        newest: str | None = None,
        after: Position | None = None,
        **index: str,
    ) -> list[Run]:
        """Read one page of an index: `limit` summaries are far below the megabyte at which DynamoDB would cut it."""
        values = {":value": serialize(value)}
        parameters: dict[str, Any] = {"ScanIndexForward": False, "Limit": limit, **index}
        condition = f"{key} = :value"
        if newest:
            condition += " AND created_at <= :newest"
            values[":newest"] = serialize(newest)
        if after:
            start = {key: value, "created_at": after.created_at, "run_id": after.run_id}
            parameters["ExclusiveStartKey"] = {name: serialize(part) for name, part in start.items()}
        items, _ = self._page(KeyConditionExpression=condition, ExpressionAttributeValues=values, **parameters)
        return cast("list[Run]", items)


class LaunchesTable(Table[dict[str, Any]]):
    """The Launches table."""

    key = "launch_id"


def plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """Turn DynamoDB's own form of an item into plain values."""
    return {name: _deserialize(value) for name, value in item.items()}


def _code(error: BotoCoreError | ClientError) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
