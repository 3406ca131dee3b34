"""What `sam build` made, as Lambda runs it: emulator, runtime client, and nothing else that can be imported."""

from __future__ import annotations

import http.client
import json
import os
import platform
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self

from local.servers import free_port
from local.template import ROOT, Template

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from local.template import Function

BUILT = ROOT / ".aws-sam" / "build" / "template.yaml"
RUNTIME = ROOT / ".tools" / "runtime" / "bin" / "python"
_MACHINE = {"aarch64": "arm64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
_RAPID = f"sam/lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{_MACHINE}"
_START_SECONDS = 10


def rie() -> Path | None:
    """Return the emulator that came with the SAM CLI, for this machine."""
    return next((ROOT / ".tools").glob(_RAPID), None)


def missing() -> str | None:
    """Return why nothing can be run here, or None."""
    if platform.system() != "Linux":
        return "the emulator runs on Linux only"
    if not BUILT.exists():
        return "nothing is built; make build"
    if not RUNTIME.exists() or rie() is None:
        return "the emulator or the runtime client is not installed; make test"
    return None


def built_template(**parameters: str) -> Template:
    """Return the built template; a resource that was not made is named by its logical id."""
    template = Template({"LangGraphUrl": "http://127.0.0.1:9", "AllowInsecureUrls": "true", **parameters}, path=BUILT)
    template.names.update({name: name for name in template.document["Resources"]})
    return template


def built_path(function: Function) -> list[Path]:
    """Return the folders that are /var/task and /opt/python in Lambda."""
    task, *layers = function.code
    return [task, *(layer / "python" for layer in layers)]


class Emulator:
    """One execution environment of a built function, inside `with`; it takes one event at a time."""

    def __init__(self, function: Function, variables: dict[str, str], path: Sequence[Path], log: Path) -> None:
        """`variables` is what the template sets and AWS_ENDPOINT_URL; `path` is the whole of what can be imported."""
        self._function, self._variables, self._path, self._log = function, variables, path, log

    def __enter__(self) -> Self:
        self._port, api = free_port("127.0.0.1"), free_port("127.0.0.1")
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    *(str(rie()), "--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"),
                    *("--runtime-api-address", f"127.0.0.1:{api}"),
                    *(str(RUNTIME), "-m", "awslambdaric", self._function.handler),
                ],
                cwd=self._path[0],
                env={
                    "PATH": os.defpath,
                    "PYTHONPATH": os.pathsep.join(map(str, self._path)),
                    "PYTHONNOUSERSITE": "1",
                    "PYTHONDONTWRITEBYTECODE": "1",  # /var/task and /opt are read-only
                    "LAMBDA_TASK_ROOT": str(self._path[0]),
                    "AWS_LAMBDA_FUNCTION_NAME": self._function.name,
                    "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self._function.timeout),
                    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._function.memory),
                    "AWS_REGION": "us-east-1",
                    "AWS_DEFAULT_REGION": "us-east-1",
                    "AWS_ACCESS_KEY_ID": "local",
                    "AWS_SECRET_ACCESS_KEY": "local",
                    **self._variables,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()  # it ends the runtime too
        self._process.wait(10)

    def invoke(self, event: str) -> dict[str, Any]:
        """Return the handler's answer, or Lambda's own `errorType` and `errorMessage`."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._function.timeout + 30)
        try:
            connection.request("POST", "/2015-03-31/functions/function/invocations", event.encode())
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return answer

    @property
    def log(self) -> str:
        """What the function has printed so far."""
        return self._log.read_text()

    def _wait(self) -> None:
        ends = time.monotonic() + _START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > ends:
                    raise RuntimeError(f"the emulator did not start: {self.log}") from None
                time.sleep(0.02)
            else:
                return
