"""AWS out of order under a launch, and secrets that can't be used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration import faults as kinds
from tests.integration.langgraph_double import Told
from tests.integration.support import LEASE_ENDS, client_of

if TYPE_CHECKING:
    from tests.integration.faults import Faults
    from tests.integration.langgraph_double import LangGraphDouble
    from tests.integration.support import Aws, Door, Output

BODY = json.dumps({"assistant_id": "agent", "input": {}})


@pytest.mark.parametrize("kind", kinds.ALL)
@pytest.mark.parametrize("service", ["ring", "launches"])
def test_g1_an_outage_before_langgraph_is_asked_is_503_and_starts_nothing(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, faults: Faults, output: Output, service: str, kind: str
) -> None:
    with faults.on(client_of(getattr(launch.parts.launcher, service)), kind):
        reply = launch.call(BODY)
    assert (reply.status, reply.problem, reply.headers["Retry-After"]) == (503, "unavailable", "5")
    assert len(faults.requests) == 2  # boto3's tries
    assert langgraph.requests == []
    assert aws.is_empty()
    assert output.counts == {"failed": 1}
    assert launch.call(BODY).status == 202


def test_g1_a_claim_whose_answer_was_lost_is_a_claim(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, faults: Faults
) -> None:
    with faults.on(client_of(launch.parts.launcher.launches), kinds.ANSWER_LOST, times=1):
        reply = launch.call(BODY)
    assert reply.status == 202
    (item,) = aws.items("LaunchesTable")
    assert (item["state"], item["run_id"]) == ("started", langgraph.run_id)


@pytest.mark.parametrize("kind", kinds.ALL)
@pytest.mark.parametrize(("skip", "recorded"), [(1, 0), (2, 1)], ids=["run", "launch"])
def test_g1_a_run_that_cannot_be_recorded_is_202_counted_and_its_launch_stays_due(
    launch: Door,
    aws: Aws,
    langgraph: LangGraphDouble,
    faults: Faults,
    output: Output,
    kind: str,
    skip: int,
    recorded: int,
) -> None:
    with faults.on(client_of(launch.parts.launcher.launches), kind, skip=skip):
        reply = launch.call(BODY)
    assert (reply.status, reply.body["run_id"]) == (202, langgraph.run_id)
    (item,) = aws.items("LaunchesTable")
    assert (item["launch_id"], item["state"], item["due_at"]) == (reply.body["launch_id"], "starting", LEASE_ENDS)
    assert len(aws.items("RunsTable")) == recorded
    assert output.counts == {"launched": 1, "unrecorded": 1}
    (line,) = (line for line in output.logs if line["level"] == "ERROR")
    assert (line["launch_id"], line["run_id"]) == (item["launch_id"], langgraph.run_id)


def test_g1_a_refusal_that_cannot_be_recorded_is_told_and_the_launch_stays_due(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, faults: Faults
) -> None:
    langgraph.runs = Told(422, {"detail": "no"})
    with faults.on(client_of(launch.parts.launcher.launches), kinds.THROTTLED, skip=1):
        reply = launch.call(BODY)
    assert (reply.status, reply.problem) == (422, "langgraph-refused")
    (item,) = aws.items("LaunchesTable")
    assert (item["state"], item["due_at"]) == ("starting", LEASE_ENDS)


@pytest.mark.parametrize(
    ("secret", "text", "name", "says"),
    [
        ("LangGraphApiKeySecret", "put-your-langgraph-api-key-here", "api-key-missing", "LangGraphApiKeySecret"),
        ("LangGraphApiKeySecret", "lsv2_kéy", "api-key-unusable", "LangGraphApiKeySecret"),
        ("LangGraphApiKeySecret", "lsv2_one\nlsv2_two", "api-key-unusable", "LangGraphApiKeySecret"),
        ("KeyRingSecret", "not json", "key-ring-unusable", "key ring"),
        ("KeyRingSecret", '{"current": "k1", "k0": "' + "a" * 64 + '"}', "key-ring-unusable", "current"),
    ],
)
def test_an_unusable_secret_is_503_that_names_it_and_starts_nothing(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, secret: str, text: str, name: str, says: str
) -> None:
    good = aws.secret(secret)
    aws.put_secret(secret, text)
    reply = launch.call(BODY)
    assert (reply.status, reply.problem) == (503, name)
    assert says in reply.body["detail"]
    assert "lsv2" not in reply.text
    assert langgraph.requests == []
    assert aws.is_empty()
    aws.put_secret(secret, good)
    assert launch.call(BODY).status == 202


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (None, [""]),
        ("[1]", [""]),
        ('{"input": {}, "asistant_id": "agent"}', ["/asistant_id", "/assistant_id"]),
        ('{"assistant_id": "agent", "input": {}, "command": {}, "metadata": {"launch_id": "x"}}', None),
    ],
)
def test_a_bad_request_names_its_fields_and_starts_nothing(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, body: str | None, pointers: list[str] | None
) -> None:
    reply = launch.call(body)
    assert (reply.status, reply.problem) == (400, "invalid-request")
    found = {error["pointer"] for error in reply.body["errors"]}
    assert found == set(pointers or ["/command", "/thread_id", "/metadata/launch_id"])
    assert langgraph.requests == []
    assert aws.is_empty()
