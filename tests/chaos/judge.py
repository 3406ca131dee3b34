"""Judges the ledger against LangGraph's own list of runs, what its webhooks brought, and what the bus was told."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.chaos.callers import Launch

_TOKEN = re.compile(r"token=k[\w.-]+")
_OPEN = {"pending", "settling"}
type Item = dict[str, Any]


@dataclass
class Evidence:
    """What there is when everything has settled."""

    asked: list[Launch]
    launches: list[Item]  # the Launches table
    runs: dict[str, Item]  # the Runs table
    payloads: dict[str, str]
    listed: dict[str, Item]  # LangGraph's own list
    values: dict[str, Any]  # LangGraph's own results, of each run's last checkpoint
    received: dict[str, set[str]] = field(default_factory=dict)  # the bodies of its deliveries
    events: list[Item] = field(default_factory=list)  # the details, with their `detail-type`


def violations(found: Evidence) -> list[str]:
    """Return what is not as it must be."""
    return [*_launches(found), *_runs(found), *_payloads(found), *_events(found)]


def _launches(found: Evidence) -> Iterator[str]:
    """Every launch has exactly one run, and each answer one more: in LangGraph and in the ledger (G1, G2)."""
    in_langgraph = Counter(_number(run["metadata"]) for run in found.listed.values())
    answered = Counter(_number(_metadata(run)) for run in found.runs.values() if run["outcome"] == "answered")
    for launch in found.asked:
        runs, wanted = in_langgraph[str(launch.number)], 1 + answered[str(launch.number)]
        if launch.must_run and not runs:
            yield f"launch {launch.number} ({launch.way}): lost, LangGraph has no run of it"
        if runs and runs != wanted:
            yield f"launch {launch.number} ({launch.way}): LangGraph has {runs} runs, not {wanted}"
        if launch.must_run and launch.way == "insists" and len(launch.run_ids) != 1:
            yield f"launch {launch.number}: its caller was never told its run; last: {launch.last}"
        for run_id in (launch.run_ids | launch.answer_ids) - {"sent", "gave up"} - set(found.listed):
            yield f"launch {launch.number}: its caller was told of {run_id}, which LangGraph does not know"
        answers = answered[str(launch.number)]
        if launch.is_answered and answers != 1:
            yield f"launch {launch.number}: answered {answers} times, not once; last: {launch.last}"
    yield from _states(found, sum(not (in_langgraph[str(one.number)] or one.must_run) for one in found.asked))


def _states(found: Evidence, given_up: int) -> Iterator[str]:
    """Each launch has started, or LangGraph refused it (it was stopped) and its caller has given up."""
    with_runs = {run["launch_id"] for run in found.runs.values() if "launch_id" in run}
    refused = {item["launch_id"] for item in found.launches if item["state"] == "refused"} - with_runs
    if len(refused) > given_up:
        yield f"{len(refused)} launches are refused, but {given_up} callers without a run gave up"
    for item in found.launches:
        if item["state"] != "started" and item["launch_id"] not in refused:
            yield f"launch {item['launch_id']}: is {item['state']}"
    for launch_id in ({item["launch_id"] for item in found.launches} - refused) ^ with_runs:
        yield f"launch {launch_id}: has no run, or its runs have no launch"


def _runs(found: Evidence) -> Iterator[str]:
    """The ledger has LangGraph's runs, all of them, no other, and each has ended as LangGraph says (G1, G2)."""
    for run_id in found.listed.keys() - found.runs.keys():
        yield f"run {run_id}: not in the ledger"
    for run_id in found.runs.keys() - found.listed.keys():
        yield f"run {run_id}: in the ledger alone"
    for run_id, run in found.runs.items():
        if run["outcome"] in _OPEN | {"lost"} or run.get("doubled") or run.get("conflict"):
            what = [run["outcome"], *(name for name in ("doubled", "conflict") if run.get(name))]
            yield f"run {run_id}: {', '.join(what)}"
        listed = found.listed.get(run_id)
        if listed and (run["status"], run["thread_id"]) != (listed["status"], listed["thread_id"]):
            yield f"run {run_id}: {run['status']} on {run['thread_id']}, in LangGraph {listed['status']}"


def _payloads(found: Evidence) -> Iterator[str]:
    """What the ledger keeps is what LangGraph sent, character by character; and that is its result (G3)."""
    for run_id, run in found.runs.items():
        text = found.payloads.get(run_id, "")
        if _TOKEN.search(text):
            yield f"run {run_id}: a token in its payload"
        sent = {_TOKEN.sub("token=", body) for body in found.received.get(run_id, ())}
        if run["source"] == "webhook" and text not in sent:
            yield f"run {run_id}: its payload is none of the {len(sent)} that LangGraph sent"
        if _plain(_parsed(text).get("values")) != _plain(found.values.get(run_id)):
            yield f"run {run_id}: its result is not LangGraph's"


def _events(found: Evidence) -> Iterator[str]:
    """Each outcome was published, once or more, always under one id, and no two under the same (G8)."""
    ids: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for event in found.events:
        ids[event["run_id"], event["detail-type"]].add(event["id"])
    for (run_id, kind), known in ids.items():
        if len(known) != 1:
            yield f"run {run_id}: {kind} under {len(known)} ids"
    for one, times in Counter(one for known in ids.values() for one in known).items():
        if times != 1:
            yield f"event {one}: of {times} outcomes"
    for run_id, run in found.runs.items():
        if run.get("unpublished"):
            yield f"run {run_id}: not published: {', '.join(run['unpublished'])}"
        told = {kind for other, kind in ids if other == run_id}
        wanted = {f"Run {run['outcome'].replace('_', ' ').title()}"}
        wanted |= {"Run Awaiting Input"} if run["outcome"] == "answered" else set()
        if told != wanted:
            yield f"run {run_id}: published {sorted(told)}, not {sorted(wanted)}"


def _number(metadata: Any) -> Any:
    return metadata.get("n") if isinstance(metadata, dict) else None


def _metadata(run: Item) -> Any:
    return json.loads(run.get("metadata", "null"))


def _parsed(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text, parse_float=str, parse_int=str) if text else {}
    return found


def _plain(values: Any) -> Any:
    """Leave out what LangGraph shows with a checkpoint and does not send."""
    return {k: v for k, v in values.items() if k != "__interrupt__"} if isinstance(values, dict) else values


def summary(found: Evidence) -> Iterable[str]:
    """Say what there was to judge."""
    outcomes = Counter(run["outcome"] for run in found.runs.values())
    sources = Counter(run["source"] for run in found.runs.values())
    yield f"{len(found.launches)} launches and {len(found.listed)} runs in LangGraph, {len(found.runs)} in the ledger"
    yield "outcomes: " + ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
    yield "told by: " + ", ".join(f"{count} {name}" for name, count in sorted(sources.items()))
    ids = {event["id"] for event in found.events}
    yield f"events: {len(found.events)} of {len(ids)} outcomes, {len(found.events) - len(ids)} of them repeated"
