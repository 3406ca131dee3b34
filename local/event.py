"""`make event`: events/webhook.json with a token that the running stack takes, for `sam local invoke`."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from local import resources, running
from local.template import ROOT
from runledger.core.tokens import KeyRing, sign

FILE = ROOT / "events" / "webhook.json"
PLACEHOLDER = "put-a-token-here"
_GOOD_SECONDS = 3600


def webhook(stack: dict[str, Any]) -> str:
    """Return the event's text; `stack` is what a running stack says of itself."""
    text = FILE.read_text()
    client = resources.session().client("secretsmanager", endpoint_url=stack["aws_endpoint_url"])
    secret = client.get_secret_value(SecretId=stack["resources"]["KeyRingSecret"])["SecretString"]
    launch_id = json.loads(json.loads(text)["body"])["metadata"]["launch_id"]
    now = time.time()
    return text.replace(PLACEHOLDER, sign(KeyRing.parse(secret), launch_id, int(now) + _GOOD_SECONDS, now))


def main() -> int:
    """Print the event; return the exit status."""
    stack = running.read()
    if stack is None:
        sys.stderr.write("No stack runs here; start one with make up.\n")
        return 1
    sys.stdout.write(webhook(stack))
    return 0


if __name__ == "__main__":
    sys.exit(main())
