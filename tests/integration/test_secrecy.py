"""G5: neither token, key ring nor API key stands in a table, the bucket, a log, a metric or an answer."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from runledger.domain import tokens, verification
from runledger.domain.settling import Facts
from runledger.domain.times import iso
from runledger.domain.unconfirmed import claim_of, kept_about
from tests.integration import faults as kinds
from tests.integration.langgraph_double import Told
from tests.integration.spellings import assert_nowhere, percent_encoded
from tests.integration.support import (
    LATER,
    NOW,
    Webhook,
    claim,
    client_of,
    delivery,
    new_id,
    record_launch,
    stand_still,
)

if TYPE_CHECKING:
    from tests.integration.conftest import Load
    from tests.integration.faults import Faults
    from tests.integration.langgraph_double import LangGraphDouble, Sent
    from tests.integration.scene import Scene
    from tests.integration.support import Aws, Door, Output

SHARED = "shared-secret-of-the-crons-0123456789abc"
API_KEY = "lsv2_pt_0123456789abcdef"
BODY = json.dumps({"assistant_id": "agent", "input": {}})


def assert_no_secret(aws: Aws, output: Output, token: str, *texts: str) -> None:
    """Look for the token, its MAC, the ring's keys and the API key wherever anything was left."""
    assert output.logs
    keys = [key for name, key in json.loads(aws.secret("KeyRingSecret")).items() if name != "current"]
    objects = aws.objects()
    stores = [json.dumps(aws.items(table), default=str, ensure_ascii=False) for table in ("RunsTable", "LaunchesTable")]
    for secret in (token, token.rpartition(".")[2], *keys, API_KEY):
        assert_nowhere(secret, *stores, objects, output.text, *texts)


@pytest.mark.parametrize("token", ["a.secret-token", "ends+odd/ly?~~>"])
def test_the_search_finds_a_secret_however_it_is_spelt(token: str) -> None:
    percent, sent = percent_encoded(token), b"x=" + token.encode() + b"&"
    encoded = [encode(sent[cut:]).decode() for encode in (b64encode, urlsafe_b64encode) for cut in range(3)]
    for spelt in (token, quote(token), percent, percent.lower(), quote(percent), quote(quote(token)), *encoded):
        with pytest.raises(AssertionError):
            assert_nowhere(token, "nothing here", f"…{spelt}…")


@pytest.mark.parametrize("inline", ["358400", "0"], ids=["item", "bucket"])
@pytest.mark.parametrize("shared", [False, True], ids=["launch", "shared"])
@pytest.mark.parametrize("encoded", [False, True], ids=["plain", "percent-encoded"])
def test_g5_a_token_that_langgraph_echoes_is_kept_nowhere(
    load: Load, aws: Aws, output: Output, inline: str, *, shared: bool, encoded: bool
) -> None:
    aws.add_key("shared-crons", SHARED)
    webhook, run_id, launch_id = (
        load("webhook", InlinePayloadBytes=inline, AcceptSharedTokens="true"),
        new_id(),
        new_id(),
    )
    token = SHARED if shared else aws.token(launch_id)
    spelt = percent_encoded(token) if encoded else token
    echo = f'{{"url":"https://webhook.example/webhook?token={spelt}"}}'
    texts = []
    assert isinstance(webhook, Webhook)
    webhook.is_usual = False
    assert webhook.parts.receiver.launches.apply(claim(launch_id)) is None
    for at, status in enumerate(("error", "error", "error", "timeout", "paused")):
        error = {"error": "E", "message": f"failed to reach https://webhook.example?token={spelt}"}
        body = delivery(run_id, None if shared else launch_id, spelt, status=status, values=echo, error=error)
        reply = webhook.call(body, f"token={spelt}")
        assert reply.status == (200 if at else 202)
        texts.append(reply.text)
        if at == 0:
            assert_no_secret(aws, output, token, *texts)
            if shared:
                one, facts = claim_of(aws.run(run_id)), Facts("thread", None, None, iso(NOW), None)
                assert webhook.parts.receiver.recorder.runs.apply(verification.found_going(one, facts, NOW)) is None
            else:
                assert kept_about(aws.launch(launch_id) or {}, run_id)
                record_launch(aws, run_id, launch_id)
    assert (aws.run(run_id) or {})["other_count"] == 2
    assert_no_secret(aws, output, token, *texts)


@pytest.mark.parametrize("expiry", [LATER, int(NOW) - 1], ids=["genuine", "expired"])
def test_g5_a_refused_token_is_told_to_nobody(webhook: Door, aws: Aws, output: Output, expiry: int) -> None:
    launch_id = new_id()
    token = aws.token(launch_id, expiry)
    texts = [
        webhook.call(delivery(new_id(), launch_id, token), query).text
        for query in (
            f"token={token}x",
            f"token={token}&token={token}",
            f"token={token}",
            f"token={percent_encoded(token)}",
        )
    ]
    texts += [webhook.call(body, f"token={token}").text for body in (f'"{token}"', f'{{"{token}', token)]
    texts.append(webhook.call(delivery(new_id(), new_id(), token), f"token={token}").text)
    assert_no_secret(aws, output, token, *texts)


def test_g5_an_unknown_key_is_told_to_nobody(webhook: Door, aws: Aws, output: Output) -> None:
    stand_still(webhook, aws)
    token = tokens.sign(tokens.KeyRing("k9", {"k9": b"n" * 64}, {}), new_id(), LATER, NOW)
    assert_no_secret(aws, output, token, webhook.call("{}", f"token={token}").text)


def test_g5_a_fault_tells_no_token(
    webhook: Door, aws: Aws, output: Output, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_id = new_id()
    token = aws.token(launch_id)
    body, query = delivery(new_id(), launch_id, token), f"token={token}"
    with faults.on(client_of(webhook.parts.receiver.recorder.runs), kinds.BROKEN):
        texts = [webhook.call(body, query).text]
    monkeypatch.setattr(webhook.parts.receiver.recorder.runs, "apply", lambda *_: 1 // 0)
    texts.append(webhook.call(body, query).text)
    assert output.counts == {"failed": 2}
    assert_no_secret(aws, output, token, *texts)


@pytest.mark.parametrize("status", [400, 401, 403, 409, 422, 429, 500])
def test_g5_what_langgraph_says_of_the_key_when_it_is_asked_is_told_to_nobody(scene: Scene, status: int) -> None:
    scene.aws.put_secret("LangGraphApiKeySecret", API_KEY)
    scene.langgraph.instead = lambda sent: Told(status, {"detail": f"Bad key {sent.headers['x-api-key']}"})
    launch_id = new_id()
    update = claim(launch_id, langgraph_url=scene.langgraph.url)
    assert scene.launcher.launches.apply(update) is None
    scene.launched()
    scene.pass_at(120)
    assert scene.output.logs
    assert ("Bad key …" in scene.output.text) == (status < 500)
    assert_no_secret(scene.aws, scene.output, API_KEY)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 409, 422, 429, 500])
def test_g5_what_langgraph_says_of_url_and_key_is_told_to_nobody(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, output: Output, status: int
) -> None:
    aws.put_secret("LangGraphApiKeySecret", API_KEY)
    tokens_sent: list[str] = []

    def echo(sent: Sent) -> None:
        url, key = sent.body["webhook"], sent.headers["x-api-key"]
        tokens_sent.append(url.partition("token=")[2])
        if status != 200:
            langgraph.runs = Told(status, {"detail": f"Bad webhook {url}, {url} or key {key}"})

    langgraph.before_run = echo
    reply = launch.call(BODY)
    assert reply.status == {200: 202}.get(status, reply.status)
    assert ("Bad webhook https://webhookapi" in reply.text) == (400 <= status < 500)
    assert_no_secret(aws, output, tokens_sent[0], reply.text)
