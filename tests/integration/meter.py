"""Counts what a call of a function costs: calls to AWS and LangGraph, bytes, DynamoDB's units, what is logged."""

from __future__ import annotations

import gzip
import json
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.client import BaseClient
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item

from tests.bench.counts import Bill
from tests.integration import capacity

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from tests.integration.langgraph_double import LangGraphDouble
    from tests.integration.support import Aws

_LOG_EVENT_BYTES = 26  # CloudWatch adds these to each line


class Meter:
    """Counts while it is `on`; `bills` has what was counted, by the operation's name."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        langgraph: LangGraphDouble,
        aws: Aws,
    ) -> None:
        self._tables = {
            aws.template.names[name]: (name, properties)
            for name, properties in aws.template.resources("AWS::DynamoDB::Table").items()
        }
        self.bills: dict[str, Bill] = {}
        self.packed: dict[str, int] = {}  # bytes of what was put into the bucket: a few differ with the ids in it
        self._langgraph, self._capsys = langgraph, capsys
        self._bill: Bill | None = None
        self._lock = threading.Lock()
        call = BaseClient._make_api_call  # type: ignore[attr-defined]  # noqa: SLF001 - all calls pass here

        def counted(client: Any, operation: str, parameters: Any) -> Any:
            before = self._item(parameters)
            bill = self._bill if client.meta.endpoint_url.endswith(".amazonaws.com") else None  # else another stack's
            body = parameters.get("Body", b"")
            sent = _size({name: part for name, part in parameters.items() if name != "Body"})
            answer = call(client, operation, parameters)
            if bill is None:
                return answer
            received = _size({name: part for name, part in answer.items() if name != "ResponseMetadata"})
            with self._lock:  # a page by outcome asks all shards at once
                bill.calls[operation] = bill.calls.get(operation, 0) + 1
                bill.sent += sent
                bill.received += received
                self._consume(bill, operation, parameters, answer, before)
                if body:
                    bill.unpacked += len(gzip.decompress(body))
                    self._packed += len(body)
            return answer

        monkeypatch.setattr(BaseClient, "_make_api_call", counted)

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        bill = self._bill = Bill()
        self._langgraph.requests.clear()
        self._capsys.readouterr()
        self._packed = 0
        yield
        self._bill = None
        bill.calls |= Counter(f"LangGraph {sent.step}" for sent in self._langgraph.requests)
        lines = "".join(self._capsys.readouterr()).splitlines()
        bill.logged = sum(len(line.encode()) + _LOG_EVENT_BYTES for line in lines)
        self.bills[what], self.packed[what] = bill, self._packed

    def stored(self, table: str, key: str) -> int:
        """Return the bytes that an item takes in a table, by the table's logical id, and in its indexes."""
        ((name, properties),) = [(name, it) for name, (logical, it) in self._tables.items() if logical == table]
        item = self._item({"TableName": name, "Key": {"": {"S": key}}})
        assert item
        return capacity.stored(item, properties)

    def _item(self, parameters: Any) -> dict[str, Any] | None:
        """Return the item that a call names, in DynamoDB's JSON."""
        if "Key" not in parameters or parameters.get("TableName") not in self._tables:
            return None
        ((_, key),) = parameters["Key"].items()
        table = dynamodb_backends["123456789012"]["us-east-1"].tables[parameters["TableName"]]
        item = table.items.get(DynamoType(key))
        return dict(item.to_json()["Attributes"]) if isinstance(item, Item) else None

    def _consume(self, bill: Bill, operation: str, parameters: Any, answer: Any, before: Any) -> None:
        match operation:
            case "UpdateItem":
                table, properties = self._tables[parameters["TableName"]]
                for index, units in capacity.written(before, self._item(parameters), properties).items():
                    name = f"{table.removesuffix('Table')} {index}".rstrip()
                    bill.written[name] = bill.written.get(name, 0) + units
            case "GetItem":
                bill.read += capacity.read([answer.get("Item", {})], newest=True)
            case "Query":
                bill.read += capacity.read(answer["Items"], newest=False)


def _size(value: Any) -> int:
    return len(json.dumps(value, default=str))
