"""Everything together: start it, write down where it is, stop it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from local import resources, secrets_manager
from local.functions import InvocationError, Pool, environment
from local.http_api import HttpApi
from local.langgraph_server import EXAMPLE, LangGraphServer
from local.queue import bring, drain
from local.servers import end, free_port, is_free, start, wait_for
from local.stream import follow
from local.template import ROOT, Template
from local.triggers import in_background

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from local.template import Function, Messages, Source

FOLDER = ROOT / ".runledger"
_JSON = {"content-type": "application/json"}
SCHEDULED = json.loads((ROOT / "events" / "sweep.json").read_text())


@dataclass(eq=False)
class Stack:
    """The local stack, running inside `with`.

    `langgraph_url` uses an existing server in place of starting one; `ports` are by name (`Api`, `WebhookApi`,
    `LangGraph`, `AWS`), free ones where not given; `parameters` are template.yaml's; `log` gets a function's name and
    each line that it prints; without `triggers` functions on a schedule or a stream run only when they are invoked.
    """

    config: Path = EXAMPLE
    langgraph_url: str = ""
    host: str = "127.0.0.1"
    folder: Path = FOLDER
    ports: dict[str, int] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    langgraph_changes: dict[str, Any] = field(default_factory=dict)
    api_key: str = " "
    triggers: bool = True
    log: Callable[[str, str], None] = lambda _name, _line: None

    def __enter__(self) -> Self:
        """Start everything; what was started is stopped again where something fails.

        Raises ValueError for a setting or a parameter that can't be, before anything is started.
        """
        is_free(self.host, 0)
        Template(self.parameters)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._servers: dict[str, Callable[[], bool]] = {}
        with ExitStack() as stack:
            self.endpoint_url = self._start_aws(stack)
            if not self.langgraph_url:
                self.langgraph = LangGraphServer(
                    self.config, self.host, self._port("LangGraph"), self.folder, **self.langgraph_changes
                )
                stack.callback(self.langgraph.clear)  # once it is closed
                stack.callback(self.langgraph.close)
                self._servers[f"LangGraph (its log: {self.langgraph.log})"] = lambda: self.langgraph.is_alive
                self.langgraph_url = self.langgraph.url
            self._start_functions(stack)
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self._exit.close()

    @cache  # noqa: B019 - there is one stack, and boto3 takes a while to make them
    def client(self, service: str) -> Any:
        """Return a boto3 client for the stack's AWS."""
        return resources.session().client(service, endpoint_url=self.endpoint_url)  # type: ignore[call-overload]

    @cache  # noqa: B019 - as above
    def table(self, name: str) -> Any:
        """Return the boto3 table with the logical id `name`."""
        return resources.session().resource("dynamodb", endpoint_url=self.endpoint_url).Table(self.template.names[name])

    def recover(self) -> None:
        """Have done what is owed, as if it were later: let the sweep run, and workers until the work queue is empty."""
        self.make_due()
        self.sweep()

    def sweep(self) -> None:
        """Let the sweep run, and workers until the work queue is empty."""
        self.pools["SweepFunction"].invoke(SCHEDULED)
        worker = self.pools["WorkerFunction"]
        (source,) = (f.messages for f in self.template.functions() if f.messages and f.name == "WorkerFunction")
        sqs, url = self.client("sqs"), self.template.names[source.queue]
        drain(source, sqs, url, resources.queue_arn(sqs, url), worker.invoke)

    def rotate(self) -> None:
        """Rotate the key ring, as Secrets Manager does on its schedule or when it is asked to."""
        invoke = self.pools["RotateFunction"].invoke
        secrets_manager.rotate(self.client("secretsmanager"), self.template.names["KeyRingSecret"], invoke)

    def let_pass(self, seconds: int) -> None:
        """Put the functions' clocks ahead; nobody else's."""
        for pool in self.pools.values():
            pool.ahead += seconds

    def make_due(self) -> None:
        """Make due at once whatever is to be looked at some time."""
        for name in ("RunsTable", "LaunchesTable"):
            table = self.table(name)
            for item in resources.scan(table):
                past = [when for when in ("due_at", "missed_since", "lease_until") if when in item]
                if "due_at" in past:
                    table.update_item(
                        Key={key["AttributeName"]: item[key["AttributeName"]] for key in table.key_schema},
                        UpdateExpression="SET " + ", ".join(f"{when} = :past" for when in past),
                        ExpressionAttributeValues={":past": 1},
                    )

    def describe(self) -> dict[str, Any]:
        """Return what `.runledger/stack.json` says."""
        return {
            "pid": os.getpid(),
            "api_url": self.apis["Api"].url,
            "webhook_url": self.webhook_url,
            "langgraph_url": self.langgraph_url,
            "aws_endpoint_url": self.endpoint_url,
            "ledger_id": self.template.ledger_id,
            "stack_id": self.template.stack_id,
            "parameters": self.parameters,
            "resources": self.template.names,
            "outputs": self._outputs(),
        }

    def _outputs(self) -> dict[str, str]:
        """Return template.yaml's outputs, by which the README calls things; those that are something here."""
        there: dict[str, str] = {}
        for name, output in self.template.document["Outputs"].items():
            with suppress(KeyError):  # it is of a resource that is none here
                there[name] = str(self.template.resolve(output["Value"]))
        queue = resources.queue_arn(self.client("sqs"), there["LaunchQueueUrl"])
        return {**there, "ApiUrl": self.apis["Api"].url, "WebhookUrl": self.webhook_url, "LaunchQueueArn": queue}

    def ended(self) -> str | None:
        """Return which server has ended by itself, if one has: without AWS or LangGraph nothing works."""
        return next((name for name, is_alive in self._servers.items() if not is_alive()), None)

    def _port(self, name: str) -> int:
        return self.ports.get(name) or free_port(self.host)

    def _start_aws(self, stack: ExitStack) -> str:
        port = self._port("AWS")
        command = [sys.executable, "-m", "local.aws_server", "-H", self.host, "-p", str(port)]
        environment = {**os.environ, "MOTO_PORT": str(port)}  # its state machines call its other services
        server = start(command, cwd=ROOT, stdout=subprocess.DEVNULL, env=environment)
        stack.callback(end, server)
        url = f"http://{self.host}:{port}"
        wait_for(f"{url}/moto-api/", server)
        self._servers["AWS (moto)"] = lambda: server.poll() is None
        settings = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/config", settings, _JSON)).close()
        return url

    def _start_functions(self, stack: ExitStack) -> None:
        ports = {name: self._port(name) for name in ("Api", "WebhookApi")}
        self.webhook_url = f"http://{self.host}:{ports['WebhookApi']}/webhook"
        # A container has another name for this machine: what it starts is on the same LangGraph.
        former = [self.langgraph_url, self._reach(self.langgraph_url), self.parameters.get("LangGraphFormerUrls", "")]
        self.template = Template(
            {
                "LangGraphUrl": self.langgraph_url,
                "WebhookUrl": self.webhook_url,
                "AllowInsecureUrls": "true",  # loopback
                **self.parameters,
                "LangGraphFormerUrls": ",".join(filter(None, former)),
            }
        )
        resources.create(self.template, self.endpoint_url, self.api_key)
        functions = self.template.functions()
        pools = {}
        for function in functions:
            pools[function.name] = Pool(function, self.environment(function), self.log)
            stack.callback(pools[function.name].close)
            if self.triggers and function.every_seconds:
                stack.callback(_every(function.every_seconds, pools[function.name]))
            if self.triggers and function.messages:
                stack.callback(self._bring(function.messages, pools[function.name]))
            if self.triggers and function.source:
                stack.callback(self._follow(function.source, pools[function.name]))
        self.pools = pools
        self._bound = ports
        self.apis: dict[str, HttpApi] = {}
        for api in self.template.resources("AWS::Serverless::HttpApi"):
            self.open_api(api)
            stack.callback(self._close_api, api)

    def _follow(self, source: Source, pool: Pool) -> Callable[[], None]:
        streams, table = self.client("dynamodbstreams"), self.template.names[source.table]
        (stream,) = streams.list_streams(TableName=table)["Streams"]
        return follow(source, streams, stream["StreamArn"], pool.invoke)

    def _bring(self, source: Messages, pool: Pool) -> Callable[[], None]:
        sqs, url = self.client("sqs"), self.template.names[source.queue]
        return bring(source, sqs, url, resources.queue_arn(sqs, url), pool.invoke)

    def open_api(self, name: str) -> None:
        """Open one HTTP API at its address; also again, after it was closed."""
        routes = {r: self.pools[f.name] for f in self.template.functions() for r in f.routes if r.api == name}
        self.apis[name] = HttpApi(name, self.host, self._bound[name], routes)

    def _close_api(self, name: str) -> None:
        self.apis[name].close()

    def environment(self, function: Function) -> dict[str, str]:
        """Return the environment that Lambda would give to `function`."""
        return environment(function, self.endpoint_url)

    def container_environment(self) -> dict[str, dict[str, str]]:
        """Return what `sam local --env-vars` takes, with this machine's servers as a container reaches them."""
        reach = self._reach
        return {
            function.name: {
                **function.environment,
                "AWS_ENDPOINT_URL": reach(self.endpoint_url),
                **({"LANGGRAPH_URL": reach(self.langgraph_url)} if "LANGGRAPH_URL" in function.environment else {}),
            }
            for function in self.template.functions()
        }

    def _reach(self, url: str) -> str:
        return url.replace(f"//{self.host}:", "//host.docker.internal:")


def _every(seconds: int, pool: Pool) -> Callable[[], None]:
    """Invoke a scheduled function again and again until what is returned is called."""

    def run(stopped: threading.Event) -> None:
        while not stopped.wait(seconds):
            with suppress(InvocationError):  # it is in the log; the next period is the retry
                pool.invoke(SCHEDULED)

    return in_background(run)
