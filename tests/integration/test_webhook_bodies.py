"""Bodies that LangGraph would not send, and those that are merely strange (G6)."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain.times import iso
from runledger.domain.unconfirmed import kept_about
from tests.integration.support import LATER, NOW, claim, delivery, new_id, record_launch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.support import Aws, Door, Output, Webhook

LAUNCH_ID = "5f0c7e9a-2f1f-4a53-9a57-0d3f8f1f6a10"


@pytest.fixture
def claimed(webhook: Webhook) -> None:
    """Put LAUNCH_ID down, its first check being far away."""
    webhook.parts.receiver.launches.apply(claim(LAUNCH_ID, LATER))


@pytest.mark.parametrize(
    ("body", "is_base64"),
    [
        (None, False),
        ("", False),
        ("{not json", False),
        ("[]", False),
        ('"text"', False),
        ("null", False),
        ("<html></html>", False),
        ("{} {}", False),
        ("[" * 100_000, False),
        ('{"values":' + "[" * 100_000, False),
        ('{"half":"\ud83d"}', False),
        ("not base64!", True),
        (base64.b64encode(b"{}").decode() + "!", True),
        (base64.b64encode(b'{"run_id":"\xff"}').decode(), True),
    ],
)
def test_g6_a_body_that_is_no_json_object_is_400(
    webhook: Door, aws: Aws, output: Output, body: str | None, *, is_base64: bool
) -> None:
    reply = webhook.call(body, f"token={aws.token(LAUNCH_ID)}", is_base64=is_base64)
    assert (reply.status, reply.problem) == (400, "invalid-request")
    assert [error["pointer"] for error in reply.body["errors"]] == [""]
    assert aws.is_empty()
    assert output.counts == {"refused": 1, "refused:invalid-request": 1}


def test_g5_a_body_that_names_another_launch_is_400(webhook: Door, aws: Aws, output: Output) -> None:
    for named in (new_id(), LAUNCH_ID.upper(), "L-ok"):
        token = aws.token(LAUNCH_ID)
        reply = webhook.call(delivery(new_id(), named, token), f"token={token}")
        assert (reply.status, reply.problem) == (400, "other-launch")
    assert aws.is_empty()
    assert output.counts == {"refused": 3, "refused:other-launch": 3}


def test_g6_a_launch_of_any_length_that_a_body_names_makes_a_short_log_line(
    webhook: Door, aws: Aws, output: Output
) -> None:
    reply = webhook.call(delivery(new_id(), "L" * 1_000_000), f"token={aws.token(LAUNCH_ID)}")
    assert (reply.status, reply.problem) == (400, "other-launch")
    assert max(len(json.dumps(line)) for line in output.logs) < 1_000


@pytest.mark.parametrize(
    "changes",
    [
        {"run_id": None},
        {"run_id": "no-uuid"},
        {"run_id": 7},
        {"status": None},
        {"status": ""},
        {"status": "x" * 257},
        {"status": {"word": "success"}},
        {"run_id": None, "status": None, "metadata": None, "kwargs": None},
    ],
)
@pytest.mark.usefixtures("claimed")
def test_g6_a_trimmed_body_is_202_and_its_launch_due_now(
    alone: Door, aws: Aws, output: Output, changes: dict[str, Any]
) -> None:
    before = aws.launch(LAUNCH_ID) or {}
    body = delivery(**{"run_id": new_id(), "launch_id": LAUNCH_ID, **changes})
    reply = alone.call(body, f"token={aws.token(LAUNCH_ID)}")
    assert (reply.status, reply.body["recorded"]) == (202, False)
    assert aws.launch(LAUNCH_ID) == before | {"due_at": int(NOW), "heard_at": iso(NOW)}
    assert not aws.items("RunsTable")
    assert output.counts == {"trimmed": 1}
    assert {line["launch_id"] for line in output.logs} == {LAUNCH_ID}


SENT_AS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "gzip by another name": ("x-gzip", gzip.compress),
    "gzip without its header": ("", gzip.compress),
    "deflate": ("Deflate", zlib.compress),
    "deflate without zlib's frame": ("deflate", lambda body: zlib.compress(body, wbits=-15)),
    "not encoded after all": ("gzip", bytes),
    "identity": ("identity", bytes),
    "byte order mark": ("", lambda body: b"\xef\xbb\xbf" + body),
    "byte order mark in gzip": ("gzip", lambda body: gzip.compress(b"\xef\xbb\xbf" + body)),
    "UTF-16": ("", lambda body: body.decode().encode("utf-16")),
    "UTF-16 without a mark": ("", lambda body: body.decode().encode("utf-16-le")),
    "UTF-32": ("", lambda body: body.decode().encode("utf-32")),
}


@pytest.mark.parametrize("sent_as", SENT_AS)
def test_g3_g6_a_delivery_is_read_however_it_was_encoded_on_its_way(webhook: Door, aws: Aws, sent_as: str) -> None:
    coding, encode = SENT_AS[sent_as]
    run_id, token = new_id(), aws.token(LAUNCH_ID)
    body = delivery(run_id, LAUNCH_ID, token, values='{"grin":"😀"}')
    record_launch(aws, run_id, LAUNCH_ID)
    sent = base64.b64encode(encode(body.encode())).decode()
    headers = {"content-encoding": coding} if coding else None
    reply = webhook.call(sent, f"token={token}", headers, is_base64=True)
    assert reply.status == 200
    assert (aws.run(run_id) or {})["payload"] == body.replace(token, "")


def _bomb() -> bytes:
    """32 MB of blanks after a delivery, in 32 KB."""
    return gzip.compress(delivery(new_id(), LAUNCH_ID).encode() + b" " * 2**25)


UNREADABLE = {
    "brotli": ("br", b"\x0b\x02\x80{}\x03"),
    "zstandard": ("zstd", b"\x28\xb5\x2f\xfd\x20\x02\x11\x00\x00{}"),
    "twice": ("gzip, gzip", gzip.compress(gzip.compress(b"{}"))[2:]),
    "cut off": ("gzip", gzip.compress(delivery(new_id(), LAUNCH_ID).encode())[:-9]),
    "damaged": ("gzip", gzip.compress(b"{}")[:-8] + b"\0" * 8),
    "no deflate": ("deflate", b"\xff\xff\xff"),
    "something after it": ("gzip", gzip.compress(b"{}") + b"!"),
    "a bomb": ("gzip", _bomb()),
    "NaN": ("", delivery(new_id(), LAUNCH_ID, values='{"loss":NaN}').encode()),
}


@pytest.mark.parametrize("sent_as", UNREADABLE)
@pytest.mark.usefixtures("claimed")
def test_g6_what_may_be_a_delivery_and_cannot_be_read_is_202_and_its_launch_due_now(
    alone: Door, aws: Aws, output: Output, sent_as: str
) -> None:
    coding, body = UNREADABLE[sent_as]
    headers = {"content-encoding": coding} if coding else None
    reply = alone.call(base64.b64encode(body).decode(), f"token={aws.token(LAUNCH_ID)}", headers, is_base64=True)
    assert (reply.status, reply.body["recorded"]) == (202, False)
    assert (aws.launch(LAUNCH_ID) or {})["due_at"] == int(NOW)
    assert not aws.items("RunsTable")
    assert output.counts == {"trimmed": 1}


def test_g6_a_body_that_names_another_launch_is_400_in_gzip_too(webhook: Door, aws: Aws) -> None:
    body = base64.b64encode(gzip.compress(delivery(new_id(), new_id()).encode())).decode()
    reply = webhook.call(body, f"token={aws.token(LAUNCH_ID)}", {"content-encoding": "gzip"}, is_base64=True)
    assert (reply.status, reply.problem) == (400, "other-launch")


@pytest.mark.parametrize(("coding", "body"), [("gzip", gzip.compress(b"[]")), ("", b"\xef\xbb\xbf<html>")])
def test_g6_what_is_read_and_is_no_json_object_is_400(webhook: Door, aws: Aws, coding: str, body: bytes) -> None:
    headers = {"content-encoding": coding} if coding else None
    reply = webhook.call(base64.b64encode(body).decode(), f"token={aws.token(LAUNCH_ID)}", headers, is_base64=True)
    assert (reply.status, reply.problem) == (400, "invalid-request")


@pytest.mark.usefixtures("claimed")
def test_g6_a_body_too_deep_for_python_is_202_and_its_launch_due_now(webhook: Door, aws: Aws) -> None:
    body = delivery(new_id(), LAUNCH_ID, values="[" * 100_000 + "]" * 100_000)
    assert webhook.call(body, f"token={aws.token(LAUNCH_ID)}").status == 202
    assert (aws.launch(LAUNCH_ID) or {})["due_at"] == int(NOW)


def test_a_trimmed_body_of_a_launch_that_is_gone_is_202_and_makes_none(webhook: Door, aws: Aws) -> None:
    reply = webhook.call("{}", f"token={aws.token(LAUNCH_ID)}")
    assert (reply.status, reply.body["recorded"]) == (202, False)
    assert "the token's launch is not in the ledger" in reply.body["detail"]
    assert aws.is_empty()


def test_a_body_without_metadata_is_recorded_on_a_run_of_the_tokens_launch(webhook: Door, aws: Aws) -> None:
    run_id = new_id()
    body = delivery(run_id, None, metadata=None, kwargs=None, thread_id=None)
    assert webhook.call(body, f"token={aws.token(LAUNCH_ID)}").status == 200
    item = aws.run(run_id) or {}
    assert (item["launch_id"], item["thread_id"], item["source"]) == (LAUNCH_ID, "thread", "webhook")


@pytest.mark.usefixtures("claimed")
def test_g11_a_body_without_metadata_is_kept_for_the_tokens_launch_until_its_run_is_recorded(
    alone: Door, aws: Aws
) -> None:
    run_id = new_id()
    body = delivery(run_id, None, metadata=None, kwargs=None, thread_id=None)
    assert alone.call(body, f"token={aws.token(LAUNCH_ID)}").status == 202
    assert aws.run(run_id) is None
    kept = kept_about(aws.launch(LAUNCH_ID) or {}, run_id)
    assert kept
    assert (kept.delivery.launch_id, kept.delivery.thread_id, kept.placed.payload.text) == (None, None, body)


def test_g6_an_unknown_status_is_kept_as_settling_and_counted(webhook: Door, aws: Aws, output: Output) -> None:
    run_id = new_id()
    reply = webhook.call(delivery(run_id, LAUNCH_ID, status="paused"), f"token={aws.token(LAUNCH_ID)}")
    assert (reply.status, reply.body["outcome"]) == (200, "settling")
    item = aws.run(run_id) or {}
    assert (item["status"], item["outcome"], item["due_at"]) == ("paused", "settling", NOW + 120)
    assert output.counts == {"delivered": 1, "unknown_status": 1}
    assert [line["status"] for line in output.logs if line["level"] == "WARNING"] == ["paused"]


def test_a_base64_body_is_stored_as_its_text(webhook: Door, aws: Aws) -> None:
    run_id, token = new_id(), aws.token(LAUNCH_ID)
    body = delivery(run_id, LAUNCH_ID, token, values='{"grin":"😀"}')
    reply = webhook.call(base64.b64encode(body.encode()).decode(), f"token={token}", is_base64=True)
    assert reply.status == 200
    assert (aws.run(run_id) or {})["payload"] == body.replace(token, "")


@pytest.mark.parametrize("is_recorded", [True, False])
@pytest.mark.usefixtures("claimed")
def test_g10_a_body_is_parsed_once(
    alone: Webhook, aws: Aws, monkeypatch: pytest.MonkeyPatch, *, is_recorded: bool
) -> None:
    parsed: list[str] = []
    decode = json.JSONDecoder.decode

    def counted(decoder: json.JSONDecoder, text: str, *given: Any) -> Any:
        parsed.append(text)
        return decode(decoder, text, *given)

    monkeypatch.setattr(json.JSONDecoder, "decode", counted)
    run_id, token = new_id(), aws.token(LAUNCH_ID)
    for more in ("x" * 100_000, "x" * 100_000, "y" * 100_000):  # into the bucket, again, and another of the same run
        body = delivery(run_id, LAUNCH_ID, token, values=json.dumps({"more": more}))
        if is_recorded:
            alone.record(body, f"token={token}")
        parsed.clear()
        assert alone.call(body, f"token={token}").status == (200 if is_recorded else 202)
        assert sum(more in text for text in parsed) == 1
