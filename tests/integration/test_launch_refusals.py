"""LangGraph refusing, failing, silent or absent: what the caller hears and what becomes of the launch."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from local.servers import free_port
from runledger import deadline
from runledger.deadline import CALL_SECONDS
from runledger.domain import launch_states
from runledger_langgraph.client import LangGraph
from tests.integration.langgraph_double import Told
from tests.integration.support import LEASE_ENDS, NOW, new_id

if TYPE_CHECKING:
    from tests.integration.conftest import Load
    from tests.integration.langgraph_double import LangGraphDouble
    from tests.integration.support import Aws, Door, Output, Reply, WallClock

HTML = Told(body="<html>Sign in</html>", headers={"Content-Type": "text/html"})
WAYS = pytest.mark.parametrize("stream", [False, True], ids=["background", "streamed"])


def launch_body(**fields: Any) -> str:
    return json.dumps({"assistant_id": "agent", "input": {}, **fields})


def only_launch(aws: Aws) -> dict[str, Any]:
    assert not aws.items("RunsTable")
    (item,) = aws.items("LaunchesTable")
    return item


def assert_refused(aws: Aws, reply: Reply) -> None:
    """LangGraph has no run: the launch is over, and nobody needs to look at it."""
    item = only_launch(aws)
    assert (item["state"], item["reason"], item["detail"]) == ("refused", reply.problem, reply.body["detail"])
    assert not {"due_at", "due_shard", "run_id"} & set(item)
    assert reply.body["launch_id"] == item["launch_id"]
    assert "may have been started" not in reply.body["detail"]


def assert_unknown(aws: Aws, reply: Reply) -> None:
    """LangGraph may have a run: the launch stays due, and the caller can look for it."""
    item = only_launch(aws)
    assert (item["state"], item["due_at"]) == ("starting", LEASE_ENDS)
    assert reply.body["launch_id"] == item["launch_id"]
    assert "may have been started" in reply.body["detail"]


@WAYS
@pytest.mark.parametrize(
    ("status", "answer", "name", "retry_after"),
    [
        (400, 422, "langgraph-refused", None),
        (401, 502, "api-key-refused", "5"),
        (403, 502, "api-key-refused", "5"),
        (404, 422, "langgraph-unknown", None),
        (409, 409, "thread-busy", "5"),
        (413, 413, "body-too-large", None),
        (422, 422, "langgraph-refused", None),
        (429, 429, "langgraph-throttles", "5"),
        (418, 502, "langgraph-fault", "5"),
    ],
)
def test_a_refusal_of_langgraph_keeps_its_meaning_and_ends_the_launch(
    launch: Door,
    aws: Aws,
    langgraph: LangGraphDouble,
    status: int,
    answer: int,
    name: str,
    retry_after: str | None,
    *,
    stream: bool,
) -> None:
    langgraph.runs = Told(status, {"detail": "Words of LangGraph."})
    reply = launch.call(launch_body(stream=stream))
    assert (reply.status, reply.problem, reply.headers.get("Retry-After")) == (answer, name, retry_after)
    assert ("Words of LangGraph" in reply.body["detail"]) == (name != "langgraph-fault")
    assert str(status) in reply.body["detail"]
    assert_refused(aws, reply)


@pytest.mark.parametrize(
    ("given", "answered"), [("17", "17"), ("Fri, 20 Nov 2026 05:00:00 GMT", "5"), ("-1", "5"), ("²", "5")]
)
def test_retry_after_of_langgraph_is_passed_on_in_seconds(
    launch: Door, langgraph: LangGraphDouble, given: str, answered: str
) -> None:
    langgraph.runs = Told(429, {"detail": "slow down"}, {"Retry-After": given})
    assert launch.call(launch_body()).headers["Retry-After"] == answered


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [({}, ["/assistant_id"]), ({"thread_id": new_id()}, ["/assistant_id", "/thread_id"])],
    ids=["own thread", "caller's thread"],
)
def test_an_unknown_id_is_pointed_at(
    launch: Door, langgraph: LangGraphDouble, fields: dict[str, str], pointers: list[str]
) -> None:
    langgraph.runs = Told(404, {"detail": "not found"})
    errors = launch.call(launch_body(**fields)).body["errors"]
    assert [error["pointer"] for error in errors] == pointers


@pytest.mark.parametrize(
    ("told", "status", "name"),
    [
        (Told(422, {"detail": "no"}), 422, "langgraph-refused"),
        (Told(500, {"detail": "no"}), 502, "langgraph-fault"),
        (HTML, 502, "langgraph-fault"),
        (Told(307, "", {"Location": "http://127.0.0.1:9/"}), 502, "langgraph-fault"),
        (Told(cut=True), 502, "langgraph-fault"),
    ],
)
def test_without_a_thread_no_run_is_asked_for(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, told: Told, status: int, name: str
) -> None:
    langgraph.threads = told
    reply = launch.call(launch_body())
    assert (reply.status, reply.problem) == (status, name)
    assert [sent.path for sent in langgraph.requests] == ["/threads"]
    assert_refused(aws, reply)


@WAYS
@pytest.mark.parametrize(
    "told",
    [
        Told(500, {"detail": "no"}),
        Told(503, "busy"),
        HTML,
        Told(body={"thread_id": "x"}),
        Told(body={"run_id": None, "assistant_id": None, "thread_id": "x"}),
        Told(body={"run_id": "x\r\nSet-Cookie: a=b", "assistant_id": None}),
        Told(body="", headers={"Content-Type": "text/event-stream", "Content-Location": "/threads/x/runs/..%2F../y"}),
        Told(body=[]),
        Told(body=None),
        Told(302, "", {"Location": "https://login.example/"}),
        Told(cut=True),
        Told(body="", headers={"Content-Type": "text/event-stream"}),
        Told(body="event: error\ndata: {}\n\n", headers={"Content-Type": "text/event-stream"}),
        Told(body="event: metadata\ndata: []\n\n", headers={"Content-Type": "text/event-stream"}),
    ],
    ids=[
        "500",
        "503",
        "page",
        "no id",
        "null id",
        "header in id",
        "path in id",
        "list",
        "null",
        "redirect",
        "cut",
        "silent stream",
        "error event",
        "odd event",
    ],
)
def test_g1_an_answer_that_is_none_leaves_the_launch_unknown_and_due(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, output: Output, told: Told, *, stream: bool
) -> None:
    langgraph.runs = told
    reply = launch.call(launch_body(stream=stream))
    assert (reply.status, reply.problem, reply.headers["Retry-After"]) == (502, "langgraph-fault", "5")
    assert_unknown(aws, reply)
    assert output.counts == {"failed": 1}
    assert {line["launch_id"] for line in output.logs} == {reply.body["launch_id"]}


def hurried(launch: Door, url: str) -> None:
    server = launch.parts.launcher.server
    server.langgraph._runner.close()  # noqa: SLF001 - the one it had
    object.__setattr__(server, "langgraph", LangGraph(url, deadline=0.3))


@WAYS
def test_g1_no_answer_in_time_is_504_and_leaves_the_launch_unknown_and_due(
    load: Load, aws: Aws, langgraph: LangGraphDouble, *, stream: bool
) -> None:
    launch = load("launch")
    hurried(launch, langgraph.url)
    langgraph.runs = Told(silent=True)
    reply = launch.call(launch_body(stream=stream))
    assert (reply.status, reply.problem, reply.headers["Retry-After"]) == (504, "langgraph-timeout", "5")
    assert_unknown(aws, reply)


def test_no_answer_for_the_thread_in_time_ends_the_launch(load: Load, aws: Aws, langgraph: LangGraphDouble) -> None:
    launch = load("launch")
    hurried(launch, langgraph.url)
    langgraph.threads = Told(silent=True)
    reply = launch.call(launch_body())
    assert (reply.status, reply.problem) == (504, "langgraph-timeout")
    assert_refused(aws, reply)


def test_a_refused_port_is_answered_within_the_deadline(load: Load, aws: Aws) -> None:
    launch = load("launch")
    hurried(launch, f"http://127.0.0.1:{free_port('127.0.0.1')}")
    reply = launch.call(launch_body())
    assert (reply.status, reply.problem) == (504, "langgraph-timeout")
    assert_refused(aws, reply)


@WAYS
def test_g1_langgraph_gets_no_more_time_than_recording_its_run_leaves(
    load: Load, aws: Aws, langgraph: LangGraphDouble, *, stream: bool
) -> None:
    launch = load("launch")
    langgraph.runs = Told(silent=True)
    body = launch_body(stream=stream, thread_id=new_id())
    reply = launch.call(body, seconds=launch.app._RECORD_SECONDS + 0.7)  # noqa: SLF001
    assert (reply.status, reply.problem) == (504, "langgraph-timeout")
    assert_unknown(aws, reply)


def test_g6_a_launch_that_was_heard_of_while_it_started_stays_due(
    launch: Door, aws: Aws, langgraph: LangGraphDouble
) -> None:
    def heard(sent: Any) -> None:
        launch.parts.launcher.launches.apply(launch_states.heard(sent.body["metadata"]["launch_id"], NOW))

    langgraph.before_run = heard
    reply = launch.call(launch_body())
    item = aws.launch(reply.body["launch_id"]) or {}
    assert (reply.status, item["state"], item["run_id"]) == (202, "started", reply.body["run_id"])
    assert item["due_at"] == int(NOW)


@pytest.mark.parametrize("status", [400, 401, 409, 422, 429])
def test_g5_the_token_is_cut_out_of_langgraphs_message(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, output: Output, status: int
) -> None:
    told: list[str] = []

    def echo(sent: Any) -> None:
        told.append(sent.body["webhook"])
        langgraph.runs = Told(status, {"detail": f"Invalid webhook URL '{told[0]}' of {told[0]}"})

    langgraph.before_run = echo
    reply = launch.call(launch_body())
    (url,) = told
    mac = url.rpartition(".")[2]
    assert output.logs
    for place in (reply.text, output.text, str(aws.items("LaunchesTable"))):
        assert mac not in place
    assert "Invalid webhook URL 'https://webhookapi" in reply.body["detail"]


def test_g7_after_a_refused_key_the_secret_is_read_again(launch: Door, aws: Aws, langgraph: LangGraphDouble) -> None:
    aws.put_secret("LangGraphApiKeySecret", "lsv2_old_key")
    langgraph.threads = Told(401, {"detail": "no"})
    assert launch.call(launch_body()).problem == "api-key-refused"
    aws.put_secret("LangGraphApiKeySecret", "lsv2_new_key")
    langgraph.threads = None
    assert launch.call(launch_body()).status == 202
    assert [sent.headers["x-api-key"] for sent in langgraph.requests] == ["lsv2_old_key", *["lsv2_new_key"] * 2]


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "silent"])
def test_a_key_that_was_not_refused_is_kept(
    load: Load, aws: Aws, langgraph: LangGraphDouble, *, answered: bool
) -> None:
    launch = load("launch")
    hurried(launch, langgraph.url)
    aws.put_secret("LangGraphApiKeySecret", "lsv2_old_key")
    langgraph.runs = Told(422, {"detail": "no"}) if answered else Told(silent=True)
    launch.call(launch_body())
    aws.put_secret("LangGraphApiKeySecret", "lsv2_new_key")
    launch.call(launch_body())
    assert {sent.headers["x-api-key"] for sent in langgraph.requests} == {"lsv2_old_key"}


WEBHOOK = Told(422, {"detail": "Webhook host blocked: DNS resolution failed"})
PROXY = Told(404, "default backend - 404", {"Content-Type": "text/plain; charset=utf-8"})


@WAYS
@pytest.mark.parametrize(
    ("told", "slug", "way_out"),
    [(WEBHOOK, "webhook-url-refused", "WebhookUrl"), (PROXY, "langgraph-fault", "LangGraphUrl")],
    ids=["webhook's URL", "proxy"],
)
def test_g6_what_is_about_our_configuration_is_no_fault_of_the_caller(
    launch: Door,
    aws: Aws,
    langgraph: LangGraphDouble,
    output: Output,
    told: Told,
    slug: str,
    way_out: str,
    *,
    stream: bool,
) -> None:
    langgraph.runs = told
    reply = launch.call(launch_body(stream=stream))
    assert (reply.status, reply.problem, reply.headers["Retry-After"]) == (502, slug, "5")
    assert way_out in reply.body["detail"]
    assert "errors" not in reply.body
    assert_refused(aws, reply)
    assert output.counts == {"failed": 1, "misconfigured": 1}


def test_g1_a_proxys_404_for_the_thread_is_not_langgraphs(launch: Door, aws: Aws, langgraph: LangGraphDouble) -> None:
    langgraph.threads = PROXY
    reply = launch.call(launch_body())
    assert (reply.status, reply.problem) == (502, "langgraph-fault")
    assert_refused(aws, reply)


@WAYS
def test_g2_a_busy_thread_of_the_js_server_is_busy(launch: Door, langgraph: LangGraphDouble, *, stream: bool) -> None:
    words = "Thread is already running a task. Wait for it to finish or choose a different multitask strategy."
    langgraph.runs = Told(422, words, {"Content-Type": "text/plain;charset=UTF-8"})
    reply = launch.call(launch_body(stream=stream, thread_id=new_id()))
    assert (reply.status, reply.problem, reply.headers["Retry-After"]) == (409, "thread-busy", "5")


STRANGE = ["x", 1, None, True, [], ["ab"], [["a", 1]], [1], {"a": 1}, [{}], [{"run_id": 1, "created_at": 2}]]
STRANGE += [[{"run_id": new_id(), "created_at": at, "metadata": {}}] for at in ("yesterday", "2026-11-22T06:00:00")]
STRANGE += [[{"run_id": new_id(), "created_at": "2026-11-22T06:00:00+00:00", "metadata": "x"}]]


@pytest.mark.parametrize("body", STRANGE, ids=json.dumps)
def test_g1_json_of_another_shape_is_no_fault_of_ours(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, wall: WallClock, body: Any
) -> None:
    """Whatever LangGraph is asked about: a thread, a run, the runs of a thread."""
    key = {"idempotency-key": "order-1"}
    langgraph.runs = Told(cut=True)
    launch.call(launch_body(), headers=key)
    for step in ("POST /threads", "POST /threads/…/runs", "GET /threads/…/runs"):
        wall.now += LEASE_ENDS - NOW
        langgraph.instead = lambda sent, step=step: Told(body=body) if sent.step == step else None  # type: ignore[misc]
        reply = launch.call(launch_body(), headers=key)
        assert reply.status in (202, 502), (step, reply.text)
    assert len(aws.items("LaunchesTable")) == 1


def test_g1_a_run_of_another_shape_is_not_taken_for_the_launchs(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    key = {"idempotency-key": "order-1"}
    langgraph.runs = Told(cut=True)
    launch_id = launch.call(launch_body(), headers=key).body["launch_id"]
    wall.now += LEASE_ENDS - NOW
    run = {"run_id": "../x", "created_at": "2026-11-22T06:00:00+00:00", "metadata": {"launch_id": launch_id}}
    langgraph.instead = lambda sent: Told(body=[run]) if sent.step == "GET /threads/…/runs" else None
    reply = launch.call(launch_body(), headers=key)
    assert (reply.status, reply.problem) == (502, "langgraph-fault")
    assert not aws.items("RunsTable")


def test_g1_a_refusal_that_comes_when_no_time_is_left_to_record_it_is_answered_and_the_launch_stays_due(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(_: Any) -> None:
        monkeypatch.setattr(deadline, "_ends", time.monotonic() + CALL_SECONDS - 0.01)

    langgraph.before_run, langgraph.runs = late, Told(422, {"detail": "no such graph"})
    reply = launch.call(launch_body())
    assert (reply.status, reply.problem) == (422, "langgraph-refused")
    assert (only_launch(aws)["state"], only_launch(aws)["due_at"]) == ("starting", LEASE_ENDS)
    assert output.counts["refused"] == 1
