"""What is read out of a delivery, and what is done with everything strange."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runledger.domain.deliveries import (
    Delivery,
    NotADeliveryError,
    Trimmed,
    is_deliverable,
    parse_delivery,
    payload_of,
)
from runledger.domain.json_text import MAX_METADATA_BYTES

TOKEN = "t" * 40
RUN = "01a201d6-a0dc-7321-8df4-30b90bcfb9f8"
NOT_A_RUN_ID = ["", "x", RUN[:-1], f"{RUN}\n", f" {RUN}", RUN.replace("-", ""), RUN.replace("0", "٣"), f"{{{RUN}}}"]


def delivery_of(**members: Any) -> Delivery:
    body = {"run_id": RUN, "status": "success", **members}
    delivery = parse_delivery(json.dumps(body).encode(), TOKEN)
    assert isinstance(delivery, Delivery)
    return delivery


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("success", "settling"),
        ("error", "failed"),
        ("timeout", "timed_out"),
        ("interrupted", "cancelled"),
        ("rollback", "rolled_back"),
        ("paused", "settling"),
        ("S" * 256, "settling"),
    ],
)
def test_g6_each_status_gives_its_outcome_and_stays_beside_it(status: str, outcome: str) -> None:
    delivery = delivery_of(status=status)
    assert (delivery.status, delivery.outcome) == (status, outcome)


@pytest.mark.parametrize(
    ("kwargs", "outcome"),
    [
        ({"temporary": True}, "succeeded"),
        ({"temporary": False}, "settling"),
        ({"temporary": 1}, "settling"),
        ({"temporary": "true"}, "settling"),
        ({}, "settling"),
        (None, "settling"),
        ([{"temporary": True}], "settling"),
    ],
)
def test_only_a_temporary_success_has_succeeded_at_once(kwargs: object, outcome: str) -> None:
    assert delivery_of(kwargs=kwargs).outcome == outcome


def test_a_delivery_of_nothing_else_is_recorded_too() -> None:
    delivery = delivery_of()
    assert delivery == Delivery(
        RUN, "success", "settling", None, None, None, None, None, None, None, None, payload=delivery.payload
    )


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ('{"n":1.0,"big":9223372036854775808,"e":1e400,"deep":[{"a":-0.0}]}', None),
        ('{"tenant":"\\u00e9","none":null,"yes":true,"empty":{},"list":[]}', None),
        ("{}", ""),
        ("[1]", ""),
        ('"text"', ""),
        ('{"pad":"' + "x" * (MAX_METADATA_BYTES - 11) + '"}', None),
        ('{"pad":"' + "x" * MAX_METADATA_BYTES + '"}', ""),
        ('{"deep":' + "[" * 5_000 + "]" * 5_000 + "}", ""),
    ],
    ids=["digits", "words", "empty", "list", "text", "just short enough", "too long", "deep"],
)
def test_g3_metadata_is_kept_for_events_digit_by_digit_where_it_is_short(metadata: str, kept: str | None) -> None:
    body = f'{{"run_id":"{RUN}","status":"success","metadata":{metadata}}}'
    delivery = parse_delivery(body.encode(), TOKEN)
    found = getattr(delivery, "metadata", None)
    assert (found or "").replace(": ", ":").replace(", ", ",") == (metadata if kept is None else kept)


def test_metadata_that_no_bus_would_take_is_cleaned() -> None:
    delivery = delivery_of(metadata={"half \udc00": ["\ud800"]})
    assert json.loads(delivery.metadata or "") == {"half ?": ["?"]}


def test_a_run_id_is_kept_in_lower_case() -> None:
    assert delivery_of(run_id=RUN.upper()).run_id == RUN


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"run_id": RUN},
        {"status": "success"},
        *({"run_id": odd, "status": "success"} for odd in [*NOT_A_RUN_ID, None, 1, [RUN], {"id": RUN}, True]),
        *({"run_id": RUN, "status": odd} for odd in ["", "s" * 257, "\ud800", None, ["success"], True]),
    ],
)
def test_g6_without_a_usable_run_id_and_status_a_delivery_is_trimmed(members: dict[str, object]) -> None:
    run_id = RUN if members.get("run_id") == RUN else None
    assert parse_delivery(json.dumps(members).encode(), TOKEN) == Trimmed(None, run_id)
    named = {**members, "metadata": {"launch_id": "L"}}
    assert parse_delivery(json.dumps(named).encode(), TOKEN) == Trimmed("L", run_id)


def test_g5_a_token_is_cut_out_that_comes_together_when_another_one_is_cut_out() -> None:
    token, spelt = "ab" * 20, "%61b" * 20
    pieces = f"{token[:9]}{spelt[:7]}{token}{spelt[7:]}{token[9:]}"
    body = json.dumps({"run_id": RUN, "status": "success", "values": f"<{pieces}>"})
    delivery = parse_delivery(body.encode(), token, spelt)
    assert isinstance(delivery, Delivery)
    assert delivery.payload.text == body.replace(pieces, "")


def test_g6_pieces_in_pieces_without_end_are_for_langgraph_to_be_asked_about() -> None:
    """Else cutting out 6 MB of them, one after the other, would take minutes."""
    token = "ab" * 20
    body = json.dumps({"run_id": RUN, "status": "success", "values": token[:11] * 99 + token[11:] * 99})
    assert parse_delivery(body.encode(), token) == Trimmed(None, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"true",
        b"1",
        b"[]",
        b'[{"run_id": "x"}]',
        b'"text"',
        b'{"a": 1',
        b'{"a": 1}}',
        b"{'a': 1}",
        b'{"a": "\n"}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b"token=x",
        b'{"a": NaN',
        b"[NaN]",
        b"\xef\xbb\xbf[]",
        b"\xff\xfe{\x00",
        TOKEN.encode(),
    ],
)
def test_g6_what_is_no_json_object_is_no_delivery(body: bytes) -> None:
    with pytest.raises(NotADeliveryError) as caught:
        parse_delivery(body, TOKEN)
    assert str(caught.value) == ""
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("place", ["values", "created_at", "status"])
def test_g3_g6_a_number_that_json_does_not_have_is_for_langgraph_to_be_asked_about(number: str, place: str) -> None:
    """Python writes such, so nothing is proven bad; and a payload with one is not JSON for whoever reads it (G3)."""
    body = f'{{"run_id": "{RUN}", "status": "error", "{place}": [{number}], "metadata": {{"launch_id": "L"}}}}'
    assert parse_delivery(body.encode(), TOKEN) == Trimmed("L", RUN)


@pytest.mark.parametrize(
    "thread_id", ["x", "", "..", "a/../b?c=d#e", "78C621D4-39D0-5FBB-A58A-152AB2EEE8BE ", None, True, 7, ["x"]]
)
def test_what_is_no_threads_id_is_dropped_since_it_would_stand_in_a_path(thread_id: object) -> None:
    assert delivery_of(thread_id=thread_id).thread_id is None


def test_a_threads_id_is_kept_as_langgraph_spells_it() -> None:
    spelt = "78C621D4-39d0-5fbb-a58a-152ab2eee8be"
    assert delivery_of(thread_id=spelt).thread_id == spelt.lower()


@pytest.mark.parametrize("field", ["assistant_id"])
@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("78c621d4-39d0-5fbb-a58a-152ab2eee8be", True),
        ("x", True),
        ("😀" * 256, True),
        ("x" * 257, False),
        ("", False),
        ("a\ud800", False),
        (None, False),
        (True, False),
        (["x"], False),
    ],
)
def test_an_id_that_no_index_can_hold_is_dropped_and_the_delivery_kept(
    field: str, value: object, *, kept: bool
) -> None:
    assert getattr(delivery_of(**{field: value}), field) == (value if kept else None)


@pytest.mark.parametrize(
    ("metadata", "launch_id"),
    [
        ({"launch_id": "L-1"}, "L-1"),
        ({"launch_id": ""}, ""),
        ({"launch_id": 17}, "17"),
        ({"launch_id": 1.50}, "1.5"),
        ({"launch_id": False}, "false"),
        ({"launch_id": ["L-1"]}, '["L-1"]'),
        ({"launch_id": {"L-1": None}}, '{"L-1": null}'),
        ({"launch_id": ["x"] * 1000}, "…"),
        ({"launch_id": None}, None),
        ({}, None),
        (None, None),
        ("launch_id", None),
        ([{"launch_id": "L-1"}], None),
    ],
)
def test_any_launch_id_that_a_body_names_is_seen_so_that_none_passes_as_absent(
    metadata: object, launch_id: str | None
) -> None:
    assert delivery_of(metadata=metadata).launch_id == launch_id


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (
            {"error": "ValueError", "message": "boom", "more": "…"},
            {"type": "ValueError", "message": "boom"},
        ),
        ({"error": "ValueError"}, {"type": "ValueError"}),
        ({"error": "", "message": "boom"}, {"message": "boom"}),
        ({"error": None, "message": ["boom"]}, None),
        ({"message": "m" * 2000}, {"message": "m" * 2000}),
        ({"error": "E" * 2001, "message": "😀" * 5000}, {"type": "E" * 2000, "message": "😀" * 2000}),
        ({"message": "half \ud800 of \udc00 a pair"}, {"message": "half ? of ? a pair"}),
        ({"message": "\ud800" * 2001}, {"message": "?" * 2000}),
        ({"message": "nul \0, 😀"}, {"message": "nul \0, 😀"}),
        ({}, None),
        (None, None),
        ("boom", {"message": "boom"}),
        ("", None),
        ([], None),
    ],
)
def test_an_error_is_kept_short_and_storable(sent: object, kept: dict[str, str] | None) -> None:
    delivery = delivery_of(error=sent)
    assert delivery.error == kept
    if isinstance(sent, dict):
        assert json.loads(delivery.payload.text)["error"] == sent, "the payload has all of it"


@pytest.mark.parametrize(
    ("member", "field"), [("created_at", "created_at"), ("run_started_at", "started_at"), ("run_ended_at", "ended_at")]
)
@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-11-22T05:59:32.829296+00:00", "2026-11-22T05:59:32.829296Z"),
        ("2026-11-22T07:29:32+01:30", "2026-11-22T05:59:32.000000Z"),
        ("yesterday", None),
        (1_795_327_172, None),
        (None, None),
    ],
)
def test_a_time_is_kept_in_the_ledgers_format_or_not_at_all(
    member: str, field: str, sent: object, kept: str | None
) -> None:
    assert getattr(delivery_of(**{member: sent}), field) == kept


def test_g6_a_number_for_a_word_is_kept_as_its_digits() -> None:
    delivery = delivery_of(status=1, assistant_id=7)
    assert (delivery.status, delivery.outcome, delivery.assistant_id) == ("1", "settling", "7")


@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [
        ("error", "rollback", "rolled_back"),
        ("error", "boom", "failed"),
        ("error", {"error": "Error", "message": "rollback"}, "failed"),
        ("success", "rollback", "settling"),
        ("rollback", None, "rolled_back"),
    ],
)
def test_a_rollback_is_one_in_the_javascript_servers_words_too(status: str, error: object, outcome: str) -> None:
    delivery = delivery_of(status=status, error=error)
    assert (delivery.status, delivery.outcome) == (status, outcome)


@pytest.mark.parametrize("number", ["9" * 5000, "-0", "1e400", "0." + "3" * 5000])
@pytest.mark.parametrize("place", ['"run_id"', '"status"', '"metadata"', '"thread_id"', '"created_at"', '"error"'])
def test_g6_a_number_of_any_length_in_any_place_does_no_harm(number: str, place: str) -> None:
    body = f'{{"run_id": "{RUN}", "status": "error", {place}: {number}, "metadata": {{"launch_id": {number}}}}}'
    delivery = parse_delivery(body.encode(), TOKEN)
    assert delivery.launch_id == number


@pytest.mark.parametrize(
    ("text", "is_taken"),
    [
        ('{"a":"' + "x" * 6_200_000 + '"}', True),
        ('{"a":"' + "x" * 6_300_000 + '"}', False),
        ('{"a":[' + '"",' * 1_200_000 + '""]}', True),
        ('{"a":[' + '"",' * 1_300_000 + '""]}', False),
        ('{"a":"' + "\\n" * 2_000_000 + '"}', True),
        ('{"a":"' + "\\n" * 2_200_000 + '"}', False),
        ('{"a":"' + "\U0001f389" * 1_600_000 + '"}', False),
    ],
    ids=["plain", "plain, larger", "quotes", "more quotes", "escapes", "more escapes", "bytes"],
)
def test_g1_what_lambda_takes_goes_by_the_bodys_bytes_and_what_is_escaped_in_it(text: str, *, is_taken: bool) -> None:
    """As the gateway hands it over: a JSON string of an event of 6,291,556 bytes."""
    assert is_deliverable(payload_of(text)) is is_taken
    as_event = len(json.dumps(text, ensure_ascii=False).encode())
    assert (as_event <= 6_291_556) is is_taken
