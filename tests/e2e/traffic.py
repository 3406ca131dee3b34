"""One of each kind of traffic through the local stack, with secrets that are looked for afterwards."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runledger.adapters.secrets_manager import CACHE_SECONDS
from runledger.domain.tokens import KeyRing, sign
from tests.e2e.client import Ledger, eventually, post
from tests.integration.spellings import percent_encoded
from tests.integration.state_machines import Task, wait_for_token

if TYPE_CHECKING:
    from local.stack import Stack

NOBODY = {"assistant_id": "nobody", "input": {}}
_PATIENCE = 60


@dataclass
class Traffic:
    """What was sent: `answers` has the text of each answer; `secrets` what is to be found nowhere, by what it is."""

    stack: Stack
    answers: list[str] = field(default_factory=list)
    launched: list[dict[str, Any]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.stack)

    def launch(self, task: str, **body: Any) -> dict[str, Any]:
        """Launch a run that does `task`."""
        answer = self.post("/runs", {"assistant_id": "agent", "input": {"task": task}, **body}, 202)
        self.launched.append(answer)
        return answer

    def post(self, path: str, body: object, status: int) -> dict[str, Any]:
        """POST to a path of the Api."""
        return self._answered(self.ledger.post(path, body), status)

    def deliver(self, token: str, run_id: str, launch_id: str | None, status: int, spelt: str = "") -> None:
        """POST a delivery that repeats the token in many places, as it is `spelt` in the URL."""
        spelt = spelt or token
        metadata = {"launch_id": launch_id} if launch_id else {}
        body = {
            "run_id": run_id,
            "status": "error",
            "thread_id": "a-thread",
            "metadata": metadata,
            "kwargs": {"webhook": f"https://webhook.example/webhook?token={spelt}"},
            "error": {"error": "E", "message": f"can't reach ?token={spelt}"},
            "values": {"seen": spelt},
        }
        self._answered(post(f"{self.stack.webhook_url}?token={spelt}", body), status)

    def get(self, link: str, status: int) -> None:
        """GET a path of the Api."""
        told, headers, text = self.ledger.get(link)
        assert told == status, text
        self.answers += [json.dumps(headers), text]

    def send(self, body: object) -> None:
        """Put a message into the launch queue."""
        queue = self.stack.template.names["LaunchQueue"]
        self.stack.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(body))

    def rotate(self, command: dict[str, str]) -> None:
        """Have the rotate function do what a person asks of it, and note the keys."""
        self.answers.append(json.dumps(self.stack.pools["RotateFunction"].invoke(command)))
        self.note_keys()

    def ring(self) -> KeyRing:
        secret = self.stack.client("secretsmanager").get_secret_value(
            SecretId=self.stack.template.names["KeyRingSecret"]
        )
        return KeyRing.parse(secret["SecretString"])

    def note_keys(self) -> None:
        """Note the keys of the ring, which are to be found nowhere."""
        ring = self.ring()
        self.secrets |= {
            f"key {key.decode()[:4]}": key.decode() for key in (*ring.signing.values(), *ring.shared.values())
        }

    def note_token(self, name: str, token: str) -> str:
        """Note a token, and its signature."""
        self.secrets |= {f"token {name}": token, f"signature {name}": token.rpartition(".")[2]}
        return token

    def token_of(self, launched: dict[str, Any]) -> str:
        """Ask LangGraph for the token that a run was given."""
        ids = launched["thread_id"], launched["run_id"]
        run: Any = self.ledger.langgraph(lambda client: client.runs.get(*ids))
        return self.note_token(launched["run_id"], run["kwargs"]["webhook"].partition("token=")[2])

    def _answered(self, answer: tuple[int, dict[str, Any]], status: int) -> dict[str, Any]:
        assert answer[0] == status, answer
        self.answers.append(json.dumps(answer[1]))
        return answer[1]


def launches(traffic: Traffic) -> None:
    """Launch, answer, cancel and refuse, over HTTP and by message."""
    done, failing, asking, withdrawn = (traffic.launch(task) for task in ("answer", "fail", "ask", "ask"))
    traffic.launch("large", input={"task": "large", "bytes": 100_000})
    slow = traffic.launch("slow", input={"task": "slow", "seconds": _PATIENCE})
    traffic.send({"assistant_id": "agent", "input": {"task": "answer"}, "idempotency_key": "by message"})
    traffic.post("/runs", {"assistant_id": "agent", "inputs": {}}, 400)
    traffic.post("/runs", NOBODY, 422)
    traffic.post(f"/runs/{done['run_id']}/resume", {"resume": 1}, 409)
    for run in (asking, withdrawn):
        assert traffic.ledger.told(run["run_id"])["outcome"] == "awaiting_input"
    traffic.launched.append(traffic.post(f"/runs/{asking['run_id']}/resume", {"resume": "yes"}, 202))
    traffic.post(f"/runs/{withdrawn['run_id']}/cancel", {}, 202)
    traffic.post(f"/runs/{slow['run_id']}/cancel", {}, 202)
    assert traffic.ledger.told(failing["run_id"])["outcome"] == "failed"


def tasks(traffic: Traffic) -> tuple[Task, dict[str, Any]]:
    """Let one task be refused by message and another wait for an answer; return the one that waits and its launch."""
    refused, waits = (wait_for_token(traffic.stack.client) for _ in range(2))
    traffic.secrets |= {"task token, refused": refused.token, "task token": waits.token}
    launched = traffic.launch("ask", callback={"task_token": waits.token})
    traffic.send({**NOBODY, "callback": {"task_token": refused.token}})
    assert traffic.ledger.told(launched["run_id"])["outcome"] == "awaiting_input"
    assert refused.ended()[0] == "LaunchRefused"
    return waits, launched


def deliveries(traffic: Traffic) -> None:
    """Deliver with good tokens and with bad ones, each of which the body repeats."""
    run = traffic.launched[0]
    ring, now, names = traffic.ring(), time.time(), (run["run_id"], run["launch_id"])
    traffic.ledger.told(run["run_id"])
    good = traffic.token_of(run)
    traffic.deliver(good, *names, 200)
    traffic.deliver(good, *names, 200, percent_encoded(good))
    traffic.deliver(good, str(uuid.uuid4()), str(uuid.uuid4()), 400)
    traffic.deliver(traffic.note_token("forged", f"{good[:-2]}{'AA' if good[-2:] != 'AA' else 'BB'}"), *names, 401)
    traffic.deliver(traffic.note_token("expired", sign(ring, names[1], int(now) - 1, now)), *names, 401)
    foreign = sign(KeyRing("k9", {"k9": b"n" * 64}, {}), names[1], int(now) + 60, now)
    traffic.deliver(traffic.note_token("foreign", foreign), *names, 503)
    traffic.rotate({"share": "leaks"})
    traffic.stack.let_pass(CACHE_SECONDS)
    (shared,) = traffic.ring().shared.values()
    traffic.deliver(shared.decode(), str(uuid.uuid4()), None, 202)
    traffic.deliver(quote(shared.decode()), *names, 400)


def webhook_missing(traffic: Traffic) -> None:
    """Let reconcile find what became of a run whose webhook never came."""
    traffic.stack.apis["WebhookApi"].close()
    try:
        run = traffic.launch("fail")
        traffic.ledger.ended(run)
        traffic.stack.recover()
        assert traffic.ledger.run(run["run_id"])["source"] == "reconcile"
    finally:
        traffic.stack.open_api("WebhookApi")


def rotations(traffic: Traffic) -> None:
    """Rotate, revoke the key that signed, and come with what it has signed; name a key where its name belongs."""
    run = traffic.launched[0]
    old = traffic.ring().signing["k0"].decode()
    traffic.stack.rotate()
    traffic.note_keys()
    traffic.rotate({"revoke": "k0"})
    traffic.rotate({"revoke": old})
    traffic.stack.let_pass(CACHE_SECONDS)
    traffic.deliver(traffic.token_of(run), run["run_id"], run["launch_id"], 503)
    traffic.note_token("of the new key", traffic.token_of(traffic.launch("answer")))


def poison(traffic: Traffic, lines: list[str]) -> None:
    """Write a run that can't be published, which the stream leaves to the work queue when a minute has passed."""
    run = {
        "run_id": str(uuid.uuid4()),
        "outcome": "answered",
        "unpublished": {"answered"},
        "event_state": "unpublished",
    }
    traffic.stack.table("RunsTable").put_item(Item=run)
    eventually(lambda: any("left to the work queue" in line for line in lines) or None, 90)


def queries(traffic: Traffic) -> None:
    """Ask for everything, and for what isn't there."""
    for run in traffic.launched:
        traffic.get(f"/runs/{run['run_id']}", 200)
        traffic.get(f"/launches/{run['launch_id']}", 200)
    for link, status in (("/runs?outcome=failed", 200), ("/runs/none", 404), ("/runs?outcome=lost&cursor=x", 400)):
        traffic.get(link, status)
