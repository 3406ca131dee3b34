"""Measuring a handler in Lambda's emulator: its first call, with the start, and later ones."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from local.template import ROOT
from tests.artefact.emulator import Emulator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.subjects import Subject

_PROBE = ROOT / "tests" / "bench" / "probe"


@dataclass(frozen=True)
class Figures:
    """Of one handler; times in milliseconds, memory in MB, `_cpu` is processor time of the function's process.

    `cold` is a first call, the start included, from asking to the answer. `warm` is a later call less what it waited
    for AWS, where every answer takes the same time: see level.py.
    """

    cold: float
    cold_cpu: float
    warm: float
    warm_cpu: float
    peak: float
    aws_calls: int


def measure(subject: Subject, warm_calls: int, level: str, folder: Path) -> Figures:
    """Call the subject once, and, in an environment that has `level` as its AWS, several times."""
    (cold,), (first,) = _called(subject, 1, subject.variables, folder)
    times, (_, *others) = _called(subject, 1 + warm_calls, {**subject.variables, "AWS_ENDPOINT_URL": level}, folder)
    return Figures(
        cold=cold,
        cold_cpu=1000 * first["cpu"],
        warm=median(took - 1000 * one["aws_seconds"] for took, one in zip(times[1:], others, strict=True)),
        warm_cpu=1000 * median(one["call_cpu"] for one in others),
        peak=others[-1]["peak_mb"],
        aws_calls=others[-1]["aws_calls"],
    )


def _called(
    subject: Subject, calls: int, variables: dict[str, str], folder: Path
) -> tuple[list[float], list[dict[str, Any]]]:
    """Start the subject and call it; return how long each call took, in ms, and the probe's figures of each."""
    lines = folder / "figures"
    lines.unlink(missing_ok=True)
    probed = {**variables, "MEASURED": subject.function.handler, "FIGURES": str(lines)}
    wrapped = replace(subject.function, handler="measured.handler")
    with Emulator(wrapped, probed, [*subject.path, _PROBE], folder / "function.log") as emulator:
        times = [_call(subject, emulator) for _ in range(calls)]
    return times, [json.loads(line) for line in lines.read_text().splitlines()]


def _call(subject: Subject, emulator: Emulator) -> float:
    """Raise RuntimeError where the subject does not do what it is there for."""
    event = subject.events()
    begun = time.perf_counter()
    answer = emulator.invoke(event)
    took = time.perf_counter() - begun
    if not subject.is_answer(answer):
        raise RuntimeError(f"{subject.name} answered {answer}; its log: {emulator.log}")
    return 1000 * took
