"""A real LangGraph server (`langgraph dev`) with webhooks to loopback allowed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

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
    """Runs the graphs of one langgraph.json until it is closed."""

    def __init__(self, config: Path, host: str, port: int, folder: Path, **changes: Any) -> None:
        """`folder` gets the config as it is run and the log; `changes` are merged into the config's top level."""
        self._config, self._folder = config.resolve(), folder
        self.log = folder / "langgraph.log"
        self.url = f"http://{host}:{port}"
        self._host = host
        self._changes = changes
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start the server, at the same address as before where it was stopped."""
        with self.log.open("ab") as output:
            begins = output.tell()
            self._process = start(
                [
                    *(str(_executable(self._config)), "dev", "--config", str(self._write_config())),
                    *("--host", self._host, "--port", self.url.rsplit(":", 1)[1]),
                    *("--no-browser", "--no-reload", "--n-jobs-per-worker", "10"),
                ],
                cwd=self._working_folder(),
                env={
                    **{name: value for name, value in os.environ.items() if name not in _NOT_FOR_THE_SERVER},
                    "PYTHONPATH": str(ROOT),  # for the leash
                    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
                    "LANGSMITH_TRACING": os.environ.get("LANGSMITH_TRACING", "false"),
                },
                stdout=output,
            )
        try:
            wait_for(f"{self.url}/ok", self._process)
        except TimeoutError as error:
            cause = why_it_ended(self.log.read_bytes()[begins:].decode(errors="replace"), self._working_folder())
            raise RuntimeError(f"{error}.\n\n{cause}\n\nThe whole log: {self.log}") from None

    @property
    def is_alive(self) -> bool:
        """Whether the server runs, as far as that is for it to say."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """Stop the server."""
        if self._process is not None:
            end(self._process)

    def _working_folder(self) -> Path:
        """The config's own folder, which its paths start from; the example's state is kept out of the sources."""
        return self._folder if self._config == EXAMPLE else self._config.parent

    def _write_config(self) -> Path:
        try:
            config = json.loads(self._config.read_text())
        except ValueError as error:
            raise ValueError(f"{self._config} is not JSON: {error}") from None
        if not isinstance(config, dict):
            raise ValueError(f"{self._config} is not a JSON object")  # noqa: TRY004 - the file's value, not a type
        if self._config == EXAMPLE:
            config["graphs"] = {"agent": f"{EXAMPLE.parent / 'graph.py'}:graph"}
        webhooks = config.setdefault("webhooks", {})
        webhooks["url"] = {**webhooks.get("url", {}), "disable_loopback": False, "require_https": False}
        for name, change in self._changes.items():
            config[name] = {**config.get(name, {}), **change}
        path = self._folder / "langgraph.json"
        path.write_text(json.dumps(config, indent=2))
        return path


def _executable(config: Path) -> Path:
    """The langgraph of a .venv beside the user's config, which has their packages; else our own."""
    theirs = config.parent / ".venv" / "bin" / "langgraph"
    return theirs if theirs.exists() else _OURS
