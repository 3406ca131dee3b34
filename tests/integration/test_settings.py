"""Settings that are missing or wrong stop a function at its start; what functions say about themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from runledger.adapters.settings import SettingError
from tests.integration.support import delivery, new_id

if TYPE_CHECKING:
    from tests.integration.conftest import Load
    from tests.integration.support import Aws, Door, Output

NEEDED = {
    "launch": (
        "LEDGER_ID",
        "RUNS_TABLE",
        "LAUNCHES_TABLE",
        "KEY_RING_SECRET",
        "LANGGRAPH_API_KEY_SECRET",
        "LANGGRAPH_URL",
        "ALLOW_INSECURE_URLS",
        "WEBHOOK_URL",
        "MAX_RUN_SECONDS",
        "PAYLOAD_BUCKET",
        "LAUNCH_QUEUE",
        "DEAD_LETTER_QUEUE",
    ),
    "sweep": ("RUNS_TABLE", "LAUNCHES_TABLE", "WORK_QUEUE", "WORKER_CONCURRENCY"),
    "worker": (
        "LEDGER_ID",
        "RUNS_TABLE",
        "LAUNCHES_TABLE",
        "KEY_RING_SECRET",
        "LANGGRAPH_API_KEY_SECRET",
        "LANGGRAPH_URL",
        "ALLOW_INSECURE_URLS",
        "WEBHOOK_URL",
        "MAX_RUN_SECONDS",
        "MAX_CHECK_SECONDS",
        "PAYLOAD_BUCKET",
        "INLINE_PAYLOAD_BYTES",
        "EVENT_BUS",
    ),
    "query": ("RUNS_TABLE", "LAUNCHES_TABLE", "PAYLOAD_BUCKET"),
    "webhook": (
        "LEDGER_ID",
        "RUNS_TABLE",
        "LAUNCHES_TABLE",
        "KEY_RING_SECRET",
        "PAYLOAD_BUCKET",
        "INLINE_PAYLOAD_BYTES",
        "ACCEPT_SHARED_TOKENS",
        "WEBHOOK_SOURCE_CIDRS",
        "LANGGRAPH_URL",
    ),
    "rotate": ("KEY_RING_SECRET", "MAX_RUN_SECONDS"),
}


@pytest.mark.parametrize("value", [None, "", "  "], ids=["missing", "empty", "blank"])
@pytest.mark.parametrize(("name", "variable"), [(name, variable) for name in NEEDED for variable in NEEDED[name]])
def test_a_missing_setting_stops_the_function_by_its_name(
    load: Load, name: str, variable: str, value: str | None
) -> None:
    with pytest.raises(SettingError, match=rf"\b{variable} is not set"):
        load(name, environment={variable: value})


@pytest.mark.parametrize(
    ("name", "variable", "value"),
    [
        ("launch", "MAX_RUN_SECONDS", "a week"),
        ("launch", "MAX_RUN_SECONDS", "-1"),
        ("launch", "MAX_RUN_SECONDS", "1.5"),
        ("worker", "MAX_CHECK_SECONDS", "900s"),
        ("sweep", "WORKER_CONCURRENCY", "many"),
        ("rotate", "MAX_RUN_SECONDS", "7 days"),
        ("webhook", "INLINE_PAYLOAD_BYTES", "32 KB"),
        ("launch", "ALLOW_INSECURE_URLS", "1"),
        ("webhook", "ACCEPT_SHARED_TOKENS", "yes"),
        ("webhook", "ACCEPT_SHARED_TOKENS", "True"),
        ("webhook", "WEBHOOK_SOURCE_CIDRS", "203.0.113.7/24"),
        ("webhook", "WEBHOOK_SOURCE_CIDRS", "203.0.113.0/24,"),
    ],
)
def test_a_wrong_setting_stops_the_function_by_its_name(load: Load, name: str, variable: str, value: str) -> None:
    with pytest.raises(SettingError, match=rf"\b{variable} must be .*{value}"):
        load(name, environment={variable: value})


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("launch", "LANGGRAPH_URL"),
        ("launch", "WEBHOOK_URL"),
        ("worker", "LANGGRAPH_URL"),
        ("worker", "WEBHOOK_URL"),
    ],
)
def test_g5_a_function_does_not_start_that_would_send_a_key_or_a_token_in_clear(
    load: Load, name: str, variable: str
) -> None:
    given = {
        "LANGGRAPH_URL": "https://langgraph.example.org",
        "WEBHOOK_URL": "https://hooks.example.org/webhook",
        "ALLOW_INSECURE_URLS": "false",
    }
    load(name, environment=given)  # type: ignore[arg-type]
    for url in ("http://10.0.0.7:8123", "HTTP://langgraph.example.org"):
        with pytest.raises(SettingError, match=rf"{variable} must be an https URL.*AllowInsecureUrls"):
            load(name, environment={**given, variable: url})
        load(name, environment={**given, variable: url, "ALLOW_INSECURE_URLS": "true"})


def test_every_setting_of_the_template_but_powertools_own_is_needed(aws: Aws) -> None:
    for function in aws.template.functions():
        given = {name for name in function.environment if not name.startswith("POWERTOOLS_")}
        assert given - {"LANGGRAPH_FORMER_URLS"} == set(NEEDED[function.handler.partition(".")[0]])


@pytest.mark.parametrize("value", ["https://ok.example,nonsense", "ftp://x.example", "https://me:secret@x.example"])
def test_g5_a_url_that_is_none_stops_the_function_and_is_not_told(load: Load, value: str) -> None:
    with pytest.raises(SettingError, match=r"\bLANGGRAPH_FORMER_URLS must be http or https URLs") as stopped:
        load("launch", environment={"LANGGRAPH_FORMER_URLS": value})
    assert value not in str(stopped.value)


def test_log_lines_carry_the_ids_of_their_own_request_alone(webhook: Door, aws: Aws, output: Output) -> None:
    launch_id, run_id = new_id(), new_id()
    token = aws.token(launch_id)
    webhook.call(delivery(run_id, launch_id, token), f"token={token}")
    webhook.call("{}", f"token={token}")  # two lines: nothing can be read, and nobody be asked
    webhook.call("{}", "token=nonsense")
    assert [(line.get("launch_id"), line.get("run_id")) for line in output.logs] == [
        (launch_id, run_id),
        (launch_id, None),
        (launch_id, None),
        (None, None),
    ]
    assert len({line["request_id"] for line in output.logs}) == 3
    assert {line["service"] for line in output.logs} == {"webhook"}


def test_a_launchs_line_carries_both_ids(launch: Door, output: Output) -> None:
    body = launch.call(json.dumps({"assistant_id": "agent", "input": {}})).body
    (line,) = output.logs
    assert (line["message"], line["launch_id"], line["run_id"]) == ("launched", body["launch_id"], body["run_id"])
    assert line["service"] == "launch"
