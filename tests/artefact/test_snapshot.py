"""G10: SnapStart's rules, kept by the built functions: their snapshot has no secret, no connection, nothing unique."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from local import resources
from tests.artefact.emulator import missing
from tests.artefact.snapshot import Snapshot
from tests.artefact.test_artefact import ALL, EVENTS, NOWHERE, aws, function, real_delivery, stack

if TYPE_CHECKING:
    from pathlib import Path

    from local.template import Template

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")

__all__ = ["aws"]  # a fixture
API_KEY = "lsv2_pt_0123456789abcdef"


def secrets(template: Template, aws: str) -> list[str]:
    client = resources.session().client("secretsmanager", endpoint_url=aws)
    client.put_secret_value(SecretId=template.names["LangGraphApiKeySecret"], SecretString=API_KEY)
    ring = client.get_secret_value(SecretId=template.names["KeyRingSecret"])["SecretString"]
    return [API_KEY, *(key for name, key in json.loads(ring).items() if name != "current")]


@pytest.mark.parametrize("name", ALL)
def test_g5_a_snapshot_has_no_secret_and_no_connection(aws: str, tmp_path: Path, name: str) -> None:
    template = stack(aws, LangGraphUrl=NOWHERE)
    kept = secrets(template, aws)
    variables = {**function(template, name).environment, "AWS_ENDPOINT_URL": aws}
    with Snapshot(function(template, name), variables, tmp_path / "log") as snapshot:
        assert snapshot.peers() == {snapshot.port}, "whoever waits for a restore is connected with Lambda alone"
        table = template.names["RunsTable" if name != "RotateFunction" else "KeyRingSecret"]
        assert snapshot.remembered([table, *kept]) == {table}


def test_g1_a_restored_webhook_records_a_delivery(aws: str, tmp_path: Path) -> None:
    template = stack(aws)
    webhook = function(template, "WebhookFunction")
    variables = {**webhook.environment, "AWS_ENDPOINT_URL": aws}
    with Snapshot(webhook, variables, tmp_path / "log") as snapshot:
        snapshot.restore()
        answer = snapshot.invoke(json.dumps(real_delivery(template, aws)))
        assert answer["statusCode"] == 200, answer
        assert snapshot.remembered(secrets(template, aws)), "what a snapshot has is seen"


def test_g2_copies_of_one_snapshot_make_launches_of_their_own(aws: str, tmp_path: Path) -> None:
    """Two processes whose hashes and random numbers are the same."""
    template = stack(aws, LangGraphUrl=f"{aws}/no-langgraph")
    launch = function(template, "LaunchFunction")
    (tmp_path / "sitecustomize.py").write_text("import random\nrandom.seed(1)\n")
    variables = {**launch.environment, "AWS_ENDPOINT_URL": aws, "PYTHONHASHSEED": "0"}
    for _ in range(2):
        with Snapshot(launch, variables, tmp_path / "log", (tmp_path,)) as snapshot:
            snapshot.restore()
            event = json.loads((EVENTS / "launch.json").read_text())
            assert "idempotency-key" not in event["headers"]
            assert snapshot.invoke(json.dumps(event))["statusCode"] >= 400
    table = resources.session().resource("dynamodb", endpoint_url=aws).Table(template.names["LaunchesTable"])
    assert len({item["launch_id"] for item in table.scan()["Items"]}) == 2
