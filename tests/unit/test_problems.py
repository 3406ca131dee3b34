"""Errors as RFC 9457 describes them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from runledger.domain.problems import MAX_ERRORS, FieldError, Problem, internal, invalid_request, shortened, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_the_body_has_the_members_of_rfc_9457_and_nothing_else() -> None:
    problem = Problem(409, "thread-busy", "The thread is busy", "Wait.", headers={"Retry-After": "5"})
    assert problem.body() == {
        "type": "urn:runledger:thread-busy",
        "title": "The thread is busy",
        "status": 409,
        "detail": "Wait.",
    }


def test_extra_members_stand_beside_the_standard_ones() -> None:
    problem = Problem(504, "langgraph-timeout", "Too slow", "…", extra={"launch_id": "L"})
    assert problem.body()["launch_id"] == "L"


def test_an_invalid_request_names_every_field_by_its_pointer() -> None:
    problem = invalid_request(FieldError("/thread_id", "must be a UUID"), FieldError("", "not an object"))
    assert problem.status == 400
    assert problem.detail == "/thread_id: must be a UUID; body: not an object"
    assert json.loads(json.dumps(problem.body()))["errors"] == [
        {"pointer": "/thread_id", "detail": "must be a UUID"},
        {"pointer": "", "detail": "not an object"},
    ]


def test_g6_no_more_bad_fields_are_told_than_a_person_reads() -> None:
    problem = invalid_request(*(FieldError(f"/{number}", "bad") for number in range(1_000)))
    assert [error.pointer for error in problem.errors] == [f"/{number}" for number in range(MAX_ERRORS)]
    assert len(problem.detail) < 1_000


def test_what_is_too_long_keeps_its_beginning_and_its_end() -> None:
    assert shortened("abcdefghij", 10) == "abcdefghij"
    assert shortened("abcdefghijk", 10) == "abcd…ghijk"


@pytest.mark.parametrize(("given", "expected"), [({}, "5"), ({"retry_after": 30}, "30")])
def test_g6_what_is_unavailable_is_a_503_that_says_when_to_repeat(given: dict[str, int], expected: str) -> None:
    problem = unavailable("The ledger can't be written (X).", **given)
    assert problem.status == 503
    assert problem.headers == {"Retry-After": expected}
    assert problem.detail == "The ledger can't be written (X). Send the same request again."


def test_g6_a_fault_that_nobody_foresaw_is_a_500() -> None:
    assert internal().status == 500
    assert internal().body()["type"] == "urn:runledger:internal"


def test_only_what_says_so_is_a_refusal() -> None:
    assert not any(problem.refusal for problem in (internal(), unavailable(""), invalid_request()))


def test_a_problem_passes_through_a_context_manager() -> None:
    """A frozen dataclass could not: contextlib sets the traceback of the exception."""

    @contextmanager
    def manager() -> Iterator[None]:
        yield

    with pytest.raises(Problem), manager():
        raise internal()
