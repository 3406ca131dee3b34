"""The stacks of this suite: what is asked of AWS is written down, and no secret may be left when they stop.

Each has secrets of its own, every one of which is looked for in everything that any of them kept, sent or printed.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from local.stack import Stack
from local.template import ROOT
from tests.e2e.evidence import Evidence
from tests.integration import recording
from tests.integration.calls import denied
from tests.integration.listener import listen
from tests.integration.spellings import left_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from local.template import Function
    from tests.contract.permissions import Permission

API_KEY = f"lsv2_pt_+/={secrets.token_urlsafe(24)}"  # each LangGraph server here takes any
_TOKEN = re.compile(r"token=(k\d+\.[0-9a-f-]{36}\.\d+)\.([\w-]{43})")
_TASK_TOKEN = re.compile(r"[0-9a-f-]{36}")  # as moto makes them; tests send others too
BUILT = ROOT / ".aws-sam" / "build"


@dataclass
class Suite:
    """What all stacks have left: the texts by place, the secrets by what they are, the calls that roles deny."""

    places: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=lambda: {"API key": API_KEY})
    called: set[tuple[str, Permission]] = field(default_factory=set)
    denied: list[tuple[str, Permission]] = field(default_factory=list)

    def __str__(self) -> str:
        """Say how much was looked at."""
        length = sum(map(len, self.places.values()))
        return (
            f"{len(self.secrets)} secrets looked for in {len(self.places)} places of {length / 1e6:.0f} MB; "
            f"{len(self.called)} kinds of calls by functions, {len(self.denied)} denied"
        )

    def left(self) -> list[tuple[str, str]]:
        """Return what secret is left in what place, the built artefacts among them."""
        built = [path.read_text("latin-1") for path in BUILT.rglob("*") if path.is_file()]
        return sorted(left_in(self.secrets, {**self.places, ".aws-sam/build": "\n".join(built)}))


SUITE = Suite()


@dataclass(eq=False)
class WatchedStack(Stack):
    """A stack with LogLevel DEBUG and an API key, which tells `SUITE` what it leaves when it stops."""

    api_key: str = API_KEY
    lines: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    _delivered: list[str] = field(default_factory=list)

    def environment(self, function: Function) -> dict[str, str]:
        """Give each function a key id that is its name, so that its calls are known by it."""
        return {**super().environment(function), "AWS_ACCESS_KEY_ID": function.name}

    def _start_aws(self, stack: ExitStack) -> str:
        self._recording = self.folder / "calls"
        with patch.dict(os.environ, {**recording.RECORDER, "MOTO_RECORDER_FILEPATH": str(self._recording)}):
            return super()._start_aws(stack)

    def _start_functions(self, stack: ExitStack) -> None:
        stack.callback(self._look)  # when the functions have stopped, and AWS has not
        self.parameters = {"LogLevel": "DEBUG", **self.parameters}
        self.log = self._heard(self.log)
        super()._start_functions(stack)
        self.evidence = Evidence(
            self, listen(self.client, self.template.names["EventBus"], "watched"), self.lines, self.answers
        )
        self._rings = [self._ring()]
        for pool in self.pools.values():
            setattr(pool, "invoke", self._listened(pool.invoke))  # noqa: B010 - in place of its method

    def _heard(self, tell: Callable[[str, str], None]) -> Callable[[str, str], None]:
        def log(name: str, line: str) -> None:
            self.lines.append(line)
            tell(name, line)

        return log

    def _listened(self, invoke: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        """Note what the doors are asked and answer; whatever else invokes a function holds on to its own."""

        def call(event: dict[str, Any]) -> Any:
            self._delivered.append(event.get("rawQueryString", ""))
            answer = invoke(event)
            self.answers.append(json.dumps(answer))
            return answer

        return call

    def _look(self) -> None:
        """Note what is left, all of it, and what of that is secret."""
        if hasattr(self, "langgraph"):
            self.langgraph.close()  # it writes down what it was given
        calls = recording.read(self._recording)
        places = {**self.evidence.places(), "calls": "\n".join(call.unguarded() for call in calls)}
        SUITE.places |= {f"{self.folder.name}: {name}": text for name, text in places.items()}
        SUITE.secrets |= self._secrets(calls)
        made = recording.made(calls, self.template.names)
        SUITE.called |= {(name, call) for name, found in made.items() for call in found}
        SUITE.denied += denied(made)

    def _secrets(self, calls: list[recording.Call]) -> dict[str, str]:
        """Return every key that the ring has or had, the tokens that LangGraph has or came with, the tasks' tokens."""
        self._rings += [self._ring(), *(call.params["SecretString"] for call in calls if "SecretString" in call.params)]
        keys = {key for ring in self._rings for name, key in json.loads(ring).items() if name != "current"}
        stored = [self.langgraph.state / ".langgraph_ops.pckl"] if hasattr(self, "langgraph") else []
        texts = [*self._delivered, *(path.read_text("latin-1") for path in stored)]
        tasks = {str(call.params.get("taskToken")) for call in calls}
        return {
            **{f"key {key[:4]}": key for key in keys},
            **{f"signature of {signed}": mac for text in texts for signed, mac in _TOKEN.findall(text)},
            **{f"task token {token[:8]}": token for token in tasks if _TASK_TOKEN.fullmatch(token)},
        }

    def _ring(self) -> str:
        secret = self.client("secretsmanager").get_secret_value(SecretId=self.template.names["KeyRingSecret"])
        return str(secret["SecretString"])
