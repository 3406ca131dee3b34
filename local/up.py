"""`make up`: the stack, until Ctrl-C or `make down`.

Settings, all optional, from the environment: LANGGRAPH_CONFIG (a langgraph.json of your own), LANGGRAPH_URL (a server
that runs already), LANGGRAPH_API_KEY (its key), BIND (the address to listen on, 127.0.0.1), API_PORT, WEBHOOK_PORT,
LANGGRAPH_PORT, AWS_PORT (free ones), PARAMETERS (template.yaml's, "Name=value …").
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from local import interrupts, logs, running
from local.langgraph_server import EXAMPLE
from local.servers import is_free
from local.stack import Stack

_PORTS = {"Api": "API_PORT", "WebhookApi": "WEBHOOK_PORT", "LangGraph": "LANGGRAPH_PORT", "AWS": "AWS_PORT"}
_LOOK_SECONDS = 0.5
console = Console(highlight=False)


def show(function: str, line: str) -> None:
    """Print a function's log line."""
    logs.show(console, function, line)


def main() -> int:
    """Run the stack; return the exit status."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    interrupts.raise_once()
    try:
        with running.alone(), ExitStack() as started:
            with console.status("starting"):
                stack = started.enter_context(_stack())
            started.callback(interrupts.ignore)  # by then it ends, by itself or not, and is to end in order
            running.write(stack)
            console.print(_welcome(stack), soft_wrap=True)
            return _watch(stack)
    except running.RunsAlreadyError:
        logs.say(
            console,
            f"A stack runs here already (process {running.process()}). [bold]make ledger[/] shows its runs, "
            ".runledger/stack.json where it is; [bold]make down[/] stops it.",
        )
        return 1
    except KeyboardInterrupt:
        return 130
    except (RuntimeError, OSError, ValueError) as error:
        console.print("[bold red]The stack did not start:[/]", end=" ")
        logs.say(console, logs.plain(str(error), keep="\n"), markup=False)
        return 1


def _stack() -> Stack:
    """Read the settings; raise ValueError for one that is wrong."""
    config = Path(os.environ.get("LANGGRAPH_CONFIG") or EXAMPLE)
    if not config.is_file():
        raise ValueError(f"LANGGRAPH_CONFIG: there is no file {config.absolute()}")
    host = os.environ.get("BIND") or "127.0.0.1"
    return Stack(
        config=config,
        langgraph_url=_existing_server((os.environ.get("LANGGRAPH_URL") or "").rstrip("/")),
        api_key=os.environ.get("LANGGRAPH_API_KEY") or " ",
        host=host,
        ports=_ports(host),
        parameters=_parameters(os.environ.get("PARAMETERS") or ""),
        log=show,
    )


def _watch(stack: Stack) -> int:
    """Wait for Ctrl-C, or for the end of a server without which nothing works; return the exit status."""
    try:
        while (ended := stack.ended()) is None:
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        console.print("stopping")
        return 0
    logs.say(console, f"[bold red]The stack stops: {escape(ended)} has ended.[/]")
    return 1


_OWN = {  # parameters that follow from what else is given
    "LangGraphUrl": "for a LangGraph server that runs already, set LANGGRAPH_URL",
    "WebhookUrl": "set WEBHOOK_PORT, and BIND for other machines",
}


def _parameters(text: str) -> dict[str, str]:
    """Read parameters of template.yaml as sam takes them: Name=value, in quotes where there are blanks."""
    try:
        given = shlex.split(text)
    except ValueError:
        raise ValueError("PARAMETERS: a quotation mark has no other") from None
    if wrong := [one for one in given if "=" not in one]:
        raise ValueError(f"PARAMETERS: {wrong[0]} is not of the form Name=value")
    parameters = {name: value for name, _, value in (one.partition("=") for one in given)}
    for name, way in _OWN.items():
        if name in parameters:
            raise ValueError(f"PARAMETERS: {name} is the stack's own here; {way}")
    return parameters


def _ports(host: str) -> dict[str, int]:
    given = {name: os.environ.get(variable) for name, variable in _PORTS.items()}
    ports: dict[str, int] = {}
    for name, port in given.items():
        if port:
            if not port.isdecimal() or not 0 < int(port) < 65536:  # noqa: PLR2004 - the number of ports
                raise ValueError(f"{_PORTS[name]} must be a port number from 1 to 65535, not {port!r}")
            if int(port) in ports.values() or not is_free(host, int(port)):
                raise ValueError(f"{_PORTS[name]}: the port {port} of {host} is taken")
            ports[name] = int(port)
    return ports


def _existing_server(url: str) -> str:
    """Return the URL of a LangGraph server that runs already; raise ValueError where none answers."""
    if url:
        try:
            with urllib.request.urlopen(f"{url}/ok", timeout=5):
                pass
        except (ValueError, OSError) as error:
            raise ValueError(f"LANGGRAPH_URL: no LangGraph server answers at {url}: {error}") from None
    return url


def _welcome(stack: Stack) -> str:
    graph = next(iter(json.loads(stack.config.read_text()).get("graphs", {})), "agent")
    given = '{"task": "answer"}' if stack.config == EXAMPLE else "{}"
    return f"""[bold green]Runledger runs.[/] Ctrl-C or make down stops it.

  API        {stack.apis["Api"].url}
  webhook    {stack.webhook_url}
  LangGraph  {stack.langgraph_url}
  AWS        {stack.endpoint_url}   (any credentials, us-east-1)
  names      .runledger/stack.json

Launch a run{" (its task: answer, fail, ask, large or slow)" if stack.config == EXAMPLE else ""}:
curl -s {stack.apis["Api"].url}/runs \\
  -d '{{"assistant_id": "{graph}", "input": {given}}}'

Wait for a run and read it, or see the ledger:
curl -s {stack.apis["Api"].url}/runs/<run_id> -H 'prefer: wait=20'
make ledger

Logs of the functions:"""


if __name__ == "__main__":
    sys.exit(main())
