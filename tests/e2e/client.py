"""The running stack as its callers see it."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from langgraph_sdk import get_client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from email.message import Message

    from langgraph_sdk.client import LangGraphClient

    from local.stack import Stack

SHARED_KEY = "e2e-shared-key-that-is-long-enough-0123456789"
JOB_SECONDS = 8  # the server's own limit for a run, so that one that takes longer ends as `timeout`


@dataclass
class Ledger:
    """The stack as its callers see it."""

    stack: Stack

    @property
    def ledger_id(self) -> str:
        return self.stack.template.ledger_id

    def launch(self, **body: Any) -> dict[str, Any]:
        """Launch a run that must be accepted; return the answer."""
        status, answer = self.post_run(**body)
        assert status == 202, answer
        return answer

    def post_run(self, **body: Any) -> tuple[int, dict[str, Any]]:
        """POST /runs; return the status and the JSON answer."""
        return self.post("/runs", {"assistant_id": "agent", **body})

    def post(self, path: str, body: object) -> tuple[int, dict[str, Any]]:
        """POST to a path of the Api; return the status and the JSON answer."""
        return post(f"{self.stack.apis['Api'].url}{path}", body)

    def run(self, run_id: str) -> dict[str, Any]:
        """Return the item of a run, empty where there is none."""
        item: dict[str, Any] = self.stack.table("RunsTable").get_item(Key={"run_id": run_id}).get("Item", {})
        return item

    def launch_item(self, launch_id: str) -> dict[str, Any]:
        """Return the item of a launch."""
        item: dict[str, Any] = self.stack.table("LaunchesTable").get_item(Key={"launch_id": launch_id})["Item"]
        return item

    def landed(self, run_id: str, seconds: float = 60) -> dict[str, Any]:
        """Wait for a delivery about the run; return its item."""
        return eventually(lambda: item if _is_there(item := self.run(run_id)) else None, seconds)

    def told(self, run_id: str) -> dict[str, Any]:
        """Wait until a run means something and that has been told; return its item."""

        def look() -> dict[str, Any] | None:
            item = self.run(run_id)
            is_known = item.get("outcome", "pending") not in ("pending", "settling", "unconfirmed")
            is_published = is_known and "unpublished" not in item
            return item if is_published else None

        return eventually(look, 30)

    def payload(self, item: dict[str, Any]) -> str:
        """Return the stored text of a run's payload, from wherever it stands."""
        if "payload" in item:
            return str(item["payload"])
        bucket = self.stack.template.names["PayloadBucket"]
        stored = self.stack.client("s3").get_object(Bucket=bucket, Key=item["payload_key"])
        assert stored["ContentEncoding"] == "gzip"
        return gzip.decompress(stored["Body"].read()).decode()

    def ended(self, launched: dict[str, Any], status: str | None = None) -> None:
        """Wait until LangGraph itself says that a run has ended."""

        def look() -> bool | None:
            run = self.langgraph(lambda client: client.runs.get(launched["thread_id"], launched["run_id"]))
            return (run["status"] == status if status else run["status"] not in ("pending", "running")) or None

        eventually(look)

    def began(self, launched: dict[str, Any]) -> None:
        """Wait until LangGraph has begun a run."""

        def look() -> bool | None:
            run = self.langgraph(lambda client: client.runs.get(launched["thread_id"], launched["run_id"]))
            return run["status"] != "pending" or None

        eventually(look)

    def langgraph[T](self, ask: Callable[[LangGraphClient], Awaitable[T]]) -> T:
        """Ask the LangGraph server something, as another client would."""

        async def run() -> T:
            async with get_client(url=self.stack.langgraph_url) as client:
                return await ask(client)

        return asyncio.run(run())

    def get(self, link: str, **headers: str) -> tuple[int, dict[str, str], str]:
        """GET a path of the Api; return the status, the headers, and the text."""
        return get(f"{self.stack.apis['Api'].url}{link}", headers)

    @property
    def shared_webhook(self) -> str:
        """The webhook URL for runs that Runledger does not launch."""
        return f"{self.stack.webhook_url}?token={SHARED_KEY}"


def _is_there(item: dict[str, Any]) -> bool:
    """Whether the delivery about a run is recorded, and not only kept until the run is confirmed."""
    return item.get("source") == "webhook" and item["outcome"] != "unconfirmed"


def eventually[T](look: Callable[[], T | None], seconds: float = 60) -> T:
    """Return what `look` finds, as soon as it finds something; fail after `seconds`."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if (found := look()) is not None:
            return found
        time.sleep(0.1)
    pytest.fail(f"nothing came within {seconds} s")


def post(url: str, body: object, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """POST JSON; return the status and the JSON answer."""
    sent = {"content-type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), sent)
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def get(url: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], str]:
    """GET a URL as a browser would; return the status, the headers by lower-case name, and the text."""
    request = urllib.request.Request(url, headers={"accept-encoding": "gzip", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return answer.status, _lower(answer.headers), _unpacked(answer.read(), answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _lower(error.headers), _unpacked(error.read(), error.headers)


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _unpacked(body: bytes, headers: Message) -> str:
    return (gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body).decode()
