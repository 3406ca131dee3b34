"""A real LangGraph server (`langgraph dev`) with webhooks to loopback allowed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from local.langgraph_folder import STATE, clear, lay_out, takes_loopback
from local.langgraph_log import why_it_ended
from local.servers import end, start, wait_for
from local.template import ROOT

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

EXAMPLE = ROOT / "local" / "langgraph" / "langgraph.json"
_OURS = ROOT / ".tools" / "langgraph" / "bin" / "langgraph"
# Settings of `make up`; the server reads some of these names too, and means something else by them.
_NOT_FOR_THE_SERVER = ("LANGGRAPH_CONFIG", "LANGGRAPH_URL", "LANGGRAPH_API_KEY")


class LangGraphServer:
    """Runs the graphs of one langgraph.json until it is closed; its state is kept until it is cleared."""

    def __init__(self, config: Path, host: str, port: int, folder: Path, **changes: Any) -> None:
        """`folder` gets the log and the working folder; `changes` are merged into the config's top level."""
        self._config = config.resolve()
        self._folder = folder / "langgraph"
        self.log = folder / "langgraph.log"
        self.url = f"http://{host}:{port}"
        self._host = host
        self._changes = changes
        self._process: subprocess.Popen[bytes] | None = None
        self.clear()  # what a stack that was killed has left
        self.start()

    def start(self) -> None:
        """Start the server, at the same address and with the same state as before where it was stopped."""
        executable = _executable(self._config)
        config = lay_out(self._folder, self._config, self._changes, takes_loopback=takes_loopback(executable))
        with self.log.open("ab") as output:
            begins = output.tell()
            self._process = start(
                [
                    *(str(executable), "dev", "--config", str(config)),
                    *("--host", self._host, "--port", self.url.rsplit(":", 1)[1]),
                    *("--no-browser", "--no-reload", "--n-jobs-per-worker", "10"),
                ],
                cwd=self._folder,
                env={
                    **{name: value for name, value in os.environ.items() if name not in _NOT_FOR_THE_SERVER},
                    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
                    "LANGSMITH_TRACING": os.environ.get("LANGSMITH_TRACING", "false"),
                },
                stdout=output,
            )
        try:
            wait_for(f"{self.url}/ok", self._process)
        except TimeoutError as error:
            log = self.log.read_bytes()[begins:].decode(errors="replace")
            cause = why_it_ended(log.replace(f"{self._folder}/", f"{self._config.parent}/"), self._config.parent)
            raise RuntimeError(f"{error}.\n\n{cause}\n\nThe whole log: {self.log}") from None

    @property
    def is_alive(self) -> bool:
        """Whether the server runs, as far as that is for it to say."""
        return self._process is not None and self._process.poll() is None

    @property
    def state(self) -> Path:
        """The folder that the server keeps its state in; written every ten seconds, and when it stops."""
        return self._folder / STATE

    def close(self) -> None:
        """Stop the server."""
        if self._process is not None:
            end(self._process)

    def clear(self) -> None:
        """Remove the server's state, once it is stopped."""
        clear(self._folder)


def _executable(config: Path) -> Path:
    """The langgraph of a .venv beside the user's config, which has their packages; else our own."""
    theirs = config.parent / ".venv" / "bin" / "langgraph"
    return theirs if theirs.exists() else _OURS
