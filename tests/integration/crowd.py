"""Other runs, by the ten thousand, where they would be in the way of whatever scans."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item

from runledger.adapters.expressions import request
from runledger.domain import run_states
from runledger.domain.ledger import SHARDS
from runledger.domain.times import iso
from tests.integration.support import NOW, new_id

if TYPE_CHECKING:
    import pytest

    from tests.integration.support import Aws

TOMORROW = 86_400


class Crowd:
    """Other runs on one thread, in every shard: half of them pending, due tomorrow, half succeeded and told.

    They are put into moto itself, because ten thousand calls would take minutes, and share what they have in common.
    """

    def __init__(self, aws: Aws, monkeypatch: pytest.MonkeyPatch, thread_id: str) -> None:
        self._table = dynamodb_backends["123456789012"]["us-east-1"].tables[aws.template.names["RunsTable"]]
        self._runs: dict[int, Item] = {}
        self._partitions: defaultdict[tuple[str, str], list[Item]] = defaultdict(list)
        model = run_states.pending(
            run_id="", launch_id="", thread_id=thread_id, assistant_id="agent", after_seconds=TOMORROW, now=NOW
        )
        values = request(model)["ExpressionAttributeValues"]
        pending = {name: DynamoType(values[f":{name}"]) for name in model.set if f":{name}" in values}
        ended = {"outcome": "succeeded", "status": "success", "created_at": iso(NOW - 1)}
        succeeded = {**pending, **{name: DynamoType({"S": value}) for name, value in ended.items()}}
        del succeeded["due_at"], succeeded["due_shard"]
        self._kinds = [
            {**attributes, **self._shards(shard, attributes)}
            for attributes in (pending, succeeded)
            for shard in range(SHARDS)
        ]
        # moto compares each item of a table with each query, in Python. The same, faster: of the others those alone of
        # the partition that is asked for, which it sorts and compares itself; all of them where it scans.
        cast: Any = DynamoType.cast_value.fget  # type: ignore[attr-defined]
        fast = property(lambda value: value.value if value.type == "S" else cast(value))
        monkeypatch.setattr(DynamoType, "cast_value", fast)
        self._query, self._asked = self._table.query, threading.local()
        monkeypatch.setattr(self._table, "query", self._ask)
        monkeypatch.setattr(self._table, "all_items", self._all_items)

    def grow(self, others: int) -> None:
        """Have so many of them."""
        while len(self._runs) < others:
            run_id = DynamoType({"S": new_id()})
            own = {"run_id": run_id, "launch_id": DynamoType({"S": new_id()})}
            run = Item(run_id, None, {})
            dict.update(run.attrs, self._kinds[len(self._runs) % len(self._kinds)] | own)
            run.size = lambda: 500  # type: ignore[method-assign]  # moto asks at each query, against its page's megabyte
            self._table.items[run_id] = run  # type: ignore[assignment]
            self._runs[id(run)] = run
            for attribute in ("launch_id", "thread_id", "outcome_shard", "due_shard"):
                if attribute in run.attrs:
                    self._partitions[attribute, run.attrs[attribute].value].append(run)

    def is_untouched(self) -> bool:
        """Return whether nobody has written to any of them."""
        items: dict[Any, Any] = self._table.items
        return all(items[run.hash_key] is run for run in self._runs.values())

    def _ask(self, *arguments: Any, **more: Any) -> Any:
        ((attribute, value),) = more["hash_key_conditions"]
        self._asked.partition = attribute, value.value
        try:
            return self._query(*arguments, **more)
        finally:
            self._asked.partition = None

    def _all_items(self) -> list[Any]:
        items: list[Any] = list(self._table.items.values())
        if not (partition := getattr(self._asked, "partition", None)):
            return items
        return [*self._partitions.get(partition, []), *(item for item in items if id(item) not in self._runs)]

    def _shards(self, shard: int, attributes: dict[str, Any]) -> dict[str, DynamoType]:
        outcome = DynamoType({"S": f"{attributes['outcome'].value}#{shard}"})
        return {"outcome_shard": outcome} | (
            {"due_shard": DynamoType({"S": str(shard)})} if "due_at" in attributes else {}
        )
