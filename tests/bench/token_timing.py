"""Measures whether the time of a refusal tells anything about a token.

    PYTHONPATH=functions:layers/runledger .venv/bin/python -m tests.bench.token_timing

Method: refusals of several kinds are timed in turn, each round in another order, so that whatever else this machine
does falls on all alike; in one thread, with the garbage collector off. Of each kind the fastest tenth of the rounds is
left, because noise only ever adds. A kind stands out where its median differs from the first kind's by more than five
times the noise: what the medians of two halves of one and the same kind differ by, or a step of the clock. Two
questions are asked:

- Does a refusal of `tokens.verify` take longer the more leading characters of the signature are right? `naive` compares
  one character after the other, to show that the method would see it.
- Does a refusal by the webhook's handler take longer where the launch that the token names exists?

Prints nanoseconds, and is no test: a loaded machine would make it fail.
"""

from __future__ import annotations

import gc
import os
import random
import statistics
import time
import uuid
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, Any

from moto import mock_aws
from rich.console import Console

from local import resources
from local.template import Template
from local.worker import Context
from runledger.domain.tokens import KeyRing, TokenRefusedError, sign, verify
from tests.integration.support import claim

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LATER = 2_000_000_000
ROUNDS, HANDLER_ROUNDS = 40_000, 6_000
RIGHT = (0, 1, 8, 21, 42)  # leading characters of a signature's 43
_FASTEST, _CLEARLY = 10, 5
_STEP = 10  # nanoseconds, of common clocks
console = Console(highlight=False)

type Kinds = Mapping[str, Callable[[], object]]


def timed(kinds: Kinds, rounds: int) -> dict[str, list[int]]:
    """Return the nanoseconds of each round, by kind."""
    found: dict[str, list[int]] = {name: [] for name in kinds}
    order = list(kinds.items())
    gc.disable()
    try:
        for _ in range(rounds):
            random.shuffle(order)
            for name, call in order:
                begins = time.perf_counter_ns()
                call()
                found[name].append(time.perf_counter_ns() - begins)
    finally:
        gc.enable()
    return found


def report(title: str, kinds: Kinds, rounds: int) -> None:
    """Measure, and print each kind's median and how far it is from the first kind's."""
    found = timed(kinds, rounds)
    halves = max(abs(_typical(times[::2]) - _typical(times[1::2])) for times in found.values())
    noise = max(halves, _STEP)
    first = _typical(next(iter(found.values())))
    console.print(f"{title}; noise {noise:.0f} ns", style="bold")
    for name, times in found.items():
        away = _typical(times) - first
        told = "stands out" if abs(away) > _CLEARLY * noise else "no different"
        console.print(f"  {name:<28}{first + away:>10.0f} ns {away:>+8.0f}  {told}")


def _typical(times: list[int]) -> float:
    return statistics.median(sorted(times)[: len(times) // _FASTEST])


def _nearly(token: str, right: int) -> str:
    """Return a token of which so many leading characters of the signature are right, and no other."""
    signed, _, mac = token.rpartition(".")
    return f"{signed}.{mac[:right]}{''.join('A' if char != 'A' else 'B' for char in mac[right:])}"


def _refused(token: str, ring: KeyRing) -> None:
    try:
        verify(token, ring, 0, accept_shared=False)
    except TokenRefusedError:
        return
    raise AssertionError("a wrong token was taken")


def _naive(given: str, right: str) -> bool:
    return all(one == other for one, other in zip(given, right, strict=True))


def signatures() -> None:
    """Ask the first question."""
    ring = KeyRing("k0", {"k0": b"k" * 64}, {})
    token = sign(ring, str(uuid.uuid4()), LATER, 0)
    wrong = {f"{right} characters right": _nearly(token, right) for right in RIGHT}
    report("tokens.verify", {name: partial(_refused, given, ring) for name, given in wrong.items()}, ROUNDS)
    report("naive", {name: partial(_naive, given, token) for name, given in wrong.items()}, ROUNDS)


def launches() -> None:
    """Ask the second question, of the handler on moto."""
    with mock_aws():
        template = Template(
            {"LangGraphUrl": "http://127.0.0.1:9", "AllowInsecureUrls": "true"}, names={"WebhookApi": "webhookapi"}
        )
        resources.create(template)
        (function,) = (one for one in template.functions() if one.handler.startswith("webhook."))
        os.environ |= {**function.environment, "AWS_DEFAULT_REGION": "us-east-1", "POWERTOOLS_LOG_LEVEL": "CRITICAL"}
        from webhook import app  # noqa: PLC0415 - reads the environment

        receiver = app.parts().receiver
        ring, there, absent = receiver.ring.value(), str(uuid.uuid4()), str(uuid.uuid4())
        assert receiver.launches.apply(claim(there)) is None
        events = {"the launch exists": _event(there, ring), "it does not": _event(absent, ring)}
        report("webhook", {name: partial(_answered, app, event) for name, event in events.items()}, HANDLER_ROUNDS)


def _event(launch_id: str, ring: KeyRing) -> dict[str, Any]:
    token = _nearly(sign(ring, launch_id, LATER, 0), 0)
    http = {"method": "POST", "path": "/webhook", "sourceIp": "127.0.0.1"}
    event = {"routeKey": "POST /webhook", "rawPath": "/webhook", "rawQueryString": f"token={token}", "body": "{}"}
    return {**event, "requestContext": {"http": http}}


def _answered(app: Any, event: dict[str, Any]) -> None:
    with redirect_stdout(StringIO()):
        answer = app.handler(event, Context(25, function_name="webhook"))
    assert answer["statusCode"] == 401, answer


if __name__ == "__main__":
    signatures()
    launches()
