"""Breaks each guarantee on purpose, in one line, and shows that a test of its name fails: `make mutations`.

Outside the normal run. Each mutation is made in a copy of the sources; one that no test notices fails the script.
`make mutations ONLY=SECURITY.md` makes that of each row of SECURITY.md, which the row's own test must notice.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tests.contract.security import rows

ROOT = Path(__file__).resolve().parent.parent
DOMAIN, ADAPTERS = "layers/runledger/runledger/domain", "layers/runledger/runledger/adapters"
USE_CASES, LANGGRAPH = "layers/runledger/runledger/use_cases", "layers/langgraph/runledger_langgraph"
WEBHOOK = "functions/webhook/app.py"
RECEIVE = f"{USE_CASES}/receive_delivery.py"
MESSAGES, LAUNCHING = f"{USE_CASES}/launch_messages.py", f"{USE_CASES}/launch_run.py"
FRESH, RUNS = f"{USE_CASES}/perform_fresh.py", f"{USE_CASES}/perform_runs.py"
GIVE_UP, FINDING, WORK = (f"{USE_CASES}/{name}.py" for name in ("give_up", "record_finding", "work"))
ROTATE = "functions/rotate"
TESTS = ("tests/unit", "tests/integration", "tests/contract")
COPIED = (
    "functions",
    "layers",
    "local",
    "tests",
    "events",
    "template.yaml",
    "pyproject.toml",
    ".gitignore",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "docs",
)
console = Console(highlight=False)

type Tests = tuple[str, ...]  # what pytest is told to run


@dataclass(frozen=True)
class Mutation:
    """One line broken: `old`, which is there once, becomes `new`."""

    guarantee: str
    what: str
    path: str
    old: str
    new: str

    def __str__(self) -> str:
        """Return its name."""
        return f"{self.guarantee} {self.what}"


MUTATIONS = (
    # ---- G1: every run that was launched ends in the ledger --------------------------------------------------------
    Mutation(
        "G1", "a launch is not due while it is unknown", f"{DOMAIN}/launch_states.py", "**due(launch_id, until)}", "}"
    ),
    Mutation(
        "G1",
        "a run is never looked at",
        f"{DOMAIN}/run_states.py",
        "**due(run_id, now + after_seconds + FIRST_CHECK_SECONDS),",
        "",
    ),
    Mutation(
        "G1",
        "a settling run is not due",
        f"{DOMAIN}/run_states.py",
        "return {**of_outcome(run_id, outcome), **due(run_id, now + FIRST_CHECK_SECONDS)}",
        "return of_outcome(run_id, outcome)",
    ),
    Mutation(
        "G1",
        "waits grow without a bound",
        f"{DOMAIN}/retry.py",
        "min(FIRST_CHECK_SECONDS << min(checks, 20), max_check_seconds)",
        "(FIRST_CHECK_SECONDS << min(checks, 20))",
    ),
    Mutation("G1", "one miss loses a run", f"{DOMAIN}/retry.py", "MISSES = 3 ", "MISSES = 1 "),
    Mutation(
        "G1", "three quick misses lose a run", f"{DOMAIN}/retry.py", "MISSED_SECONDS = 1800", "MISSED_SECONDS = 0"
    ),
    Mutation(
        "G1",
        "misses count though not in a row",
        f"{DOMAIN}/run_states.py",
        'remove=(*_MISSED, "failures", *(_UNREAD if unsettled is None else ())) if known else ()',
        "remove=()",
    ),
    Mutation(
        "G1",
        "a LangGraph that forgot everything loses all",
        GIVE_UP,
        "elif not (is_proven := _is_itself(work, item)) and not _has_outlasted_all(work, item, now):",
        "elif not (is_proven := True):",
    ),
    Mutation(
        "G13",
        "a younger run proves that LangGraph has forgotten none",
        f"{USE_CASES}/prove_server.py",
        'self.runs.newest_of_outcome(f"{outcome}#{shard}", 1, newest, None)',
        'self.runs.newest_of_outcome(f"{outcome}#{shard}", 1, None, None)',
    ),
    Mutation(
        "G13",
        "a proof serves for ever",
        f"{USE_CASES}/prove_server.py",
        "since <= created_at and 0 <= now - at < _PROOF_SECONDS:",
        "since <= created_at:",
    ),
    Mutation(
        "G13",
        "a run of another deployment proves that this one is itself",
        f"{USE_CASES}/prove_server.py",
        ' and self.servers.current(item.get("langgraph_url")) == server.url:',
        ":",
    ),
    Mutation(
        "G13",
        "a younger canary proves that LangGraph has forgotten nothing",
        f"{USE_CASES}/prove_server.py",
        'if canary["created_at"] <= created_at else None',
        "",
    ),
    Mutation(
        "G13",
        "a canary is given up at once",
        f"{USE_CASES}/prove_server.py",
        "> now - retry.MISSED_SECONDS:",
        "> now:",
    ),
    Mutation(
        "G1",
        "a refused key loses runs",
        RUNS,
        "give_up(work, gone, is_refused=is_refused)",
        "give_up(work, gone, is_refused=False)",
    ),
    Mutation(
        "G1",
        "an item that fails is dropped",
        WORK,
        "            else:\n                self.postpone(item)\n",
        '            else:\n                self.update(run_states.closed(item["run_id"], int(item["due_at"])))\n',
    ),
    Mutation(
        "G1",
        "a poisoned run stops the others",
        RUNS,
        "except Exception as error:  # noqa: BLE001 - a poisoned run never stops the others",
        "except MemoryError as error:",
    ),
    Mutation(
        "G1",
        "a poisoned launch stops the others",
        f"{USE_CASES}/perform_launch.py",
        "except Exception as error:  # noqa: BLE001 - a poisoned item never stops the others",
        "except MemoryError as error:",
    ),
    Mutation(
        "G1",
        "the thread's newest state is taken for the run's",
        f"{LANGGRAPH}/checkpoints.py",
        '{"limit": 1, "metadata": {"run_id": run_id}}',
        '{"limit": 1, "metadata": {}}',
    ),
    Mutation(
        "G1",
        "a question is taken for a success",
        f"{DOMAIN}/settling.py",
        'waits = run["status"] == "success" and is_stopped',
        "waits = False",
    ),
    Mutation(
        "G1",
        "a question that stands on the thread alone is not seen",
        f"{DOMAIN}/settling.py",
        'is_stopped = bool((checkpoint or {}).get("next")) or _is_interrupted(thread)',
        'is_stopped = bool((checkpoint or {}).get("next"))',
    ),
    Mutation(
        "G1",
        "what another run left on the thread is taken for the run's",
        f"{LANGGRAPH}/inspection.py",
        'if later is None or any(run["status"] != "pending" for run in later):',
        "if later is None:",
    ),
    Mutation(
        "G1",
        "a rollback is hidden by clocks that differ",
        f"{LANGGRAPH}/inspection.py",
        "_CLOCKS_DIFFER = timedelta(hours=1)",
        "_CLOCKS_DIFFER = timedelta(minutes=1)",
    ),
    # ---- G14: no run stays open without end ------------------------------------------------------------------------
    Mutation(
        "G14",
        "a checkpoint that LangGraph will not show keeps its run open",
        f"{DOMAIN}/retry.py",
        "UNREADABLE_LOOKS = 5",
        "UNREADABLE_LOOKS = 10**9",
    ),
    Mutation(
        "G14",
        "a proxy's answer passes for LangGraph's",
        f"{LANGGRAPH}/checkpoints.py",
        "said = words(response)",
        'said = words(response) or "no words"',
    ),
    Mutation(
        "G14",
        "what is missing is not noted",
        f"{DOMAIN}/run_states.py",
        '"missing": seen.missing,',
        "",
    ),
    Mutation(
        "G14",
        "a run that nobody can settle stays open",
        f"{DOMAIN}/retry.py",
        "return since is not None and now > int(since) + max_run_seconds",
        "return False",
    ),
    Mutation(
        "G14",
        "a large question keeps its run open",
        f"{LANGGRAPH}/checkpoints.py",
        "if is_cut and max_bytes < MAX_RESULT_BYTES:",
        "if is_cut and max_bytes < 0:",
    ),
    Mutation(
        "G1",
        "the sweep does not run",
        "template.yaml",
        "ScheduleExpression: rate(1 minute)",
        "ScheduleExpression: rate(60 minutes)",
    ),
    Mutation(
        "G1",
        "a result that is slow to read is never read",
        RUNS,
        "isinstance(found, TooLargeError | TimedOutError)",
        "isinstance(found, TooLargeError)",
    ),
    Mutation(
        "G1",
        "a result that can't be read holds its run back for ever",
        f"{USE_CASES}/take_status.py",
        'if not retry.is_stuck(int(item.get("failures", 0))) or work.is_overdue(item):',
        "if True:",
    ),
    Mutation(
        "G1",
        "an adopted run that can't be recorded is forgotten",
        f"{USE_CASES}/recover_launch.py",
        "if not launcher.record(launch, found[0], until):",
        "if launcher.record(launch, found[0], until) is None:",
    ),
    # ---- G2: one launch, one run -----------------------------------------------------------------------------------
    Mutation(
        "G2",
        "every claim succeeds",
        f"{DOMAIN}/launch_states.py",
        'when=(Absent("launch_id"),),\n        set={\n            "schema": SCHEMA,\n            "state": "starting",',
        'when=(Absent("nothing"),),\n        set={\n            "schema": SCHEMA,\n            "state": "starting",',
    ),
    Mutation("G2", "the digest is skipped", LAUNCHING, "if claim.digest != self.request.digest:", "if False:"),
    Mutation("G2", "the lease is ignored", LAUNCHING, "if claim.is_held(now):", "if False:"),
    Mutation(
        "G2",
        "two take a launch over",
        f"{DOMAIN}/launch_states.py",
        'Equals("state", launch.state),\n            Equals("holder", launch.holder),\n            Equals("lease_until", launch.lease_until),',
        'Either(Equals("state", launch.state), Either(Equals("holder", launch.holder), Equals("lease_until", launch.lease_until))),',
    ),
    Mutation(
        "G2",
        "the last attempt's thread stays",
        f"{USE_CASES}/recover_launch.py",
        "launcher.server.delete_thread(launch.thread_id, until)",
        "pass",
    ),
    Mutation(
        "G2",
        "the ledger is not looked at again after that",
        f"{USE_CASES}/recover_launch.py",
        "delete_thread(launch.thread_id, until)\n        found = _recorded(launcher, launch)",
        "delete_thread(launch.thread_id, until)",
    ),
    Mutation(
        "G2",
        "LangGraph is not asked for the launch's run",
        f"{USE_CASES}/recover_launch.py",
        "found = _recorded(launcher, launch) or _made(launcher, launch, until, must_know=launch.own_thread)",
        "found = _recorded(launcher, launch)",
    ),
    Mutation(
        "G2",
        "a later attempt is watched no more than an earlier one was",
        f"{DOMAIN}/launch_states.py",
        'remove=("heard_at", "watches"),',
        'remove=("heard_at",),',
    ),
    Mutation(
        "G2",
        "a launch that was heard of is never given up",
        f"{DOMAIN}/launch_states.py",
        'remove=("heard_at", "watches"),',
        'remove=("watches",),',
    ),
    Mutation(
        "G2",
        "another attempt has the same thread",
        f"{USE_CASES}/recover_launch.py",
        "str(uuid.uuid4()) if launch.own_thread",
        "launch.thread_id if launch.own_thread",
    ),
    Mutation(
        "G2", "no fence on the thread", f"{LANGGRAPH}/runs.py", 'arguments["multitask_strategy"] = "reject"', "pass"
    ),
    Mutation(
        "G2",
        "an unknown launch is called refused",
        f"{LANGGRAPH}/runs.py",
        "UnknownError if asked and may_have_been_done(error) else NotStartedError",
        "NotStartedError",
    ),
    Mutation(
        "G2",
        "a run carries no launch_id",
        f"{LANGGRAPH}/runs.py",
        '            "launch_id": start.launch_id,\n            LEDGER',
        "            LEDGER",
    ),
    Mutation(
        "G2",
        "one's own claim is taken for another's",
        LAUNCHING,
        "return there, there.holder == holder",
        "return there, False and there.holder == holder",
    ),
    Mutation(
        "G2",
        "a second run is not watched for",
        f"{DOMAIN}/launch_states.py",
        "return self.attempt > 1 and not self.own_thread",
        "return False",
    ),
    Mutation(
        "G2",
        "a second run is not cancelled",
        f"{USE_CASES}/recover_launch.py",
        'if run["status"] in STILL:',
        "if False:",
    ),
    Mutation(
        "G2",
        "what inherits a launch's id passes for its run",
        f"{LANGGRAPH}/inspection.py",
        'metadata.get("launch_id") == launch_id and nonce is not None and metadata.get(NONCE) == nonce:',
        'metadata.get("launch_id") == launch_id and ANSWERS not in metadata:',
    ),
    Mutation(
        "G2",
        "a run inherits what Runledger says nothing of",
        f"{LANGGRAPH}/runs.py",
        "            NONCE: start.nonce,\n",
        "",
    ),
    Mutation(
        "G2",
        "what inherits the names of an answer passes for one",
        f"{LANGGRAPH}/inspection.py",
        "== run_id and nonce is not None and metadata.get(NONCE) == nonce",
        "== run_id",
    ),
    Mutation(
        "G2",
        "each who answers a run is known by another nonce",
        f"{DOMAIN}/answer_states.py",
        'return str(item.get("answer_nonce") or holder)',
        "return holder",
    ),
    Mutation(
        "G2",
        "the nonce of an answer is forgotten when another is held",
        f"{DOMAIN}/answer_states.py",
        '_held_as(item), as_read("answer_nonce", item.get("answer_nonce"))),',
        "_held_as(item)),",
    ),
    Mutation(
        "G5",
        "a caller says in config.metadata which launch a run is of",
        f"{DOMAIN}/launches.py",
        '(("", fields), ("/config", config))',
        '(("", fields),)',
    ),
    Mutation(
        "G2",
        "a launch of another deployment is started here",
        f"{USE_CASES}/launch_run.py",
        "go_on(self.launcher.at(claim.langgraph_url), ",
        "go_on(self.launcher, ",
    ),
    # ---- G13: a run belongs to a deployment ------------------------------------------------------------------------
    Mutation(
        "G13",
        "every run is asked about at LangGraphUrl",
        f"{LANGGRAPH}/deployments.py",
        "return self.configured.url if known in self._former else known",
        "return self.configured.url",
    ),
    Mutation(
        "G13",
        "a deployment's former URL is another deployment",
        f"{LANGGRAPH}/deployments.py",
        "return self.configured.url if known in self._former else known",
        "return known",
    ),
    Mutation(
        "G13",
        "a key goes to whatever URL an item has",
        f"{LANGGRAPH}/deployments.py",
        "            raise no_key(there)\n        if there",
        "            return Deployment(LangGraph(there), self.configured.api_key)\n        if there",
    ),
    Mutation(
        "G13",
        "every deployment gets the first one's key",
        f"{LANGGRAPH}/deployments.py",
        "ApiKey(self._secret, names, is_configured)",
        'getattr(getattr(self, "configured", None), "api_key", ApiKey(self._secret, names, is_configured))',
    ),
    Mutation(
        "G13",
        "a run that must not be asked about is looked at again at once",
        f"{DOMAIN}/retry.py",
        "return now + min(_DEFER_SECONDS, max_check_seconds)",
        "return now",
    ),
    Mutation(
        "G13",
        "all deployments are judged together",
        RUNS,
        "asked[launcher.server.url].append(item)",
        "asked[next(iter(there))].append(item)",
    ),
    Mutation(
        "G13",
        "a run is of the deployment of now, wherever its launch is",
        f"{USE_CASES}/launcher.py",
        "if url is None and launch_id is not None:",
        "if False:",
    ),
    Mutation(
        "G13",
        "what a launch makes is not noted where it is",
        f"{USE_CASES}/launcher.py",
        "            langgraph_url=self.server.url,\n",
        "",
    ),
    Mutation(
        "G13",
        "one deployment that does not answer is taken for all",
        f"{USE_CASES}/outages.py",
        "self._failures.get(name, 0) >= _TOO_MANY",
        "max(self._failures.values(), default=0) >= _TOO_MANY",
    ),
    Mutation(
        "G13",
        "a success is settled at LangGraphUrl",
        FRESH,
        "work.at(work.launcher.of(run))",
        "work.at(work.launcher.at(None))",
    ),
    Mutation(
        "G5",
        "a malformed object of keys is quoted",
        f"{ADAPTERS}/secrets_manager.py",
        'raise _no_keys("has a name that is no http or https URL of a deployment")',
        'raise _no_keys(f"has the name {url}")',
    ),
    # ---- G3: the payload is what LangGraph sent --------------------------------------------------------------------
    Mutation(
        "G3",
        "the payload is written anew",
        f"{DOMAIN}/deliveries.py",
        "payload=payload_of(text),",
        "payload=payload_of(json.dumps(members)),",
    ),
    # ---- G4: no way back -------------------------------------------------------------------------------------------
    Mutation(
        "G4",
        "a pending run takes the place of a delivered one",
        f"{DOMAIN}/run_states.py",
        "when=(NEW,),",
        'when=(Absent("nothing"),),',
    ),
    Mutation(
        "G4",
        "a delivery overwrites a delivery",
        f"{DOMAIN}/run_states.py",
        'when=(Equals("source", "launch"), as_read("launch_id", launch_id)),',
        'when=(as_read("launch_id", launch_id),),',
    ),
    Mutation(
        "G4",
        "a delivery is written to another launch's run",
        f"{DOMAIN}/run_states.py",
        'when=(Equals("source", "launch"), as_read("launch_id", launch_id)),',
        'when=(Equals("source", "launch"), Present("run_id")),',
    ),
    Mutation(
        "G4",
        "reconcile overwrites a webhook",
        f"{DOMAIN}/run_states.py",
        'when=(Equals("source", "launch"), OneOf("outcome", ("pending", "lost"))),\n        set={\n            "source": "reconcile",\n            "status"',
        'when=(Present("source"),),\n        set={\n            "source": "reconcile",\n            "status"',
    ),
    Mutation(
        "G4",
        "a settled run is settled again",
        f"{DOMAIN}/run_states.py",
        'when=(Equals("outcome", "settling"),),',
        'when=(Either(Present("outcome"), Absent("outcome")),),',
    ),
    Mutation(
        "G4",
        "a run that is over moves on",
        f"{DOMAIN}/answer_states.py",
        "when=(WAITS,),",
        'when=(Equals("run_id", run_id),),',
    ),
    Mutation(
        "G4",
        "a late webhook changes the outcome",
        f"{DOMAIN}/run_states.py",
        'outcome = delivery.outcome if recorded == "settling" else recorded\n    return',
        "outcome = delivery.outcome\n    return",
    ),
    Mutation(
        "G4",
        "a conflict is not noted",
        f"{DOMAIN}/verification.py",
        "conflict = delivery.status if conflicts(delivery, item) else None",
        "conflict = None",
    ),
    Mutation(
        "G4",
        "a started launch is refused",
        f"{DOMAIN}/launch_states.py",
        '*_held_by(launch.holder),\n            Absent("heard_at"),',
        'Either(OneOf("state", ("started", "refused")), Equals("holder", launch.holder)),',
    ),
    Mutation(
        "G4",
        "a webhook that came is counted as lost",
        f"{DOMAIN}/run_states.py",
        '"payload_key", "result_too_large", "webhook_awaited")',
        '"payload_key", "result_too_large")',
    ),
    # ---- G6: 4xx only for what is proven bad -----------------------------------------------------------------------
    Mutation(
        "G6",
        "an outage of the ledger is a 4xx",
        f"{DOMAIN}/problems.py",
        "    return Problem(\n        503,",
        "    return Problem(\n        404,",
    ),
    Mutation(
        "G6",
        "a bug is a 200",
        f"{ADAPTERS}/gateway.py",
        "return _problem_response(internal())",
        "return _response(200, 'application/json', {}, {})",
    ),
    Mutation(
        "G6",
        "the bucket's 5xx is swallowed",
        f"{ADAPTERS}/s3.py",
        'raise unavailable(f"The bucket can\'t be written ({type(error).__name__}).") from error',
        "return",
    ),
    Mutation(
        "G6",
        "a trimmed delivery is forgotten",
        f"{DOMAIN}/launch_states.py",
        'set={"heard_at": iso(now), **due(launch_id, now)}',
        'set={"heard_at": iso(now)}',
    ),
    Mutation(
        "G6",
        "what was heard of a launch is forgotten when it is started",
        f"{DOMAIN}/launch_states.py",
        '(Absent("heard_at"), Absent("task_token"), NONE_KEPT)',
        '(Absent("task_token"), NONE_KEPT)',
    ),
    Mutation(
        "G6",
        "an unknown status is refused",
        f"{DOMAIN}/outcomes.py",
        'return _BY_STATUS.get(status, "settling")',
        "return _BY_STATUS[status]",
    ),
    Mutation(
        "G6",
        "metadata is written to its end before its limit is looked at",
        f"{DOMAIN}/json_text.py",
        "if self.left < 0:",
        "if self.left < -10_000_000:",
    ),
    Mutation(
        "G6",
        "a bomb is unpacked",
        f"{DOMAIN}/body_text.py",
        "plain = stream.decompress(body, MAX_BYTES)",
        "plain = stream.decompress(body)",
    ),
    Mutation(
        "G6",
        "a compressed delivery is refused",
        f"{DOMAIN}/body_text.py",
        "if body.startswith(_GZIP_MAGIC):",
        "if False:",
    ),
    Mutation(
        "G6",
        "a coding that is not known here is refused",
        f"{DOMAIN}/body_text.py",
        'if codings == ["deflate"] else None',
        'if codings == ["deflate"] else body',
    ),
    Mutation(
        "G6",
        "a byte order mark is no JSON",
        f"{DOMAIN}/body_text.py",
        "plain.decode(json.detect_encoding(plain))",
        "plain.decode()",
    ),
    Mutation(
        "G3",
        "a payload may hold what is not JSON",
        f"{DOMAIN}/deliveries.py",
        "if status is None or constants:",
        "if status is None:",
    ),
    # ---- G3, on the way out ------------------------------------------------------------------------------------------
    Mutation(
        "G3",
        "a payload is shown as a string",
        f"{DOMAIN}/json_text.py",
        '_TEXTS = ("metadata", "questions", "payload")',
        '_TEXTS = ("metadata", "questions")',
    ),
    # ---- G8: events leave at least once ----------------------------------------------------------------------------
    Mutation(
        "G8",
        "an outcome is not recorded to be published",
        f"{DOMAIN}/run_states.py",
        'once={"metadata": delivery.metadata},\n        add=event(delivery.outcome),',
        'once={"metadata": delivery.metadata},',
    ),
    Mutation(
        "G8", "an event is noted as sent that was not", f"{USE_CASES}/publish.py", "self.bus.send(events)", "pass"
    ),
    Mutation(
        "G8",
        "a refused entry counts as sent",
        f"{ADAPTERS}/eventbridge.py",
        'if answer["FailedEntryCount"]:',
        "if False:",
    ),
    Mutation(
        "G8",
        "what came to pass meanwhile is noted as sent too",
        f"{DOMAIN}/run_states.py",
        'Equals("unpublished", frozenset(item["unpublished"])),',
        'Present("unpublished"),',
    ),
    Mutation(
        "G8",
        "a run is closed before its event has left",
        f"{DOMAIN}/run_states.py",
        'map(Absent, ("unpublished", "webhook_awaited", "disputed"))',
        'map(Absent, ("webhook_awaited", "disputed"))',
    ),
    Mutation("G8", "nothing is published from the stream", FRESH, 'if step.kind == "publish"', 'if step.kind == ""'),
    Mutation(
        "G8",
        "nothing is settled from the stream",
        f"{DOMAIN}/steps.py",
        'return Step("inspect", "result") if run["outcome"] == "settling" else None',
        "return None",
    ),
    Mutation("G8", "what fails is not repeated", FRESH, "    return again\n", "    return []\n"),
    Mutation(
        "G8",
        "a poisoned record is repeated for ever",
        FRESH,
        "if time.time() < change.written_at + _TRY_SECONDS:",
        "if True:",
    ),
    Mutation(
        "G8",
        "a poisoned record stops the others",
        FRESH,
        "except Exception as error:  # noqa: BLE001 - a poisoned change never stops the others",
        "except Problem as error:",
    ),
    Mutation(
        "G4",
        "a second look at the same ticket counts",
        f"{DOMAIN}/ledger.py",
        'return {"due_at": int(at) + (int(at) == was_due), "due_shard": str(shard(item_id))}',
        'return {"due_at": int(at), "due_shard": str(shard(item_id))}',
    ),
    Mutation(
        "G4",
        "a message that comes twice is worked on twice",
        f"{DOMAIN}/tickets.py",
        'return item.get("due_at") == self.due_at',
        "return True",
    ),
    Mutation(
        "G4",
        "two sweeps put the same item into the queue",
        f"{USE_CASES}/sweep.py",
        "return Ticket(key, item_id, until) if failed is None else None",
        "return Ticket(key, item_id, until)",
    ),
    Mutation(
        "G1",
        "the queue grows for as long as nobody works",
        f"{USE_CASES}/sweep.py",
        "if room <= 0:",
        "if False:",
    ),
    Mutation(
        "G1",
        "an outage of the server makes the waits longer",
        WORK,
        "if is_unreached(error):",
        "if False:",
    ),
    Mutation(
        "G1",
        "what there is no time for waits until its ticket ends",
        f"{USE_CASES}/perform_step.py",
        'work.launcher.launches.apply(launch_states.deferred(item["launch_id"], time.time()))',
        "pass",
    ),
    Mutation("G8", "the stream is not filtered for events", "template.yaml", '{"event_state"', '{"unpublished"'),
    Mutation(
        "G8",
        "the stream's filter misses an event",
        f"{DOMAIN}/ledger.py",
        'object.__setattr__(self, "set", {**self.set, EVENT_STATE: HAS_EVENTS})',
        "pass",
    ),
    Mutation(
        "G8",
        "the stream's filter matches for ever",
        f"{DOMAIN}/ledger.py",
        'object.__setattr__(self, "remove", (*self.remove, EVENT_STATE))',
        "pass",
    ),
    # ---- G1, G2, G4: questions, answers, cancels -------------------------------------------------------------------
    Mutation(
        "G2",
        "two can answer a run at once",
        f"{DOMAIN}/answer_states.py",
        'return as_read("answer_holder", item.get("answer_holder"))',
        'return WAITS if "answer_holder" in item else as_read("answer_holder", None)',
    ),
    Mutation(
        "G2",
        "an answer is sent again without looking for it",
        f"{USE_CASES}/answer_question.py",
        """        if isinstance(found, MovedOn):
            return self._adopt(run, found)
        request""",
        """        if isinstance(found, MovedOn):
            found = found.answer and {**found.answer, "kwargs": {"config": {}}}
        request""",
    ),
    Mutation(
        "G2",
        "another answer gets the first one's reply",
        f"{USE_CASES}/answer_question.py",
        'if run.get("answer_digest") != self.given.digest:',
        "if False:",
    ),
    Mutation(
        "G2",
        "an answer may interrupt what runs",
        f"{USE_CASES}/answer_question.py",
        "is_first=False,",
        "is_first=True,",
    ),
    Mutation(
        "G2",
        "a refused answer holds the run",
        f"{USE_CASES}/answer_question.py",
        "            self._let_go(run, holder)\n",
        "",
    ),
    Mutation(
        "G2",
        "an answer that LangGraph ignored passes for the launch's newest run",
        f"{DOMAIN}/settling.py",
        'ignored=run["status"] == "success" and not (waits or is_own)',
        "ignored=False and not (waits or is_own)",
    ),
    Mutation(
        "G4",
        "a node that asks again passes for the end",
        f"{LANGGRAPH}/inspection.py",
        'checkpoint is None and run["status"] == "success"',
        "False",
    ),
    Mutation(
        "G4",
        "a late webhook contradicts a cancelled question",
        f"{DOMAIN}/run_states.py",
        'if delivery.status == item["status"]:',
        "if False:",
    ),
    Mutation(
        "G1",
        "a cancelled run that had not begun waits for its webhook",
        f"{USE_CASES}/cancel_run.py",
        'launcher.runs.apply(run_states.due_now(run["run_id"], time.time()))',
        "pass",
    ),
    Mutation(
        "G1",
        "the worker forgets the run that answers",
        f"{USE_CASES}/human_input.py",
        "record_answer(launcher, known, started_as(found.answer), digest, now)",
        "pass",
    ),
    # ---- G5, G8: tasks that wait for a launch ----------------------------------------------------------------------
    Mutation(
        "G8",
        "a task is not told with the events",
        f"{USE_CASES}/publish.py",
        'self.callbacks.settle_or_defer(item["launch_id"])',
        "pass",
    ),
    Mutation("G8", "a question is the end of a launch", f"{DOMAIN}/callbacks.py", "not in OPEN", "is not None"),
    Mutation(
        "G8",
        "a launch whose run ended first forgets its task",
        f"{DOMAIN}/launch_states.py",
        '(Absent("heard_at"), Absent("task_token"), NONE_KEPT)',
        '(Absent("heard_at"),)',
    ),
    Mutation(
        "G8",
        "a refusal that could not be told is forgotten",
        f"{DOMAIN}/launch_states.py",
        "watch or launch.calls_back else NOT_DUE",
        "watch else NOT_DUE",
    ),
    Mutation(
        "G8",
        "a token that comes late waits for ever",
        LAUNCHING,
        "            self.launcher.callbacks.settle(claim.launch_id)\n",
        "            pass\n",
    ),
    Mutation("G5", "a task's token stays", f"{DOMAIN}/launch_states.py", 'remove=("task_token",),', "remove=(),"),
    Mutation(
        "G5",
        "a task's token stands in the launch's request",
        f"{DOMAIN}/launches.py",
        "if callback or text is None else text,",
        "if text is None else text,",
    ),
    Mutation(
        "G8",
        "the task of a message that waits long is told that nothing comes of it",
        MESSAGES,
        'message.first_at + TRY_SECONDS if state == "refused" else now',
        "now",
    ),
    # ---- the doors -------------------------------------------------------------------------------------------------
    Mutation(
        "G9",
        "callers of the Api need not sign their requests",
        "template.yaml",
        "        DefaultAuthorizer: AWS_IAM\n",
        "",
    ),
    Mutation(
        "G10",
        "the webhook is not throttled",
        "template.yaml",
        "        ThrottlingRateLimit: !Ref WebhookRequestsPerSecond\n",
        "",
    ),
    # ---- cost ------------------------------------------------------------------------------------------------------
    Mutation(
        "G10",
        "everything stands in one shard",
        f"{DOMAIN}/ledger.py",
        "zlib.crc32(item_id.encode()) % SHARDS",
        "zlib.crc32(item_id.encode()) % 1",
    ),
    Mutation(
        "G10",
        "a sweep reads what is due tomorrow too",
        f"{ADAPTERS}/dynamodb.py",
        'KeyConditionExpression="due_shard = :shard AND due_at <= :up_to",',
        'KeyConditionExpression="due_shard = :shard", FilterExpression="due_at <= :up_to",',
    ),
    Mutation(
        "G10",
        "a page reads more than is shown",
        f"{ADAPTERS}/dynamodb.py",
        '"Limit": limit, **index}',
        '"Limit": 100 + limit, **index}',
    ),
    Mutation(
        "G10",
        "a small payload takes a call more",
        f"{ADAPTERS}/s3.py",
        "if payload.size <= inline_bytes else",
        "if payload.size < 0 else",
    ),
    Mutation(
        "G10",
        "the key ring is read for each delivery",
        f"{ADAPTERS}/secrets_manager.py",
        "CACHE_SECONDS = 300",
        "CACHE_SECONDS = 0",
    ),
    Mutation(
        "G6",
        "a body may be of any size",
        f"{DOMAIN}/requests.py",
        "if len(body) > MAX_BODY_BYTES:",
        "if len(body) < 0:",
    ),
    Mutation("G6", "a body may be of any depth", f"{DOMAIN}/strict_json.py", "if len(path) > MAX_DEPTH:", "if False:"),
    Mutation(
        "G6",
        "a delivery that is too deep to be read is refused",
        f"{DOMAIN}/deliveries.py",
        'return Trimmed(None, None, "It is nested too deep.")  # thousands',
        "raise NotADeliveryError from None  # thousands",
    ),
    Mutation(
        "G6",
        "a deep delivery that is no JSON object is asked about",
        f"{DOMAIN}/deliveries.py",
        'if not (text.lstrip(_SPACE).startswith("{") and text.rstrip(_SPACE).endswith("}")):',
        "if False:",
    ),
    Mutation(
        "G6",
        "any number of bad fields is told",
        f"{DOMAIN}/requests.py",
        "for name in islice(strange, MAX_ERRORS)]",
        "for name in strange][:1000]",
    ),
    Mutation(
        "G6",
        "a pointer may be of any length",
        f"{DOMAIN}/problems.py",
        "pointer=shortened(e.pointer, MAX_POINTER)",
        "pointer=e.pointer",
    ),
    Mutation(
        "G6",
        "LangGraph's words may be of any length",
        f"{DOMAIN}/problems.py",
        "self.detail = shortened(self.detail, _MAX_DETAIL)",
        "pass",
    ),
    Mutation(
        "G6",
        "a log line may be as long as a delivery",
        RECEIVE,
        "named_launch=shortened(named, 100)",
        "named_launch=named",
    ),
    Mutation(
        "G6",
        "any cursor is given to DynamoDB",
        f"{DOMAIN}/listings.py",
        "is_ours = is_ours and all(one is None or _is_place(one, newest) for one in after)",
        "pass",
    ),
    Mutation("G5", "a link is good for a day", f"{ADAPTERS}/s3.py", "LINK_SECONDS = 300", "LINK_SECONDS = 86400"),
    Mutation(
        "G5",
        "the bucket may be made public",
        "template.yaml",
        "        BlockPublicPolicy: true\n",
        "        BlockPublicPolicy: false\n",
    ),
    Mutation(
        "G5",
        "the access log has what is in the path",
        "template.yaml",
        '"route":"$context.routeKey"',
        '"route":"$context.path"',
    ),
    Mutation(
        "G5",
        "a request is shown with its query",
        f"{ADAPTERS}/gateway.py",
        "query: str = field(repr=False)",
        "query: str",
    ),
    Mutation(
        "G5",
        "an event has the run's result",
        f"{DOMAIN}/events.py",
        '    "payload_bytes",\n    "result_too_large",',
        '    "payload_bytes",\n    "payload",\n    "result_too_large",',
    ),
    Mutation(
        "G9",
        "the webhook may read LangGraph's API key",
        "template.yaml",
        "Resource: !Ref KeyRingSecret\n              - Effect: Allow\n                Action: dynamodb:UpdateItem\n",
        "Resource: [!Ref KeyRingSecret, !Ref LangGraphApiKeySecret]\n              - Effect: Allow\n                Action: dynamodb:UpdateItem\n",
    ),
    Mutation(
        "G9",
        "query may write payloads",
        "template.yaml",
        "Action: s3:GetObject # what a link",
        "Action: [s3:GetObject, s3:PutObject] # what a link",
    ),
    Mutation("G5", "whoever sends is heard", WEBHOOK, "if not is_within(http.source, its.networks):", "if False:"),
    # ---- the launch queue ------------------------------------------------------------------------------------------
    Mutation(
        "G1",
        "a message that failed is deleted",
        MESSAGES,
        "        self._defer(message, launch_id, state)\n        return False\n",
        "        self._defer(message, launch_id, state)\n        return True\n",
    ),
    Mutation("G1", "a message that is no launch leaves no letter", MESSAGES, "self.dead_letters.send", "str"),
    Mutation(
        "G1",
        "one poisoned message stops the others",
        MESSAGES,
        "            return self._failed(message, launch_id, digest, internal())",
        "            raise",
    ),
    Mutation(
        "G1",
        "a message that could not be put down is forgotten in the end",
        MESSAGES,
        'if state in (None, "refused") and',
        'if state == "refused" and',
    ),
    Mutation(
        "G1",
        "the worker works on the launch of a message that waits",
        MESSAGES,
        "            self.launcher.launches.apply(update)\n",
        "            pass\n",
    ),
    Mutation(
        "G1",
        "a message whose launch LangGraph has refused is forgotten in the end",
        MESSAGES,
        'if state in (None, "refused") and',
        "if state is None and",
    ),
    Mutation(
        "G1",
        "a message has no time left where it waited for its turn",
        MESSAGES,
        ">= message.first_at + TRY",
        ">= message.sent_at + TRY",
    ),
    Mutation("G2", "another's launch is taken for a message's", MESSAGES, ' and launch["digest"] == digest', ""),
    Mutation(
        "G8",
        "an older message's token takes the place of the newest",
        f"{DOMAIN}/launch_states.py",
        'Either(Absent("called_at"), AtMost("called_at", called_at))',
        'Either(Absent("called_at"), Present("called_at"))',
    ),
    Mutation(
        "G8",
        "a refusal of the moment fails the task",
        f"{USE_CASES}/launcher.py",
        "if is_lasting or is_patient:",
        "if True:",
    ),
    Mutation(
        "G8",
        "a task that can't be told holds up events",
        f"{USE_CASES}/publish.py",
        "self.callbacks.settle_or_defer(",
        "self.callbacks.settle(",
    ),
    Mutation(
        "G8",
        "a task that can't be told is forgotten",
        f"{USE_CASES}/call_back.py",
        "self.launches.apply(launch_states.call_later(launch_id, time.time()))",
        "pass",
    ),
    Mutation(
        "G2",
        "a message is another launch each time",
        f"{DOMAIN}/messages.py",
        "fields.pop(_KEY, message_id)",
        "str(id(fields))",
    ),
    Mutation(
        "G2",
        "the letter of a message forgets its key",
        f"{DOMAIN}/messages.py",
        "{_KEY: (json.dumps(_KEY), json.dumps(message_id)), **members}",
        "members",
    ),
    Mutation(
        "G5",
        "the letter of a message keeps the task's token",
        f"{DOMAIN}/messages.py",
        'members.pop("callback", ("", "null"))',
        'members.get("callback", ("", "null"))',
    ),
    Mutation(
        "G9",
        "anybody's rules send a message to the launch queue",
        "template.yaml",
        "            Condition: {StringEquals: {aws:SourceAccount: !Ref AWS::AccountId}}\n\n  LaunchRole",
        "\n  LaunchRole",
    ),
    # ---- G5, G7: tokens --------------------------------------------------------------------------------------------
    Mutation(
        "G5",
        "any signature fits",
        f"{DOMAIN}/tokens.py",
        'if not hmac.compare_digest(parts["mac"], _mac(key, parts["signed"])):',
        "if False:",
    ),
    Mutation(
        "G5",
        "a signature is compared up to the first byte that differs",
        f"{DOMAIN}/tokens.py",
        'if not hmac.compare_digest(parts["mac"], _mac(key, parts["signed"])):',
        'if parts["mac"] != _mac(key, parts["signed"]):',
    ),
    Mutation("G7", "a token is good for ever", f"{DOMAIN}/tokens.py", 'if int(parts["expiry"]) <= now:', "if False:"),
    Mutation(
        "G5",
        "a token says nothing about another launch that the body names",
        RECEIVE,
        "if named is not None and named != grant.launch_id:",
        "if False:",
    ),
    Mutation(
        "G5",
        "payloads of all launches stand together",
        f"{DOMAIN}/ledger.py",
        """return f"runs/{launch_id or 'shared'}/{run_id}/{sha256}.json.gz\"""",
        'return f"runs/{run_id}/{sha256}.json.gz"',
    ),
    Mutation(
        "G5",
        "shared keys are taken where nobody asked for them",
        f"{DOMAIN}/tokens.py",
        "if not accept_shared or not _KEY.fullmatch(token):",
        "if not _KEY.fullmatch(token):",
    ),
    Mutation(
        "G5",
        "LangGraph's words keep what was sent to it",
        f"{LANGGRAPH}/refusals.py",
        'message = message.replace(secret, "…")',
        "pass",
    ),
    Mutation(
        "G7",
        "a key that LangGraph refuses is sent again",
        f"{LANGGRAPH}/deployment.py",
        "            self.api_key.forget()\n",
        "            pass\n",
    ),
    Mutation(
        "G7",
        "each unknown key has the ring read again",
        f"{ADAPTERS}/secrets_manager.py",
        "if self._age(self._tried_at) < REREAD_SECONDS:",
        "if False:",
    ),
    Mutation(
        "G5", "the token stays in the payload", f"{DOMAIN}/deliveries.py", 'text = text.replace(spelling, "")', "pass"
    ),
    Mutation(
        "G5",
        "a header says where a request comes from",
        f"{ADAPTERS}/gateway.py",
        'source=event["requestContext"]["http"]["sourceIp"],',
        'source=event["headers"].get("x-forwarded-for") or event["requestContext"]["http"]["sourceIp"],',
    ),
    Mutation(
        "G5",
        "a caller brings a webhook",
        f"{DOMAIN}/requests.py",
        "if name not in known)",
        'if name != "webhook" and name not in known)',
    ),
    Mutation(
        "G5",
        "a caller says which launch a run is of",
        f"{DOMAIN}/launches.py",
        'if name in _as_object(parent.get("metadata"))',
        "if False",
    ),
    Mutation(
        "G2",
        "a repeat says pending of a run that is over",
        "functions/launch/app.py",
        '"pending" if is_new else',
        '"pending" if True else',
    ),
    Mutation(
        "G8",
        "the task of a launch whose run was removed waits for ever",
        f"{USE_CASES}/call_back.py",
        "return removal_of(launch)",
        "return None",
    ),
    Mutation(
        "G6",
        "a write is begun that outlives its function",
        "layers/runledger/runledger/deadline.py",
        "    if not has_time():",
        "    if False:",
    ),
    Mutation(
        "G1",
        "the webhook of a result that Lambda does not take is awaited",
        f"{DOMAIN}/run_states.py",
        "seen.began and not is_heard and is_deliverable",
        "seen.began and not is_heard",
    ),
    Mutation(
        "G10",
        "the indexes hold the whole error",
        f"{DOMAIN}/run_states.py",
        "{name: text[:_BRIEF] for",
        "{name: text for",
    ),
    Mutation(
        "G6",
        "what LangGraph says of the webhook's URL is the caller's fault",
        f"{LANGGRAPH}/refusals.py",
        "(422, _WEBHOOK, _URL_REFUSED),",
        "",
    ),
    Mutation(
        "G1",
        "a proxy's 404 passes for LangGraph's",
        f"{LANGGRAPH}/origin.py",
        "if response.status_code in _DEPENDS and words(response) is None:",
        "if False:",
    ),
    Mutation(
        "G1",
        "JSON of another shape is a fault of ours",
        f"{LANGGRAPH}/refusals.py",
        "TimeoutError, ValueError, LookupError, TypeError, AttributeError,",
        "TimeoutError, KeyError, TypeError,",
    ),
    Mutation(
        "G1",
        "any text passes for a run's id",
        f"{DOMAIN}/inspection.py",
        "if not isinstance(given, str) or UUID.check(given):",
        "if not isinstance(given, str):",
    ),
    Mutation(
        "G5",
        "a link to a payload is logged",
        "functions/query/app.py",
        "text = views.run(item, prefix, payload, questions_url=questions)",
        'text = views.run(item, prefix, payload, questions_url=questions)\n    print(text.replace("\\n", " "))',
    ),
    Mutation(
        "G9",
        "the webhook starts a program",
        RECEIVE,
        "import time\nfrom dataclasses",
        "import subprocess\nimport time\nfrom dataclasses",
    ),
    Mutation(
        "G9",
        "any account's schedules take the sample's role",
        "events/samples/schedule.yaml",
        "            Condition: {StringEquals: {aws:SourceAccount: !Ref AWS::AccountId}}\n",
        "",
    ),
    Mutation(
        "G5",
        "a token stays whose pieces come together",
        f"{DOMAIN}/deliveries.py",
        "if not any(spelling in text for spelling in spellings):",
        "if True:",
    ),
    Mutation(
        "G6",
        "pieces in pieces are cut out for minutes",
        f"{DOMAIN}/deliveries.py",
        "for _ in range(_MAX_CUTS):",
        "for _ in range(10**9):",
    ),
    Mutation(
        "G5",
        "a token stays in what the worker records whose pieces come together",
        f"{LANGGRAPH}/inspection.py",
        "while (joined := either.search(tail + text[at : at + reach]))",
        "while False and (joined := either.search(tail + text[at : at + reach]))",
    ),
    Mutation(
        "G5",
        "the token stays in what the worker records",
        f"{LANGGRAPH}/inspection.py",
        "return bytes(kept + text[at:])",
        "return text",
    ),
    Mutation(
        "G5",
        "the API key stands in the worker's log",
        f"{LANGGRAPH}/deployment.py",
        "secrets=(key,)",
        "secrets=()",
    ),
    Mutation(
        "G7",
        "unknown keys drive reads as long as they fail",
        f"{ADAPTERS}/secrets_manager.py",
        "if self._age(self._tried_at) < REREAD_SECONDS:",
        "if self._age(self._read_at) < REREAD_SECONDS:",
    ),
    Mutation(
        "G7",
        "an expired token's launch is not looked at",
        RECEIVE,
        "self.launches.apply(launch_states.heard(refusal.launch_id, time.time()))",
        "pass",
    ),
    Mutation(
        "G7",
        "an unknown key is refused before the ring is read again",
        RECEIVE,
        "raise _key_not_known_yet(self.ring.reread_seconds) from None",
        'raise _refused("unknown-key") from None',
    ),
    Mutation(
        "G7",
        "a copy of a secret outlasts any outage",
        f"{ADAPTERS}/secrets_manager.py",
        "may_serve = self._known and age < CACHE_SECONDS + STALE_SECONDS",
        "may_serve = self._known",
    ),
    Mutation(
        "G7",
        "a copy of a secret outlasts no outage",
        f"{ADAPTERS}/secrets_manager.py",
        "STALE_SECONDS = 3600",
        "STALE_SECONDS = 0",
    ),
    Mutation(
        "G7",
        "an unusable secret passes for an outage",
        f"{ADAPTERS}/secrets_manager.py",
        "if not (may_serve and self._is_down):",
        "if not may_serve:",
    ),
    Mutation(
        "G7",
        "a frozen environment keeps its copies",
        f"{ADAPTERS}/secrets_manager.py",
        "clocks or (time.time, time.monotonic)",
        "clocks or (time.monotonic,)",
    ),
    Mutation(
        "G7",
        "a clock that was set back keeps the copies",
        f"{ADAPTERS}/secrets_manager.py",
        "return max(now() - at for",
        "return min(now() - at for",
    ),
    Mutation(
        "G10",
        "each request of an outage waits for Secrets Manager",
        f"{ADAPTERS}/secrets_manager.py",
        "if not (may_serve and self._is_down and self._age(self._tried_at) < REREAD_SECONDS):",
        "if True:",
    ),
    Mutation(
        "G5",
        "the API key is sent in clear where nobody asked for that",
        f"{ADAPTERS}/settings.py",
        'if scheme == "http" and not may_be_insecure:',
        "if False:",
    ),
    Mutation(
        "G5",
        "a stack is deployed that sends keys in clear",
        "template.yaml",
        "    Condition: IsInsecureRefused\n",
        "    Condition: HasVpc\n",
    ),
    # ---- G5, G7, G9: rotation of the key ring ----------------------------------------------------------------------
    Mutation(
        "G7",
        "a new key signs at once",
        f"{DOMAIN}/tokens.py",
        "if created_at(kid) + SIGNS_AFTER_SECONDS <= now]",
        "if created_at(kid) <= now]",
    ),
    Mutation(
        "G7",
        "tokens are signed by what `current` names",
        f"{DOMAIN}/tokens.py",
        "kid = ring.signer(now)",
        "kid = ring.current",
    ),
    Mutation(
        "G7",
        "a key is dropped when the next one signs",
        f"{DOMAIN}/rotation.py",
        "at - MAX_AFTER_SECONDS - max_run_seconds - MARGIN_SECONDS)",
        "at)",
    ),
    Mutation(
        "G7",
        "a key is dropped while a delayed run has its token",
        f"{DOMAIN}/rotation.py",
        "at - MAX_AFTER_SECONDS - max_run_seconds",
        "at - max_run_seconds",
    ),
    Mutation(
        "G7",
        "a key is thought to sign no more when the next one comes",
        f"{DOMAIN}/rotation.py",
        "[created_at(newer) + SIGNS_AFTER_SECONDS for newer",
        "[created_at(newer) for newer",
    ),
    Mutation(
        "G7",
        "a rotation ends however late",
        f"{DOMAIN}/rotation.py",
        "return again == after and now <= created_at(kid) + FINISH_SECONDS",
        "return again == after",
    ),
    Mutation(
        "G7",
        "a rotation undoes what was done meanwhile",
        f"{DOMAIN}/rotation.py",
        "return again == after and",
        "return",
    ),
    Mutation(
        "G7",
        "a rotation drops shared keys",
        f"{DOMAIN}/rotation.py",
        "ring.shared, ring.current, at)",
        "{}, ring.current, at)",
    ),
    Mutation(
        "G7",
        "the ring grows until it can't be written",
        f"{DOMAIN}/rotation.py",
        "return _fitting(new, MAX_BYTES - _SHARED_BYTES)",
        "return new",
    ),
    Mutation(
        "G7",
        "a revoked key stays",
        f"{DOMAIN}/rotation.py",
        "for kid, held in ring.signing.items() if kid != name}",
        "for kid, held in ring.signing.items()}",
    ),
    Mutation(
        "G7",
        "a shared key that is revoked stays",
        f"{DOMAIN}/rotation.py",
        "for other, held in ring.shared.items() if other != name}",
        "for other, held in ring.shared.items()}",
    ),
    Mutation(
        "G7",
        "no new key follows one that is revoked",
        f"{DOMAIN}/rotation.py",
        "signing[fresh_kid(ring, now)] = key.encode()",
        "pass",
    ),
    Mutation(
        "G7",
        "who was too late says that it is done",
        f"{ADAPTERS}/key_ring_store.py",
        "if now not in (version_id, old_id):",
        "if False:",
    ),
    Mutation(
        "G7",
        "a lost answer makes a rotation fail that is done",
        f"{ADAPTERS}/key_ring_store.py",
        "if now not in (version_id, old_id):",
        "if now != old_id:",
    ),
    Mutation(
        "G7",
        "a command that was too late is not done again",
        f"{USE_CASES}/key_commands.py",
        "        except MovedOnError:\n            continue\n",
        "        except MovedOnError:\n            pass\n",
    ),
    Mutation(
        "G7",
        "a command leaves a rotation under way that it has made void",
        f"{USE_CASES}/key_commands.py",
        "if PENDING in labels and CURRENT not in labels:",
        "if False:",
    ),
    Mutation(
        "G7",
        "a rotation that is given up stands in the way of the next",
        f"{USE_CASES}/rotate_keys.py",
        "    versions.release(version_id)\n    return StepRefusedError",
        "    return StepRefusedError",
    ),
    Mutation(
        "G7",
        "createSecret makes another key when it is repeated",
        f"{USE_CASES}/rotate_keys.py",
        "if versions.content(version_id) is None:",
        "if True:",
    ),
    Mutation(
        "G7",
        "a rotation that is done keeps its label",
        f"{USE_CASES}/rotate_keys.py",
        "if is_done and PENDING in labels[version_id]:",
        "if False:",
    ),
    Mutation(
        "G7",
        "testSecret tests nothing",
        f"{USE_CASES}/rotate_keys.py",
        "if granted != tokens.Grant(launch_id):",
        "if False:",
    ),
    Mutation(
        "G7",
        "any secret is rotated",
        f"{USE_CASES}/rotate_keys.py",
        'if event["SecretId"] != versions.secret_id:',
        "if False:",
    ),
    Mutation(
        "G7",
        "the schedule ignores its parameter",
        "template.yaml",
        "    Condition: HasKeyRotation\n",
        "    Condition: HasVpc\n",
    ),
    Mutation(
        "G5",
        "a command answers with the ring",
        f"{USE_CASES}/key_commands.py",
        '"keys": names(ring)}',
        '"keys": ring.text()}',
    ),
    Mutation(
        "G5",
        "a command quotes what may be a key",
        f"{USE_CASES}/key_commands.py",
        'f"must be {rule}"',
        'f"{name} must be {rule}"',
    ),
    Mutation(
        "G9",
        "any account's rotation invokes the function",
        "template.yaml",
        "      SourceAccount: !Ref AWS::AccountId",
        "",
    ),
    # ---- G11: LangGraph confirms -----------------------------------------------------------------------------------
    Mutation(
        "G11",
        "a token keeps any number of deliveries",
        f"{DOMAIN}/unconfirmed.py",
        "MAX_OF_LAUNCH = 4 ",
        "MAX_OF_LAUNCH = 400 ",
    ),
    Mutation(
        "G11",
        "a launch that keeps a delivery is started over",
        f"{USE_CASES}/recover_launch.py",
        "if not found and launch.kept:",
        "if False:",
    ),
    Mutation(
        "G7",
        "a secret that was taken away serves on",
        f"{ADAPTERS}/secrets_manager.py",
        "self._is_down = _is_outage(error)",
        "self._is_down = True",
    ),
    Mutation(
        "G11",
        "each invented run of a launch becomes one",
        f"{USE_CASES}/confirm_runs.py",
        '(launcher.launches.item(launch.launch_id) or {}).get("state") == "starting"',
        'launch.state == "starting"',
    ),
    Mutation(
        "G11",
        "an invented success keeps its payload where LangGraph calls it a failure",
        f"{DOMAIN}/run_states.py",
        'return item.get("source") == "webhook" and',
        "return False and",
    ),
    Mutation(
        "G14",
        "an end that LangGraph never confirms is never published",
        f"{USE_CASES}/take_status.py",
        'if item.get("unverified") and not item.get("disputed"):\n        _believe(work, item)',
        "if False:\n        _believe(work, item)",
    ),
    Mutation(
        "G14",
        "a run about which nobody can be asked is disputed",
        f"{DOMAIN}/verification.py",
        '"corrected" in item or "thread_id" not in item',
        '"corrected" in item',
    ),
    Mutation(
        "G11",
        "a token claims the run of another launch",
        f"{USE_CASES}/confirm_runs.py",
        "if not _is_of(launcher, launch, found):",
        "if False:",
    ),
    Mutation(
        "G11",
        "what a shared key has invented of a launch's run stands",
        f"{USE_CASES}/launcher.py",
        "while found and verification.is_believed(found):",
        "while False:",
    ),
    Mutation(
        "G11",
        "a shared key claims the run of a launch",
        f"{LANGGRAPH}/claims.py",
        'if owner != run.get("claimed_by"):',
        "if False:",
    ),
    Mutation(
        "G11",
        "a claim stands in the way of the launcher",
        f"{DOMAIN}/run_states.py",
        'NEW = Either(Absent("run_id"), Present("claim"))',
        'NEW = Absent("run_id")',
    ),
    Mutation(
        "G11",
        "a claim stands in the list of its thread",
        f"{DOMAIN}/unconfirmed.py",
        '"outcome": UNCONFIRMED,\n            "status"',
        '"outcome": UNCONFIRMED,\n            "thread_id": delivery.thread_id,\n            "status"',
    ),
    Mutation(
        "G11",
        "an outcome is published before LangGraph has confirmed it",
        f"{USE_CASES}/publish.py",
        'if item is None or "unpublished" not in item or is_doubtful(item):',
        'if item is None or "unpublished" not in item:',
    ),
    Mutation(
        "G11",
        "a webhook's end needs no confirmation",
        f"{DOMAIN}/run_states.py",
        "return True if is_published(outcome) else None",
        "return None",
    ),
    Mutation(
        "G11",
        "a task hears of an end that LangGraph has not confirmed",
        f"{DOMAIN}/callbacks.py",
        'return run["outcome"] not in OPEN and not is_doubtful(run)',
        'return run["outcome"] not in OPEN',
    ),
    Mutation(
        "G11",
        "a contradiction is left as it is",
        f"{DOMAIN}/verification.py",
        'decides: dict[str, Value | None] = {"disputed": True, ',
        "decides: dict[str, Value | None] = {",
    ),
    Mutation(
        "G11",
        "an invented end of a run that goes on stands",
        FINDING,
        'if item.get("source") == "webhook" and not waits:',
        "if False:",
    ),
    Mutation(
        "G11",
        "a correction is published as if it were the first outcome",
        f"{DOMAIN}/verification.py",
        "new = frozenset({CORRECTED}) if was_sent else",
        "new =",
    ),
    # ---- G12: one ledger, one identity -----------------------------------------------------------------------------
    Mutation(
        "G12",
        "two ledgers name the same launch",
        f"{DOMAIN}/launches.py",
        "uuid.uuid5(uuid.uuid5(_LAUNCHES, ledger_id), idempotency_key)",
        "uuid.uuid5(_LAUNCHES, idempotency_key)",
    ),
    Mutation(
        "G12",
        "the run of another ledger is taken for one of ours",
        f"{DOMAIN}/launches.py",
        "if metadata.get(LEDGER, ledger_id) != ledger_id:",
        "if False:",
    ),
    Mutation(
        "G12",
        "the webhook takes a run of another ledger",
        RECEIVE,
        "if delivery.ledger_id not in (None, self.ledger_id):",
        "if False:",
    ),
)


def main() -> int:
    """Try every mutation whose description or guarantee contains the words given; return how many went unnoticed."""
    words = " ".join(sys.argv[1:])
    chosen = _of_security() if words == "SECURITY.md" else _with(words)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, copy / name)
        _check_unbroken(copy, {tests for _, tests in chosen})
        unnoticed = [mutation for mutation, tests in chosen if not _is_noticed(mutation, copy, tests)]
    console.print(f"{len(chosen)} mutations, {len(unnoticed)} unnoticed")
    return len(unnoticed)


def _with(words: str) -> list[tuple[Mutation, Tests]]:
    """Return the mutations with these words, each with the tests that bear its guarantee's name."""
    chosen = [mutation for mutation in MUTATIONS if words in str(mutation)]
    return [(mutation, ("-k", f"{mutation.guarantee.lower()}_", *TESTS)) for mutation in chosen]


def _of_security() -> list[tuple[Mutation, Tests]]:
    """Return the mutation of each row of SECURITY.md, with the row's test."""
    by_name = {str(mutation): mutation for mutation in MUTATIONS}
    return [(by_name[row.mutation], (row.test,)) for row in rows()]


def _check_unbroken(copy: Path, chosen: set[Tests]) -> None:
    """Stop where a test fails without any mutation: it would notice each."""
    by_guarantee = [tests for tests in chosen if tests[0] == "-k"]
    by_name = [test for tests in chosen if tests not in by_guarantee for test in tests]
    for tests in [*by_guarantee, tuple(by_name)]:
        if tests and (done := _run(copy, tests)).returncode:
            raise SystemExit(f"these fail as it is: {' '.join(tests)}\n{_failed(done.stdout) or done.stdout}")


def _is_noticed(mutation: Mutation, copy: Path, tests: Tests) -> bool:
    path = copy / mutation.path
    source = path.read_text()
    if source.count(mutation.old) != 1:
        raise SystemExit(f"{mutation.path} has {source.count(mutation.old)} of: {mutation.old}")
    path.write_text(source.replace(mutation.old, mutation.new))
    done = _run(copy, tests)
    path.write_text(source)
    failed = _failed(done.stdout)
    colour = "green" if done.returncode == 1 and failed else "bold red"
    console.print(f"[{colour}]{mutation.guarantee}[/]  {mutation.what}")
    console.print(f"    {failed or 'no test fails'}", style="dim", soft_wrap=True, markup=False)
    return bool(done.returncode == 1 and failed)


def _run(copy: Path, tests: Tests) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)


def _failed(output: str) -> str:
    """Return the line about the test that failed, "" where none did."""
    return next((line for line in output.splitlines() if line.startswith(("FAILED tests", "ERROR tests"))), "")


if __name__ == "__main__":
    sys.exit(main())
