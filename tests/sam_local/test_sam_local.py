"""`sam local` for real: the built functions in containers, against the local stack on the address that those reach."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from local import event, resources
from local.servers import free_port
from local.stack import Stack
from local.template import ROOT
from runledger.domain.tokens import KeyRing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAM = ROOT / ".tools" / "sam" / "bin" / "sam"
BUILT = ROOT / ".aws-sam" / "build" / "template.yaml"
IMAGE = "public.ecr.aws/lambda/python:3.13"
SECONDS = 120  # a container starts within a few, but the layers are made into an image first


def docker(*arguments: str) -> str:
    """Return what docker prints; skip where it can't."""
    if not shutil.which("docker"):
        pytest.skip("docker is not installed")
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        pytest.skip(f"docker {arguments[0]} fails: {done.stderr.strip()[:200]}")
    return done.stdout.strip()


def reachable() -> str:
    """Return the address to listen on: the bridge's own on Linux; elsewhere Docker leads containers to loopback."""
    gateway = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    with socket.socket() as probe:
        try:
            probe.bind((gateway, 0))
        except OSError:
            return "127.0.0.1"
    return gateway


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    docker("info")
    docker("image", "inspect", IMAGE)
    for needed in (SAM, BUILT):
        if not needed.exists():
            pytest.skip(f"{needed.relative_to(ROOT)} is not there; make build")
    with Stack(host=reachable(), folder=tmp_path_factory.mktemp("stack"), triggers=False) as running:
        yield running


@pytest.fixture(scope="module")
def flags(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What every `sam local` command takes."""
    variables = tmp_path_factory.mktemp("sam") / "container-env.json"
    variables.write_text(json.dumps(stack.container_environment()))
    return [
        *("--env-vars", str(variables)),
        *("--add-host", "host.docker.internal:host-gateway"),
        "--skip-pull-image",
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


def invoke(flags: list[str], function: str, event_text: str) -> Any:
    """Return what the function answers."""
    done = subprocess.run(
        [str(SAM), "local", "invoke", function, "--event", "-", *flags],
        cwd=ROOT,
        env=environment(),
        input=event_text,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def landed(stack: Stack, run_id: str) -> dict[str, Any]:
    """Return the run's item as soon as its delivery is in the ledger."""
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        item: dict[str, Any] = stack.table("RunsTable").get_item(Key={"run_id": run_id}).get("Item", {})
        if item.get("source") == "webhook":
            return item
        time.sleep(0.1)
    pytest.fail(f"no delivery about {run_id}; the item: {item}")


def test_launch_invoked_in_a_container_starts_a_run_that_lands(stack: Stack, flags: list[str]) -> None:
    answer = invoke(flags, "LaunchFunction", (ROOT / "events" / "launch.json").read_text())
    assert answer["statusCode"] == 202, answer
    body = json.loads(answer["body"])
    item = landed(stack, body["run_id"])
    assert (item["launch_id"], item["status"]) == (body["launch_id"], "success")


def test_launch_invoked_in_a_container_takes_a_message(stack: Stack, flags: list[str]) -> None:
    answer = invoke(flags, "LaunchFunction", (ROOT / "events" / "launch-message.json").read_text())
    assert answer == {"batchItemFailures": []}
    (run,) = [run for run in resources.scan(stack.table("RunsTable")) if run.get("metadata") == '{"tenant": "a"}']
    assert landed(stack, run["run_id"])["status"] == "success"


def test_webhook_invoked_in_a_container_records_the_event(stack: Stack, flags: list[str]) -> None:
    text = event.webhook(stack.describe())
    answer = invoke(flags, "WebhookFunction", text)
    assert answer["statusCode"] == 200, answer
    sent = json.loads(json.loads(text)["body"])
    item = landed(stack, sent["run_id"])
    assert json.loads(item["payload"])["values"] == sent["values"]


def test_query_invoked_in_a_container_shows_a_run(stack: Stack, flags: list[str]) -> None:
    invoke(flags, "WebhookFunction", event.webhook(stack.describe()))
    answer = invoke(flags, "QueryFunction", (ROOT / "events" / "get-run.json").read_text())
    assert answer["statusCode"] == 200, answer
    assert json.loads(answer["body"])["payload"]["status"] == "success"


def test_reconcile_invoked_in_a_container_settles_what_is_due(stack: Stack, flags: list[str]) -> None:
    launched = post(f"{stack.apis['Api'].url}/runs", '{"assistant_id": "agent", "input": {"task": "answer"}}')[1]
    assert landed(stack, launched["run_id"])["outcome"] == "settling"
    stack.make_due()
    assert invoke(flags, "SweepFunction", (ROOT / "events" / "sweep.json").read_text()) is None
    assert landed(stack, launched["run_id"])["outcome"] == "succeeded"


def test_notify_invoked_in_a_container_settles_and_tells(stack: Stack, flags: list[str]) -> None:
    launched = post(f"{stack.apis['Api'].url}/runs", '{"assistant_id": "agent", "input": {"task": "answer"}}')[1]
    landed(stack, launched["run_id"])
    for _ in range(2):  # settled, then told
        sent = json.loads((ROOT / "events" / "notify.json").read_text())
        key = {"run_id": {"S": launched["run_id"]}}
        table = stack.template.names["RunsTable"]
        item = stack.client("dynamodb").get_item(TableName=table, Key=key)["Item"]
        sent["Records"][0]["dynamodb"]["NewImage"] = item
        assert invoke(flags, "WorkerFunction", json.dumps(sent)) == {"batchItemFailures": []}
        assert landed(stack, launched["run_id"])["outcome"] == "succeeded"
    assert "unpublished" not in landed(stack, launched["run_id"])


def test_rotate_invoked_in_a_container_takes_the_first_step(stack: Stack, flags: list[str]) -> None:
    sent = event.rotate(stack.describe())
    assert invoke(flags, "RotateFunction", sent) is None
    version = {"SecretId": stack.template.names["KeyRingSecret"], "VersionId": json.loads(sent)["ClientRequestToken"]}
    filled = stack.client("secretsmanager").get_secret_value(**version)["SecretString"]
    assert len(KeyRing.parse(filled).signing) == 2


@pytest.fixture
def api(flags: list[str], tmp_path: Path) -> Iterator[str]:
    """The URL of `sam local start-api`."""
    url, log = f"http://127.0.0.1:{(port := free_port('127.0.0.1'))}", tmp_path / "start-api.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(SAM), "local", "start-api", "--port", str(port), *flags],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        ends = time.monotonic() + SECONDS
        while "Press CTRL+C to quit" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < ends, log.read_text()
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def post(url: str, body: str) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_start_api_serves_both_routes(stack: Stack, api: str) -> None:
    status, body = post(f"{api}/runs", '{"assistant_id": "agent", "input": {"task": "answer"}}')
    assert status == 202, body
    assert landed(stack, body["run_id"])["launch_id"] == body["launch_id"]
    sent = json.loads(event.webhook(stack.describe()))
    status, body = post(f"{api}/webhook?{sent['rawQueryString']}", sent["body"])
    assert (status, body["run_id"]) == (200, json.loads(sent["body"])["run_id"])
