"""G10: the largest delivery that Lambda takes fits into 256 MB, whatever it is made of."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from local.template import ROOT
from tests.artefact.emulator import Emulator, built_path, missing
from tests.artefact.test_artefact import aws, function, item, real_delivery, stack

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(missing() is not None, reason=missing() or "")

__all__ = ["aws"]  # a fixture
PROBE = ROOT / "tests" / "bench" / "probe"
BYTES = 5_900_000
MOST_MB = 256
SHAPES = {  # of the largest that Lambda takes, whose JSON has the body's quotes escaped
    "a text of four-byte characters": f'"{"\N{GRINNING FACE}" * (BYTES // 4)}"',
    "numbers": f"[{','.join(['1'] * (BYTES // 2))}]",
    "different numbers": f"[{','.join(map(str, range(1_000_000, 1_000_000 + BYTES // 8)))}]",
    "empty lists": f"[{','.join(['[]'] * (BYTES // 3))}]",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_g3_g10_a_delivery_of_5_9_mb_is_recorded_in_256_mb(aws: str, tmp_path: Path, shape: str) -> None:
    template = stack(aws)
    webhook = function(template, "WebhookFunction")
    sent = real_delivery(template, aws)
    sent["body"] = f'{sent["body"][:-1]},"more":{SHAPES[shape]}}}'
    figures = tmp_path / "figures"
    variables = {**webhook.environment, "AWS_ENDPOINT_URL": aws, "MEASURED": webhook.handler, "FIGURES": str(figures)}
    measured = replace(webhook, handler="measured.handler")
    with Emulator(measured, variables, [*built_path(webhook), PROBE], tmp_path / "log") as emulator:
        answer = emulator.invoke(json.dumps(sent, ensure_ascii=False))
    assert answer["statusCode"] == 200, answer
    run_id = json.loads(answer["body"])["run_id"]
    recorded = item(template, aws, "RunsTable", {"run_id": run_id})
    token = sent["queryStringParameters"]["token"]
    assert recorded["payload_bytes"] == len(sent["body"].replace(token, "").encode())
    assert json.loads(figures.read_text())["peak_mb"] < MOST_MB
