"""`make keys`: the running stack's key ring, and `DO=rotate`, `DO="revoke <name>"` or `DO="share <name>"` to change it.

The rotate function does it, in a process of its own: as Secrets Manager or `aws lambda invoke` have it done in AWS.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from local import given, logs, resources, running, secrets_manager
from local.functions import InvocationError, Pool, environment
from local.template import Template
from runledger.domain.rotation import names
from runledger.domain.tokens import SIGNS_AFTER_SECONDS, KeyRing, created_at

_USAGE = 'DO=rotate, DO="revoke <name>" or DO="share <name>"; without, the keys are shown.'
console = Console(highlight=False, stderr=True)


def main() -> int:
    """Do what `DO` says, and print the ring; return the exit status."""
    stack = running.read()
    if stack is None:
        print("No stack runs here; start one with make up.")
        return 1
    client, secret_id = (
        resources.session().client("secretsmanager", endpoint_url=stack["aws_endpoint_url"]),
        stack["resources"]["KeyRingSecret"],
    )
    done = 0
    try:
        wanted = given.words("DO")
    except ValueError as error:
        print(f"DO: {error}.\n{_USAGE}")
        return 1
    match wanted:
        case []:
            pass
        case ["rotate"]:
            done = _invoke(stack, lambda invoke: secrets_manager.rotate(client, secret_id, invoke))
        case ["revoke" | "share" as what, name]:
            done = _invoke(stack, lambda invoke: invoke({what: name}))
        case other:
            print(f"DO: {' '.join(other)!r} is none of these.\n{_USAGE}")
            return 1
    _show(KeyRing.parse(client.get_secret_value(SecretId=secret_id)["SecretString"]), stack)
    return done


def _invoke(stack: dict[str, Any], do: Any) -> int:
    template = Template(
        {
            "LangGraphUrl": stack["langgraph_url"],
            "WebhookUrl": stack["webhook_url"],
            "AllowInsecureUrls": "true",
            **stack["parameters"],
        },
        stack_id=stack["stack_id"],
    )
    template.names.update(stack["resources"])
    (function,) = [function for function in template.functions() if function.name == "RotateFunction"]
    with closing(Pool(function, environment(function, stack["aws_endpoint_url"]), _log)) as pool:
        try:
            problem = do(pool.invoke)
        except InvocationError:  # it is in the log
            return 1
    return int(isinstance(problem, dict) and "status" in problem)


def _log(function: str, line: str) -> None:
    logs.show(console, function, line)


def _show(ring: KeyRing, stack: dict[str, Any]) -> None:
    signer = ring.signer(time.time())
    for name in names(ring):
        if name in ring.shared:
            print(f"{name:<16} {stack['webhook_url']}?token={ring.shared[name].decode()}")
            continue
        signs_at = created_at(name) + SIGNS_AFTER_SECONDS
        later = f"signs from {datetime.fromtimestamp(signs_at, UTC):%H:%M:%S} UTC" if signs_at > time.time() else ""
        print(f"{name:<16} {'signs' if name == signer else later or 'checks what it has signed'}")
    if ring.shared and stack["parameters"].get("AcceptSharedTokens") != "true":
        print('Shared keys are refused, unless the stack is started by make up PARAMETERS="AcceptSharedTokens=true".')


if __name__ == "__main__":
    sys.exit(main())
