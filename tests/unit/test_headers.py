"""What a caller has already, and how long it will wait."""

import pytest

from runledger.domain.headers import MAX_WAIT_SECONDS, has_already, wait_seconds


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=10", 10),
        ("wait=0", 0),
        ("WAIT = 10", 10),
        ('wait="10"', 10),
        ("wait=10; x=y", 10),
        ("respond-async, wait=10", 10),
        ("wait=3, wait=9", 3),
        ("return=minimal,wait=7 ,x", 7),
        ("wait=25", 25),
        ("wait=26", MAX_WAIT_SECONDS),
        ("wait=999999999", MAX_WAIT_SECONDS),
        (f"wait={'9' * 9_000}", MAX_WAIT_SECONDS),
    ],
)
def test_a_wait_is_read_and_cut_to_what_can_be(prefer: str, seconds: int) -> None:
    assert wait_seconds({"prefer": prefer}) == seconds


@pytest.mark.parametrize(
    "prefer", ["", "wait", "wait=", "wait=soon", "wait=-1", "wait=1.5", "waiting=3", "x-wait=3", "wait=\u0663"]
)
def test_what_is_no_wait_is_ignored(prefer: str) -> None:
    assert wait_seconds({"prefer": prefer}) is None


def test_without_the_header_nobody_waits() -> None:
    assert wait_seconds({}) is None


@pytest.mark.parametrize("named", ['"a"', 'W/"a"', '"b", "a"', 'W/"b",W/"a"', "*", " * "])
@pytest.mark.parametrize("etag", ['"a"', 'W/"a"'])
def test_an_etag_is_known_weak_or_strong(named: str, etag: str) -> None:
    assert has_already({"if-none-match": named}, etag)


@pytest.mark.parametrize("headers", [{}, {"if-none-match": ""}, {"if-none-match": '"b"'}, {"if-none-match": "a"}])
def test_another_etag_is_not_known(headers: dict[str, str]) -> None:
    assert not has_already(headers, '"a"')
