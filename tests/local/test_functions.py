"""The processes of a function may end at any time, as Lambda's may: the next event is answered."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from local import functions
from local.functions import EventTooLargeError, InvocationError, Pool
from local.stream import _bring
from local.template import Function, Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HANDLER = """
import os, time
def handler(event, context):
    if event.get("write"):
        os.write(int(os.sys.argv[2]), b'{"answer": ')
        os.kill(os.getpid(), 9)
    time.sleep(event.get("seconds", 0))
    return os.getpid()
"""


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    (tmp_path / "app.py").write_text(HANDLER)
    function = Function(
        name="F",
        handler="app.handler",
        timeout=5,
        memory=512,
        code=(tmp_path,),
        environment={},
        routes=(),
        every_seconds=None,
        source=None,
        messages=None,
    )
    variables = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "5", "AWS_LAMBDA_FUNCTION_NAME": "F"}
    with closing(Pool(function, variables, lambda _name, _line: None)) as pool:
        yield pool


def kill(pool: Pool) -> list[int]:
    killed = pool.processes()
    for process in killed:
        os.kill(process, signal.SIGKILL)
    ends = time.monotonic() + 5
    while pool.processes() and time.monotonic() < ends:
        time.sleep(0.01)
    return killed


def test_an_event_after_the_idle_process_was_killed_is_answered_by_a_new_one(pool: Pool) -> None:
    first = pool.invoke({})
    assert kill(pool) == [first]
    assert pool.invoke({}) != first
    assert len(pool.processes()) == 1


def test_a_process_that_was_killed_before_it_took_its_event_fails_that_event_alone(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pool.invoke({})
    kill(pool)
    with monkeypatch.context() as patched:
        patched.setattr(functions.Environment, "is_alive", property(lambda _: True))  # it died a moment later
        with pytest.raises(InvocationError):
            pool.invoke({})
    assert pool.invoke({}) != first


def test_a_process_that_was_killed_in_the_middle_of_its_answer_has_not_answered(pool: Pool) -> None:
    with pytest.raises(InvocationError, match="ended"):
        pool.invoke({"write": True})
    assert isinstance(pool.invoke({}), int)


def test_who_waits_for_a_process_gets_a_new_one_when_a_busy_one_is_killed(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(functions, "_CONCURRENCY", 1)
    answers: list[Any] = []

    def invoke(seconds: float) -> None:
        try:
            answers.append(pool.invoke({"seconds": seconds}))
        except InvocationError as error:
            answers.append(error)

    callers = [threading.Thread(target=invoke, args=(seconds,)) for seconds in (4, 0)]
    pool.invoke({})
    for caller in callers:
        caller.start()
        time.sleep(0.3)
    (killed,) = kill(pool)
    for caller in callers:
        caller.join(timeout=5)
    failed, answered = answers
    assert isinstance(failed, InvocationError)
    assert isinstance(answered, int)
    assert answered != killed


def test_no_process_free_in_time_is_an_invocation_that_failed(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "_CONCURRENCY", 1)
    monkeypatch.setattr(functions, "_QUEUE_SECONDS", 0.1)
    busy = threading.Thread(target=pool.invoke, args=({"seconds": 1},))
    busy.start()
    time.sleep(0.3)
    with pytest.raises(InvocationError, match="free"):
        pool.invoke({})
    busy.join()


def test_a_pool_whose_processes_were_killed_is_closed_in_order(pool: Pool) -> None:
    pool.invoke({})
    kill(pool)
    pool.close()
    pool.close()
    with pytest.raises(InvocationError, match="stopped"):
        pool.invoke({})


def test_a_batch_of_the_stream_that_is_too_large_comes_in_parts() -> None:
    came: list[list[int]] = []

    def invoke(event: dict[str, Any]) -> dict[str, Any]:
        numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in event["Records"]]
        if len(numbers) > 2:
            raise EventTooLargeError
        came.append(numbers)
        return {"batchItemFailures": []}

    batch = [{"dynamodb": {"SequenceNumber": str(n), "ApproximateCreationDateTime": time.time()}} for n in range(5)]
    _bring(Source("T", 10, (), 60), batch, invoke, threading.Event())
    assert came == [[0, 1], [2], [3, 4]]
