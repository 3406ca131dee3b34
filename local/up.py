"""`make up`: the stack, until Ctrl-C or `make down`.

Settings, all optional, from the environment: LANGGRAPH_CONFIG (a langgraph.json of your own), LANGGRAPH_URL (a server
that runs already), LANGGRAPH_API_KEY (its key), BIND (the address to listen on, 127.0.0.1), API_PORT, WEBHOOK_PORT,
LANGGRAPH_PORT, AWS_PORT (free ones).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from rich.console import Console
from rich.panel import Panel

from local import logs, running
from local.langgraph_server import EXAMPLE
from local.stack import Stack

_PORTS = {"Api": "API_PORT", "WebhookApi": "WEBHOOK_PORT", "LangGraph": "LANGGRAPH_PORT", "AWS": "AWS_PORT"}
console = Console(highlight=False)


def show(function: str, line: str) -> None:
    """Print a function's log line."""
    if (text := logs.render(function, line)) is not None:
        console.print(text, soft_wrap=True)


def main() -> int:
    """Run the stack; return the exit status."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    if other := running.read():
        console.print(f"A stack runs here already (process {other['pid']}); stop it with [bold]make down[/].")
        return 1
    config = Path(os.environ.get("LANGGRAPH_CONFIG") or EXAMPLE)
    if not config.is_file():
        console.print(f"LANGGRAPH_CONFIG: there is no file {config}")
        return 1
    for number in (signal.SIGINT, signal.SIGTERM):  # make down is as good as Ctrl-C
        signal.signal(number, signal.default_int_handler)
    try:
        with console.status("starting"):
            stack = Stack(
                config=config,
                langgraph_url=(os.environ.get("LANGGRAPH_URL") or "").rstrip("/"),
                api_key=os.environ.get("LANGGRAPH_API_KEY") or " ",
                host=os.environ.get("BIND") or "127.0.0.1",
                ports=_ports(),
                log=show,
            ).__enter__()
    except KeyboardInterrupt:
        return 130
    except (RuntimeError, OSError, ValueError) as error:
        console.print("[bold red]The stack did not start:[/]", end=" ")
        console.print(str(error), markup=False, soft_wrap=True)
        return 1
    try:
        running.write(stack)
        console.print(_welcome(stack))
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopping")
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stack.__exit__()
        running.forget()
    return 0


def _ports() -> dict[str, int]:
    given = {name: os.environ.get(variable) for name, variable in _PORTS.items()}
    for name, port in given.items():
        if port and not port.isdecimal():
            raise ValueError(f"{_PORTS[name]} must be a port number, not {port!r}")
    return {name: int(port) for name, port in given.items() if port}


def _welcome(stack: Stack) -> Panel:
    assistant = "agent" if stack.config == EXAMPLE else "<assistant>"
    lines = [
        f"[bold]API[/]        {stack.apis['Api'].url}",
        f"[bold]webhook[/]    {stack.webhook_url}",
        f"[bold]LangGraph[/]  {stack.langgraph_url}",
        f"[bold]AWS[/]        {stack.endpoint_url}   (any credentials, region us-east-1)",
        "",
        "Launch a run:",
        f"  curl -s {stack.apis['Api'].url}/runs -H 'content-type: application/json' \\",
        f'    -d \'{{"assistant_id": "{assistant}", "input": {{"task": "answer"}}}}\'',
        "See the ledger:",
        f"  AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x aws --region us-east-1 --endpoint-url {stack.endpoint_url} \\",
        f"    dynamodb scan --table-name {stack.template.names['RunsTable']}",
        "",
        "Everything in .runledger/stack.json. Ctrl-C or make down stops it. Logs of the functions follow.",
    ]
    return Panel("\n".join(lines), title="Runledger runs", border_style="green", expand=False)


if __name__ == "__main__":
    sys.exit(main())
