"""Each request that changes something, or finds that it was done already, leaves one line at INFO that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.test_answers import answer, waits
from tests.integration.test_cancel import cancel
from tests.integration.test_launch_refusals import launch_body

if TYPE_CHECKING:
    from tests.integration.scene import Scene
    from tests.integration.support import Door, Output, Reply


def test_a_launch_and_its_repetition(launch: Door, output: Output) -> None:
    for _ in range(2):
        assert launch.call(launch_body(), headers={"idempotency-key": "order-1"}).status == 202
    assert said(output) == ["launched", "repeated"]


def test_an_answer_and_its_repetition(launch: Door, scene: Scene, output: Output) -> None:
    run_id = waits(scene)
    before = len(said(output))
    for _ in range(2):
        assert answer(launch, run_id).status == 202
    assert said(output)[before:] == ["answered", "repeated"]


def test_a_cancellation_of_a_run_that_goes_on(launch: Door, scene: Scene, output: Output) -> None:
    assert_cancelled(cancel(launch, scene.launched("running", values="")), output, "pending")


def test_a_cancellation_of_a_run_that_waits_and_its_repetition(launch: Door, scene: Scene, output: Output) -> None:
    run_id = waits(scene)
    before = len(said(output))
    assert_cancelled(cancel(launch, run_id), output, "cancelled")
    assert cancel(launch, run_id).status == 202
    assert said(output)[before:] == ["cancelled", "repeated"]


def assert_cancelled(reply: Reply, output: Output, outcome: str) -> None:
    assert reply.status == 202
    line = output.logs[-1]
    assert (line["level"], line["message"], line["outcome"]) == ("INFO", "cancelled", outcome)
    assert (line["run_id"], line["launch_id"]) == (reply.body["run_id"], reply.body["launch_id"])


def said(output: Output) -> list[str]:
    return [line["message"] for line in output.logs if line["level"] == "INFO"]
