"""`make up` and `make down`, as a person starts, stops, interrupts and kills them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.local.conftest import Programs, ended, interrupt, printed_until

PROC = Path("/proc")
_WAIT_SECONDS = 30


def test_of_two_that_start_at_once_one_runs_the_other_says_so_and_down_stops_the_one(programs: Programs) -> None:
    both = [programs.start("up") for _ in range(2)]
    wait_until(lambda: any(up.poll() is not None for up in both))
    refused, runs = sorted(both, key=lambda up: up.poll() is None)
    status, said = ended(refused)
    assert status == 1
    assert f"A stack runs here already (process {runs.pid})" in said
    assert "make ledger" in said
    assert "make down" in said
    assert programs.run("down") == (0, "The stack has stopped.\n")
    assert runs.wait(timeout=_WAIT_SECONDS) == 130
    assert programs.run("down") == (0, "No stack runs here.\n")


def test_a_stack_that_was_killed_is_in_nobodys_way(programs: Programs) -> None:
    killed = starting(programs)
    killed.kill()
    killed.wait()
    assert programs.run("down") == (0, "No stack runs here.\n")
    again = starting(programs)
    assert again.poll() is None
    interrupt(again)
    assert ended(again) == (130, "")


@pytest.mark.parametrize("program", ["up", "demo"])
def test_ctrl_c_while_a_program_is_still_being_imported_ends_it_without_a_traceback(
    programs: Programs, program: str
) -> None:
    running = programs.start(program, python="-X importtime")
    printed_until(running, " urllib.parse\n")
    interrupt(running)
    status, printed = ended(running)
    assert status == -signal.SIGINT
    assert "Traceback" not in printed


def test_a_second_ctrl_c_does_not_break_off_what_the_first_set_off(programs: Programs) -> None:
    up = starting(programs)
    wait_until(lambda: children(up.pid) != [])
    started = children(up.pid)
    while up.poll() is None:
        interrupt(up)
        time.sleep(0.01)
    assert ended(up) == (130, "")
    assert not any(runs(pid) for pid in started)


def test_a_stack_whose_langgraph_dies_says_so_and_ends(programs: Programs) -> None:
    up = programs.start("up")
    printed_until(up, "Logs of the functions:")
    assert (programs.folder / ".runledger" / "stack.json").exists()
    (server,) = [pid for pid, command in below(up.pid) if "langgraph dev" in command and "leash.py" not in command]
    os.kill(server, signal.SIGKILL)
    status, printed = ended(up)
    assert status == 1
    assert "The stack stops: LangGraph (its log: " in printed
    assert not (programs.folder / ".runledger" / "stack.json").exists()


def test_a_stack_whose_functions_were_killed_goes_on_and_stops_in_order(programs: Programs) -> None:
    up = programs.start("up")
    printed_until(up, "Logs of the functions:")
    url = json.loads((programs.folder / ".runledger" / "stack.json").read_text())["api_url"]
    workers = [pid for pid, command in below(up.pid) if "local.worker" in command]
    assert len(workers) == 6
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(runs(pid) for pid in workers))  # one that dies at work costs its request
    body = json.dumps({"assistant_id": "agent", "input": {"task": "answer"}}).encode()
    request = urllib.request.Request(f"{url}/runs", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 202
    assert "Run Succeeded" in printed_until(up, "Run Succeeded"), "notify, too, has gone on"
    interrupt(up)
    status, printed = ended(up)
    assert status == 0
    assert printed.endswith("stopping\n"), "what comes before it are logs"
    assert "Traceback" not in printed


def test_a_graph_that_cannot_be_imported_is_told_in_a_few_lines(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "graph.py").write_text("import nothing_of_that_name\n")
    config = tmp_path / "langgraph.json"
    config.write_text('{"dependencies": ["."], "graphs": {"agent": "./graph.py:graph"}}')
    status, printed = programs.run("up", LANGGRAPH_CONFIG=str(config))
    assert status == 1
    assert f"Failed to load graph 'agent' from {tmp_path}/graph.py: No module named 'nothing_of_that_name'" in printed
    assert f'File "{tmp_path / "graph.py"}", line 1' in printed
    assert f"The whole log: {programs.folder / '.runledger' / 'langgraph.log'}" in printed
    assert len(printed.splitlines()) < 10


def starting(programs: Programs) -> subprocess.Popen[str]:
    """Start a stack; return it when it holds the lock."""
    up, lock = programs.start("up"), programs.folder / ".runledger" / "lock"
    wait_until(lambda: up.poll() is not None or (lock.exists() and lock.read_text() == str(up.pid)))
    return up


def children(parent: int) -> list[int]:
    return [pid for pid, above, _ in processes() if above == parent]


def below(parent: int) -> list[tuple[int, str]]:
    """Return the processes that a process has started, and those that these have."""
    listed, found = processes(), {parent}
    for _ in range(4):
        found |= {pid for pid, above, _ in listed if above in found}
    return [(pid, command) for pid, _, command in listed if pid in found]


def processes() -> list[tuple[int, int, str]]:
    """Return number, parent and command of each process that has not ended."""
    if PROC.exists():
        return [row for folder in PROC.glob("[0-9]*") if (row := process(folder))]
    listing = subprocess.run(["ps", "-Awwo", "pid=,ppid=,command="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listing.stdout.splitlines() if "defunct" not in line]
    return [(int(pid), int(above), *command) for pid, above, *command in rows if command]  # type: ignore[misc]


def process(folder: Path) -> tuple[int, int, str] | None:
    """Read what Linux says of a process: a bare Debian has no ps."""
    try:
        command = (folder / "cmdline").read_text().replace("\0", " ")
        above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has ended
        return None
    return (int(folder.name), above, command) if command else None


def runs(pid: int) -> bool:
    return pid in {one for one, _, _ in processes()}


def wait_until(is_so: object) -> None:
    assert callable(is_so)
    ends = time.monotonic() + _WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)
