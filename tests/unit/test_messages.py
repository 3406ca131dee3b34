"""What a message of the launch queue asks for, how long it waits, and what is left of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runledger.domain.launches import parse_launch
from runledger.domain.messages import dead_letter_of, parse_message, wait_seconds
from runledger.domain.problems import Problem
from runledger.domain.requests import MAX_BODY_BYTES
from runledger.domain.retry import LEASE_SECONDS

MESSAGE = "059f36b4-87a3-44ab-83d2-661975830a7d"
BODY: dict[str, Any] = {"assistant_id": "agent", "input": {"n": 0.1}}


def text(**members: object) -> str:
    return json.dumps({**BODY, **members})


@pytest.mark.parametrize("key", ["k", "x" * 255, "s3/bucket/a key", MESSAGE])
def test_g2_a_message_names_its_key_and_asks_for_the_rest(key: str) -> None:
    named, asked = parse_message(text(idempotency_key=key), MESSAGE)
    assert named == key
    assert asked.digest == parse_launch(text().encode()).digest  # over HTTP it is the same launch
    assert parse_launch(asked.text.encode()) == asked  # as whoever starts it over reads it


def test_g2_a_message_without_a_key_is_known_by_its_id() -> None:
    assert parse_message(text(), MESSAGE)[0] == MESSAGE


@pytest.mark.parametrize("key", ["", "x" * 256, "ä", "a\n", 1, None, ["k"], {}])
def test_a_bad_key_is_named(key: object) -> None:
    with pytest.raises(Problem, match="/idempotency_key") as caught:
        parse_message(text(idempotency_key=key), MESSAGE)
    assert (caught.value.status, caught.value.slug) == (400, "invalid-request")


@pytest.mark.parametrize("body", ["", "x", "[]", "null", '{"a": \ud800}', "x" * (MAX_BODY_BYTES + 1)])
def test_what_is_no_launch_is_refused_as_over_http(body: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_message(body, MESSAGE)
    assert caught.value.status in (400, 413)


def test_a_message_waits_twice_as_long_each_time_and_never_less_than_a_lease() -> None:
    for message_id in (MESSAGE, "a", "b", "c"):
        waits = [wait_seconds(message_id, receives) for receives in (1, 2, 3, 4, 5, 6, 1000)]
        bounds = [LEASE_SECONDS, 120, 240, 480, 900, 900, 900]
        assert all(least < wait <= least * 1.25 + 1 for wait, least in zip(waits, bounds, strict=True)), waits


def test_messages_that_failed_at_once_do_not_come_back_at_once() -> None:
    assert len({wait_seconds(str(number), 5) for number in range(100)}) > 50


def test_g5_a_letter_names_its_key_and_has_no_token() -> None:
    letter, token = dead_letter_of('{"input": 1.00, "n": 1e999, "callback": {"task_token": "secret"}}', MESSAGE)
    assert token == "secret"
    assert letter == f'{{"idempotency_key":"{MESSAGE}","input":1.00,"n":1e999}}'


def test_g2_a_letter_keeps_the_key_that_the_message_named() -> None:
    letter, token = dead_letter_of(text(idempotency_key="mine"), MESSAGE)
    assert (json.loads(letter), token) == ({**BODY, "idempotency_key": "mine"}, None)


@pytest.mark.parametrize("callback", [None, 1, "secret", [], {}, {"task_token": 12}, {"task_token": None}])
def test_a_callback_that_is_none_names_no_task(callback: object) -> None:
    letter, token = dead_letter_of(text(callback=callback), MESSAGE)
    assert ("callback" in letter, token) == (False, None)


@pytest.mark.parametrize("body", ["", "x", "[1]", '"a"', "[" * 100_000])
def test_what_is_no_object_is_kept_as_it_is(body: str) -> None:
    assert dead_letter_of(body, MESSAGE) == (body, None)
