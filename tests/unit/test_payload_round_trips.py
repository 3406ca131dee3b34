"""The payload is the received text, for whatever JSON a sender may write; the token alone is cut out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runledger.domain.deliveries import Delivery, Trimmed, parse_delivery
from tests.unit.json_text import STRINGS, VALUES, members

if TYPE_CHECKING:
    from runledger.domain.outcomes import Outcome

TOKEN = "k0.6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10.1795930000.-_Abcdefghijklmnopqrstuvwxyz0123456789ABCDEF"
WEBHOOK = f"https://example.org/webhook?token={TOKEN}&x=1"
RUN = "01a201d6-a0dc-7321-8df4-30b90bcfb9f8"
REAL = sorted((Path(__file__).parents[1] / "payloads").glob("*.json"))

# status, outcome, launch, type of the error
EXPECTED: dict[str, tuple[str, Outcome, str | None, str | None]] = {
    "error": ("error", "failed", "L-fail", "ValueError"),
    "interrupted-cancelled": ("interrupted", "cancelled", "L-cancel", "UserInterrupt"),
    "rollback": ("rollback", "rolled_back", None, "UserRollback"),
    "success": ("success", "settling", "L-ok", None),
    "success-after-resume": ("success", "settling", "L2", None),
    "success-but-awaiting-input": ("success", "settling", "L-interrupt", None),
    "success-cron": ("success", "succeeded", None, None),
    "success-stateless": ("success", "succeeded", None, None),
    "success-streamed": ("success", "settling", None, None),
}


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """A delivery with anything around, between and inside what Runledger reads, spelt in any way."""
    kwargs = draw(
        members([('"webhook"', json.dumps(WEBHOOK)), *draw(st.lists(st.tuples(STRINGS, VALUES), max_size=2))])
    )
    read = [
        ('"run_id"', f'"{RUN}"'),
        ('"status"', '"error"'),
        ('"kwargs"', kwargs),
        ('"values"', draw(VALUES)),
        ('"error"', f'{{"error": "KeyError", "message": "at {WEBHOOK}, {TOKEN}"}}'),
    ]
    before = draw(st.lists(st.tuples(STRINGS | st.sampled_from([name for name, _ in read]), VALUES), max_size=4))
    space = draw(st.sampled_from(["", " \r\n\t"]))
    return space + draw(members(before + draw(st.permutations(read)))) + space


@given(bodies())
@example(f'{{"run_id":"{RUN}","status":"error","values":[{"[" * 60}1e400{"]" * 60},"\\ud800\\u0000"],"w":"{TOKEN}"}}')
def test_g3_payload_is_what_was_sent_without_the_token(received: str) -> None:
    delivery = parse_delivery(received.encode(), TOKEN)
    assert isinstance(delivery, Delivery)
    assert (delivery.run_id, delivery.outcome) == (RUN, "failed")
    stored = received.replace(TOKEN, "").encode()
    assert delivery.payload.text.encode() == stored
    assert delivery.payload.size == len(stored)
    assert delivery.payload.sha256 == hashlib.sha256(stored).hexdigest()


@given(bodies())
def test_g5_the_token_is_in_no_field(received: str) -> None:
    delivery = parse_delivery(received.encode(), TOKEN)
    assert isinstance(delivery, Delivery)
    assert TOKEN not in str(astuple(delivery))
    assert TOKEN not in delivery.payload.text
    assert delivery.error is not None
    assert delivery.error["message"] == "at https://example.org/webhook?token=&x=1, "


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_g3_what_a_real_server_sent_is_kept_and_understood(path: Path) -> None:
    received = path.read_bytes().replace(b"SECRET", TOKEN.encode())
    delivery = parse_delivery(received, TOKEN)
    assert isinstance(delivery, Delivery)
    assert delivery.payload.text.encode() == received.replace(TOKEN.encode(), b"")
    assert len(received) - delivery.payload.size == len(TOKEN)
    sent = json.loads(received)
    error_type = delivery.error["type"] if delivery.error else None
    assert (delivery.status, delivery.outcome, delivery.launch_id, error_type) == EXPECTED[path.stem]
    assert (delivery.run_id, delivery.thread_id, delivery.assistant_id) == (
        sent["run_id"],
        sent["thread_id"],
        sent["assistant_id"],
    )
    assert (delivery.created_at, delivery.started_at, delivery.ended_at) == tuple(
        sent[name].replace("+00:00", "Z") for name in ("created_at", "run_started_at", "run_ended_at")
    )


def test_every_real_payload_is_among_the_tests() -> None:
    assert {path.stem for path in REAL} == set(EXPECTED)


@pytest.mark.parametrize("levels", [60, 2000])
def test_g3_thousands_of_levels_are_kept_while_python_reads_them(levels: int) -> None:
    delivery = parse_delivery(body_of(levels), TOKEN)
    assert isinstance(delivery, Delivery)
    assert delivery.payload.text.encode() == body_of(levels)


@pytest.mark.parametrize("levels", [50_000, 500_000])
def test_g6_levels_that_python_cant_read_are_no_reason_to_refuse(levels: int) -> None:
    assert parse_delivery(body_of(levels), TOKEN) == Trimmed(None, None)


def body_of(levels: int) -> bytes:
    return f'{{"run_id": "{RUN}", "status": "success", "values": {"[" * levels}{"]" * levels}}}'.encode()


def test_g5_the_token_is_cut_out_wherever_it_stands() -> None:
    delivery = parse_delivery(f'{{"{TOKEN}": "{TOKEN}{TOKEN}", "run_id": "{RUN}", "status": "error"}}'.encode(), TOKEN)
    assert isinstance(delivery, Delivery)
    assert delivery.payload.text == f'{{"": "", "run_id": "{RUN}", "status": "error"}}'


def test_g5_the_token_is_cut_out_in_each_of_its_spellings() -> None:
    encoded = TOKEN.replace(".", "%2E")
    delivery = parse_delivery(
        f'{{"a": "{encoded} {TOKEN}", "run_id": "{RUN}", "status": "x"}}'.encode(), TOKEN, encoded
    )
    assert isinstance(delivery, Delivery)
    assert delivery.payload.text == f'{{"a": " ", "run_id": "{RUN}", "status": "x"}}'


def test_g5_a_deliverys_repr_shows_no_payload() -> None:
    delivery = parse_delivery(REAL[0].read_bytes(), TOKEN)
    assert "messages" not in repr(delivery)
    assert isinstance(delivery, Delivery)
    assert "messages" not in repr(delivery.payload)
