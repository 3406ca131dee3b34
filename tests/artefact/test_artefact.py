"""The built functions and layers hold everything that they need, and work."""

from __future__ import annotations

import ast
import filecmp
import gzip
import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
import yaml
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from local import event, queue, resources, secrets_manager
from local.langgraph_server import EXAMPLE, LangGraphServer
from local.servers import free_port
from local.template import ROOT
from runledger.domain.tokens import KeyRing, sign
from tests.artefact.emulator import BUILT, RUNTIME, Emulator, built_path, built_template, missing
from tests.contract.source import modules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.template import Function, Template

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")

EVENTS = ROOT / "events"
ALL = [f"{name}Function" for name in ("Launch", "Webhook", "Sweep", "Worker", "Query", "Rotate")]
READS = ("get-run", "list-runs", "get-launch")
NOWHERE = "http://127.0.0.1:9"  # AWS, where the function ends before it is asked
RUN = "01a201d6-a0d4-71ed-b1cb-bd7f037d2e51"


@pytest.fixture
def aws() -> Iterator[str]:
    secrets_manager.mend()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    with urlopen(Request(f"http://127.0.0.1:{port}/moto-api/reset", method="POST")):
        yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(scope="module")
def langgraph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = LangGraphServer(EXAMPLE, "127.0.0.1", free_port("127.0.0.1"), tmp_path_factory.mktemp("langgraph"))
    yield server.url
    server.close()


def stack(aws: str, **parameters: str) -> Template:
    """Return the built template with its resources made."""
    template = built_template(**parameters)
    resources.create(template, aws)
    return template


def function(template: Template, name: str) -> Function:
    return next(function for function in template.functions() if function.name == name)


WATCH = """
import sys

def report(event, arguments):
    if event == "compile" and sys._getframe(1).f_code.co_filename.startswith("<frozen importlib"):
        print("compiled", arguments[1], file=sys.stderr)
    if event == "import":
        print("imported", arguments[0], file=sys.stderr)

sys.addaudithook(report)
"""


_LATE = {
    *("encodings.idna", "stringprep", "unicodedata"),  # to look a host's name up
    "sniffio",  # httpcore asks whether it is there
    *("boto3.s3.constants", "boto3.s3.transfer", "s3transfer.subscribers"),  # the bucket's client
}


def watched(function: Function, aws: str, folder: Path, path: list[Path]) -> Emulator:
    """Return an emulator that prints what Python compiles in it."""
    watch = folder / "watch"
    watch.mkdir(exist_ok=True)
    (watch / "sitecustomize.py").write_text(WATCH)
    variables = {**function.environment, "AWS_ENDPOINT_URL": aws}
    return Emulator(function, variables, [*path, watch], folder / "function.log")


@contextmanager
def run(function: Function, aws: str, folder: Path, path: list[Path] | None = None) -> Iterator[Emulator]:
    """Run a function, and see that nothing is compiled, and nothing of weight imported after the start (G10)."""
    with watched(function, aws, folder, path or built_path(function)) as emulator:
        yield emulator
    assert "compiled" not in emulator.log
    start, _, calls = emulator.log.partition("INVOKE START")
    assert "imported boto3" in start or not calls or path  # with a path of its own something is missing
    late = set(re.findall(r"^imported (\S+)", calls, re.MULTILINE))
    assert late <= _LATE


def item(template: Template, aws: str, table: str, key: dict[str, str]) -> dict[str, Any]:
    database = resources.session().resource("dynamodb", endpoint_url=aws)
    found: dict[str, Any] = database.Table(template.names[table]).get_item(Key=key).get("Item", {})
    return found


def real_delivery(template: Template, aws: str) -> dict[str, Any]:
    delivery: dict[str, Any] = json.loads(event.webhook({"aws_endpoint_url": aws, "resources": template.names}))
    return delivery


def written(template: Template, aws: str, run_id: str) -> str:
    """Return the event that the stream has once the run was written."""
    sent = json.loads((EVENTS / "stream.json").read_text())
    database = resources.session().client("dynamodb", endpoint_url=aws)
    found = database.get_item(TableName=template.names["RunsTable"], Key={"run_id": {"S": run_id}})
    sent["Records"][0]["dynamodb"]["NewImage"] = found["Item"]
    return json.dumps(sent)


@pytest.mark.parametrize("inline", ["32768", "0"])
def test_g3_webhook_records_a_real_delivery(aws: str, tmp_path: Path, inline: str) -> None:
    template = stack(aws, InlinePayloadBytes=inline)
    delivery = real_delivery(template, aws)
    token = delivery["queryStringParameters"]["token"]
    with run(function(template, "WebhookFunction"), aws, tmp_path) as webhook:
        answer = webhook.invoke(json.dumps(delivery))
    assert answer["statusCode"] == 200, answer
    recorded = item(template, aws, "RunsTable", {"run_id": RUN})
    assert (recorded["status"], recorded["outcome"]) == ("success", "settling")
    payload = recorded.get("payload")
    if inline == "0":
        bucket = resources.session().client("s3", endpoint_url=aws)
        stored = bucket.get_object(Bucket=template.names["PayloadBucket"], Key=recorded["payload_key"])
        payload = gzip.decompress(stored["Body"].read()).decode()
    assert payload == delivery["body"].replace(token, "")
    assert token not in webhook.log, "G5"
    with run(function(template, "QueryFunction"), aws, tmp_path) as query:
        answers = {name: query.invoke((EVENTS / f"{name}.json").read_text()) for name in READS}
    assert [answers[name]["statusCode"] for name in READS] == [200, 200, 404], answers  # the launch is an example
    shown = answers["get-run"]["body"]
    assert f'"payload": {payload}' in shown if inline != "0" else read(json.loads(shown)["payload_url"]) == payload
    assert [one["run_id"] for one in json.loads(answers["list-runs"]["body"])["runs"]] == [RUN]


def read(url: str) -> str:
    with urlopen(url) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        return gzip.decompress(answer.read()).decode()


def test_g6_webhook_refuses_a_forged_token(aws: str, tmp_path: Path) -> None:
    template = stack(aws)
    text = event.FILE.read_text()
    launch_id = json.loads(json.loads(text)["body"])["metadata"]["launch_id"]
    forged = sign(KeyRing("k0", {"k0": b"x" * 64}, {}), launch_id, int(time.time()) + 60, time.time())
    with run(function(template, "WebhookFunction"), aws, tmp_path) as webhook:
        answer = webhook.invoke(text.replace(event.PLACEHOLDER, forged))
    assert (answer["statusCode"], json.loads(answer["body"])["type"]) == (401, "urn:runledger:token-forged")
    assert item(template, aws, "RunsTable", {"run_id": RUN}) == {}


def test_g1_g8_a_launched_run_whose_webhook_goes_nowhere_is_recorded_by_reconcile_and_told_by_notify(
    aws: str, langgraph: str, tmp_path: Path
) -> None:
    template = stack(aws, LangGraphUrl=langgraph, WebhookUrl=f"{NOWHERE}/webhook")
    with run(function(template, "LaunchFunction"), aws, tmp_path) as launch:
        answer = launch.invoke((EVENTS / "launch.json").read_text())
    assert answer["statusCode"] == 202, (answer, launch.log)
    launched = json.loads(answer["body"])
    key = {"run_id": launched["run_id"]}
    assert item(template, aws, "RunsTable", key)["outcome"] == "pending"
    assert item(template, aws, "LaunchesTable", {"launch_id": launched["launch_id"]})["state"] == "started"

    threads = f"{langgraph}/threads/{launched['thread_id']}"
    with urlopen(f"{threads}/runs/{launched['run_id']}/join") as ended:
        values = json.load(ended)
    with urlopen(f"{threads}/runs/{launched['run_id']}") as found:
        assert json.load(found)["kwargs"]["webhook"].startswith(f"{NOWHERE}/webhook?token=k0.")
    runs = resources.session().resource("dynamodb", endpoint_url=aws).Table(template.names["RunsTable"])
    runs.update_item(Key=key, UpdateExpression="SET due_at = :past", ExpressionAttributeValues={":past": 1})
    with run(function(template, "SweepFunction"), aws, tmp_path) as sweep:
        assert sweep.invoke((EVENTS / "sweep.json").read_text()) is None, sweep.log
    sqs, url = resources.session().client("sqs", endpoint_url=aws), template.names["WorkQueue"]
    (message,) = queue.receive(sqs, url, 10)
    brought = {"Records": [queue.record(message, resources.queue_arn(sqs, url))]}
    with run(function(template, "WorkerFunction"), aws, tmp_path) as worker:
        assert worker.invoke(json.dumps(brought)) == {"batchItemFailures": []}, worker.log
        recorded = item(template, aws, "RunsTable", key)
        assert (recorded["outcome"], recorded["source"]) == ("succeeded", "reconcile"), worker.log
        assert recorded["unpublished"] == {"succeeded"}
        answer = worker.invoke(written(template, aws, launched["run_id"]))
    assert answer == {"batchItemFailures": []}, worker.log
    assert "unpublished" not in item(template, aws, "RunsTable", key)
    assert '"message":"published"' in worker.log
    assert json.loads(recorded["payload"])["values"] == values
    assert "token=" not in worker.log, "G5"


def test_g7_rotate_adds_a_key_and_revokes_it(aws: str, tmp_path: Path) -> None:
    template = stack(aws)
    client, secret_id = (
        resources.session().client("secretsmanager", endpoint_url=aws),
        template.names["KeyRingSecret"],
    )

    def ring() -> KeyRing:
        return KeyRing.parse(client.get_secret_value(SecretId=secret_id)["SecretString"])

    first = json.loads(event.rotate({"aws_endpoint_url": aws, "resources": template.names}))
    with run(function(template, "RotateFunction"), aws, tmp_path) as rotate:
        for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
            assert rotate.invoke(json.dumps({**first, "Step": step})) is None, rotate.log
        (old, new), keys = ring().signing, ring().signing.values()
        assert rotate.invoke(json.dumps({"revoke": new})) == {"revoked": new, "signer": old, "keys": [old]}
        failed = rotate.invoke(json.dumps(first))
    assert list(ring().signing) == [old]
    assert (failed["errorType"], "no longer" in failed["errorMessage"]) == ("FailedError", True), failed
    assert not [key for key in keys if key.decode() in rotate.log], "G5"


@pytest.mark.parametrize("name", ALL)
def test_a_missing_setting_fails_the_start_by_name(tmp_path: Path, name: str) -> None:
    whole = function(built_template(), name)
    setting = "KEY_RING_SECRET" if name == "RotateFunction" else "RUNS_TABLE"
    left = replace(whole, environment={k: v for k, v in whole.environment.items() if k != setting})
    with run(left, NOWHERE, tmp_path) as emulator:
        answer = emulator.invoke("{}")
    assert answer["errorType"] == "SettingError", answer
    assert setting in answer["errorMessage"]


@pytest.mark.parametrize(
    ("name", "layer", "package"),
    [
        ("LaunchFunction", "LangGraphLayer", "langgraph_sdk"),
        ("LaunchFunction", "LangGraphLayer", "orjson"),
        ("WebhookFunction", "RunledgerLayer", "aws_lambda_powertools"),
        ("WebhookFunction", "RunledgerLayer", "jmespath"),
    ],
)
def test_a_package_missing_from_a_layer_is_noticed(tmp_path: Path, name: str, layer: str, package: str) -> None:
    """What this suite proves about packaging it proves only while nothing else is on the path."""
    whole = function(built_template(), name)
    without = tmp_path / "python"
    without.mkdir()
    for entry in (BUILT.parent / layer / "python").iterdir():
        if entry.name != package:
            (without / entry.name).symlink_to(entry)
    path = [without if layer in folder.parts else folder for folder in built_path(whole)]
    with run(whole, NOWHERE, tmp_path, path) as emulator:
        answer = emulator.invoke("{}")
    assert answer["errorType"] == "Runtime.ImportModuleError", answer
    assert f"No module named '{package}'" in answer["errorMessage"]


def test_the_build_is_of_this_source() -> None:
    for built_function in built_template().functions():
        task, *layers = built_path(built_function)
        package = built_function.handler.split(".")[0]
        sources = {ROOT / "functions" / package: task / package}
        sources |= {ROOT / "layers" / _folder(layer): layer for layer in layers}
        for source, built in sources.items():
            files = [str(path.relative_to(source)) for path in source.rglob("*.py")]
            _, differing, absent = filecmp.cmpfiles(source, built, files, shallow=False)
            assert (differing, absent) == ([], []), "the build is old; make build"


def _folder(built_layer: Path) -> str:
    return built_layer.parent.name.removesuffix("Layer").lower()


def test_the_built_template_has_no_yaml_alias() -> None:
    tokens = list(yaml.scan(BUILT.read_text()))
    assert tokens
    assert not [token for token in tokens if isinstance(token, yaml.AliasToken | yaml.AnchorToken)]


@pytest.mark.parametrize(("name", "most"), [("WebhookFunction", 30), ("LaunchFunction", 75)])
def test_g10_code_and_layers_are_small(name: str, most: int) -> None:
    folders = function(built_template(), name).code
    size = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
    assert 0 < size < most * 1024 * 1024


def test_g10_all_code_is_shipped_as_bytecode_that_nothing_need_check() -> None:
    """Lambda unpacks with times of its own, so bytecode that goes by a source's time would be made again."""
    sources = [path for folder in BUILT.parent.iterdir() if folder.is_dir() for path in folder.rglob("*.py")]
    assert len(sources) > 300
    for source in sources:
        head = Path(cache_from_source(str(source))).read_bytes()[:8]
        assert head == MAGIC_NUMBER + b"\x01\x00\x00\x00", source  # made for this Python, by hash, unchecked


def test_g10_what_is_compiled_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text("def handler(event, context): return {}")
    late = replace(function(built_template(), "QueryFunction"), handler="late.handler")
    with watched(late, NOWHERE, tmp_path, [tmp_path]) as emulator:
        assert emulator.invoke("{}") == {}
    assert f"compiled {tmp_path}/late.py" in emulator.log


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_each_architecture_has_its_way_to_be_built(architecture: str) -> None:
    assert f'pack.py" {architecture} ' in (ROOT / "layers" / architecture / "Makefile").read_text()


def test_botocore_knows_the_services_that_adapters_call_and_no_other() -> None:
    data = BUILT.parent / "RunledgerLayer" / "python" / "botocore" / "data"
    assert {path.name for path in data.iterdir() if path.is_dir()} == services()


def services() -> set[str]:
    """Return what `aws.client` is called with."""
    calls = [
        node
        for tree in modules().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("aws.client", "client")
    ]
    named = {arguments[0].value for call in calls if isinstance((arguments := call.args)[0], ast.Constant)}
    assert len(named) > 3
    return {str(name) for name in named}


REGIONS = ("us-east-1", "eu-central-1", "ap-southeast-4", "us-gov-west-1", "cn-north-1")
ENDPOINTS = """
import sys, boto3
for service in sys.argv[1].split(","):
    for region in sys.argv[2].split(","):
        print(boto3.client(service, region, aws_access_key_id="a", aws_secret_access_key="b").meta.endpoint_url)
"""


def test_what_is_left_of_botocores_data_leads_to_the_same_endpoints() -> None:
    def endpoints(python: str, **path: str) -> list[str]:
        command = [python, "-c", ENDPOINTS, ",".join(sorted(services())), ",".join(REGIONS)]
        found = subprocess.run(command, env={"PATH": os.defpath, **path}, check=True, capture_output=True, text=True)
        return found.stdout.split()

    shipped = endpoints(str(RUNTIME), PYTHONPATH=str(BUILT.parent / "RunledgerLayer" / "python"))
    assert len(shipped) == len(services()) * len(REGIONS)
    assert shipped == endpoints(sys.executable)
