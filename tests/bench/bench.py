"""`make bench`: measure, print the budgets, and write results.json and RESULTS.md beside this file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from subprocess import DEVNULL
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markdown import Markdown

from local.langgraph_server import EXAMPLE, LangGraphServer
from local.servers import end, free_port, start, wait_for
from tests.bench.budgets import BUDGETS
from tests.bench.measuring import measure
from tests.bench.report import markdown
from tests.bench.subjects import Bench, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
RESULTS, REPORT = HERE / "results.json", HERE / "RESULTS.md"


def main() -> int:
    """Return the exit status: 1 where a budget is exceeded."""
    asked = argparse.ArgumentParser(prog="make bench", description=__doc__)
    asked.add_argument("rounds", type=int, nargs="?", default=10)
    asked.add_argument("warm_calls", type=int, nargs="?", default=30)
    given = asked.parse_args()
    with TemporaryDirectory() as name, _servers(Path(name)) as (aws, level, langgraph):
        subjects = Bench(aws, langgraph, Path(name)).subjects
        rounds = _measured(subjects, given.rounds, given.warm_calls, level, Path(name))
    results = {
        "machine": f"{os.cpu_count()} cores of {_processor()}, {platform.system()}, Python {platform.python_version()}",
        "date": time.strftime("%Y-%m-%d"),
        "count": given.rounds,
        "warm_calls": given.warm_calls,
        "rounds": rounds,
    }
    RESULTS.write_text(json.dumps(results) + "\n")
    REPORT.write_text(markdown(results))
    Console().print(Markdown(markdown(results)))
    return int(any(budget.spent(rounds) > budget.most for budget in BUDGETS))


def _measured(
    subjects: list[Subject], count: int, warm_calls: int, level: str, folder: Path
) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {subject.name: [] for subject in subjects}
    for number in range(count):
        sys.stderr.write(f"\rround {number + 1} of {count} ")
        for subject in subjects if number % 2 else reversed(subjects):  # what drifts within a round evens out
            figures = measure(subject, warm_calls, level, folder)
            found[subject.name].append({**asdict(figures), "size": _size(subject)})
    sys.stderr.write("\n")
    return found


def _size(subject: Subject) -> float:
    """Return what the subject's code and layers take, unpacked, in MB."""
    files = [file for folder in subject.path for file in folder.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1024 / 1024


@contextmanager
def _servers(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the addresses of an AWS, of the same with answers that all take the same time, and of a LangGraph."""
    port, level = free_port("127.0.0.1"), free_port("127.0.0.1")
    aws = start([sys.executable, "-m", "local.aws_server", "-H", "127.0.0.1", "-p", str(port)], stdout=DEVNULL)
    wait_for(f"http://127.0.0.1:{port}/moto-api/", aws)
    before = start([sys.executable, "-m", "tests.bench.level", str(level), str(port)], stdout=DEVNULL)
    wait_for(f"http://127.0.0.1:{level}/moto-api/", before)
    langgraph = LangGraphServer(EXAMPLE, "127.0.0.1", free_port("127.0.0.1"), folder)
    try:
        yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{level}", langgraph.url
    finally:
        langgraph.close()
        end(before)
        end(aws)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    sys.exit(main())
