"""What callers are shown of the ledger: runs and launches as JSON.

Every attribute is named here, so that what the ledger keeps for itself (leases, due times, a callback's task token)
never leaves it. A stored payload is passed on as the text it is, never parsed: every digit stays (G3).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runledger.domain.json_text import members_of, object_of
from runledger.domain.unconfirmed import number_of_kept
from runledger.domain.verification import is_doubtful

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runledger.domain.run import Run

_FINAL = ("succeeded", "failed", "timed_out", "cancelled", "rolled_back", "answered", "abandoned")
SUMMARY = (
    "run_id",
    "launch_id",
    "thread_id",
    "assistant_id",
    "status",
    "outcome",
    "source",
    "error",
    "created_at",
    "ended_at",
    "payload_bytes",
    "doubled",
    "unverified",
    "disputed",
    "confirmed",
)
RUN = (
    "run_id",
    "launch_id",
    "thread_id",
    "assistant_id",
    "metadata",
    "status",
    "outcome",
    "error",
    "questions",
    "question_count",
    "answered_by",
    "source",
    "conflict",
    "disputed",
    "unverified",
    "confirmed",
    "corrected_from",
    "result_too_large",
    "missing",
    "unproven",
    "doubled",
    "created_at",
    "started_at",
    "ended_at",
    "delivered_at",
    "updated_at",
    "payload_bytes",
    "payload_sha256",
    "payload",
)
LAUNCH = (
    "launch_id",
    "state",
    "reason",
    "detail",
    "run_id",
    "thread_id",
    "assistant_id",
    "unconfirmed_deliveries",
    "created_at",
    "updated_at",
)
_WITHOUT_RUNS = {
    "starting": "pending",
    "started": "removed",
    "refused": "refused",
}  # outcomes of a launch, by its state

type Item = Mapping[str, Any] | Run


def is_final(item: Run) -> bool:
    """Whether a run's outcome stays as it is. A lost run may yet be heard of, and LangGraph may say otherwise."""
    return item["outcome"] in _FINAL and not is_doubtful(item)


def run(
    item: Item,
    prefix: str,
    payload_url: str | None = None,
    payload_at: tuple[str, str] | None = None,
    questions_url: str | None = None,
) -> str:
    """Write a run as JSON text; `prefix` is what stands before `/runs` in the paths of this API.

    A payload that stands elsewhere is shown by a link, or by its bucket and key, and by a link all of its questions
    where the item has not got them. A `conflict` is over once the run has the status that the other delivery told.
    """
    members = members_of(item, RUN)
    if item.get("conflict") == item.get("status"):
        members.pop("conflict", None)
    if payload_url:
        members["payload_url"] = json.dumps(payload_url)
    if questions_url:
        members["questions_url"] = json.dumps(questions_url)
    if payload_at:
        members["payload_bucket"], members["payload_key"] = map(json.dumps, payload_at)
    members["links"] = json.dumps(_links(item, prefix))
    return object_of(members)


def page(items: Iterable[Item], prefix: str, next_cursor: str | None) -> str:
    """Write a page of runs as JSON text."""
    return object_of({"runs": _array(items, prefix), "next_cursor": json.dumps(next_cursor)})


def launch(item: Mapping[str, Any], runs: Sequence[Run], prefix: str) -> str:
    """Write a launch with its `runs`, the newest first, as JSON text.

    Its outcome is that of its newest run, or `refused` where LangGraph would start none, or `removed` where its runs
    are in the ledger no more. A second run that appeared on a caller's thread is shown, and counts for nothing. Of the
    deliveries that the launch keeps only their number is shown: a token alone vouches for what they say.
    """
    newest = next((one for one in runs if not one.get("doubled")), None)
    outcome = newest["outcome"] if newest else _WITHOUT_RUNS[item["state"]]
    kept = {"unconfirmed_deliveries": number} if (number := number_of_kept(item)) else {}
    members = {**members_of({**item, **kept}, LAUNCH), "outcome": json.dumps(outcome), "runs": _array(runs, prefix)}
    return object_of(members)


def _array(items: Iterable[Item], prefix: str) -> str:
    return f"[{', '.join(_summary(item, prefix) for item in items)}]"


def _summary(item: Item, prefix: str) -> str:
    links = {"run": f"{prefix}/runs/{item['run_id']}"}
    brief = {"error": item["error_brief"]} if "error_brief" in item else {}
    return object_of({**members_of({**item, **brief}, SUMMARY), "links": json.dumps(links)})


def _links(item: Item, prefix: str) -> dict[str, str]:
    links = {}
    if "launch_id" in item:
        links["launch"] = f"{prefix}/launches/{item['launch_id']}"
    if "thread_id" in item:
        links["thread"] = f"{prefix}/runs?thread_id={quote(item['thread_id'], safe='')}"
    if "answered_by" in item:
        links["answered_by"] = f"{prefix}/runs/{item['answered_by']}"
    return links
