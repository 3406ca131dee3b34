"""`make event`: an event that the running stack takes, for `sam local invoke`.

events/webhook.json with a good token, its run recorded as launched, or, with `EVENT=rotate`, events/rotate.json for a
rotation that has begun.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from local import given, resources, running, secrets_manager
from local.template import ROOT
from runledger.adapters.dynamodb import RunsTable
from runledger.domain import run_states
from runledger.domain.tokens import KeyRing, sign

FILE = ROOT / "events" / "webhook.json"
_ROTATE = ROOT / "events" / "rotate.json"
PLACEHOLDER = "put-a-token-here"
_GOOD_SECONDS = 3600


def webhook(stack: dict[str, Any]) -> str:
    """Return the event's text; `stack` is what a running stack says of itself."""
    text = FILE.read_text()
    client = _secrets_manager(stack)
    secret = client.get_secret_value(SecretId=stack["resources"]["KeyRingSecret"])["SecretString"]
    run = json.loads(json.loads(text)["body"])
    launch_id = run["metadata"]["launch_id"]
    record_launched(stack, run["run_id"], launch_id, run["thread_id"])
    now = time.time()
    return text.replace(PLACEHOLDER, sign(KeyRing.parse(secret), launch_id, int(now) + _GOOD_SECONDS, now))


def record_launched(stack: dict[str, Any], run_id: str, launch_id: str, thread_id: str) -> None:
    """Record a run as its launcher does: what only a token vouches for is kept apart until it is confirmed (G11)."""
    made = run_states.pending(
        run_id=run_id,
        launch_id=launch_id,
        thread_id=thread_id,
        assistant_id=None,
        after_seconds=0,
        now=time.time(),
    )
    client = resources.session().client("dynamodb", endpoint_url=stack["aws_endpoint_url"])
    RunsTable(client, stack["resources"]["RunsTable"]).apply(made)


def rotate(stack: dict[str, Any]) -> str:
    """Return the text of the first step's event; the rotation is begun unless one goes on."""
    secret_id = stack["resources"]["KeyRingSecret"]
    token = secrets_manager.begun(_secrets_manager(stack), secret_id)
    sys.stderr.write("A rotation of the running stack's keys has begun; make keys DO=rotate takes it to its end.\n")
    return json.dumps({**json.loads(_ROTATE.read_text()), "SecretId": secret_id, "ClientRequestToken": token}) + "\n"


def _secrets_manager(stack: dict[str, Any]) -> Any:
    return resources.session().client("secretsmanager", endpoint_url=stack["aws_endpoint_url"])


def main() -> int:
    """Print the event; return the exit status."""
    try:
        wanted = " ".join(given.words("EVENT")) or "webhook"
    except ValueError as error:
        sys.stderr.write(f"EVENT: {error}.\n")
        return 1
    if wanted not in EVENTS:
        sys.stderr.write(f"EVENT: there is {' and '.join(EVENTS)}, not {wanted}; the others are in events/.\n")
        return 1
    stack = running.read()
    if stack is None:
        sys.stderr.write("No stack runs here; start one with make up.\n")
        return 1
    sys.stdout.write(EVENTS[wanted](stack))
    return 0


EVENTS = {"webhook": webhook, "rotate": rotate}

if __name__ == "__main__":
    sys.exit(main())
