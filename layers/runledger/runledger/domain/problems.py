"""Every answer that is not a success, as RFC 9457 describes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_ERRORS = 20
MAX_POINTER = 200  # characters
_MAX_FIELD_DETAIL, _MAX_DETAIL = 500, 2_000  # likewise

# Whose fault a problem is: the request's, which gets it again whenever it is sent; ours, by our configuration; or the
# moment's.
type About = Literal["request", "us", "moment"]


@dataclass(frozen=True, slots=True)
class FieldError:
    """One bad field and what to do about it: an RFC 6901 pointer into the request body, or a query parameter's name."""

    pointer: str
    detail: str
    is_parameter: bool = False


@dataclass(eq=False)  # not frozen: contextlib sets the traceback of an exception that passes through it
class Problem(Exception):  # noqa: N818 - RFC 9457 calls it so
    """Ends a request with an HTTP error.

    `slug` becomes the problem type `urn:runledger:<slug>` and the `reason` of the metric `refused`. `extra` holds
    further members of the body, such as the `launch_id` of a launch whose fate is unknown. A 5xx counts as
    `failed`, which raises an alarm, unless `refusal` says that nothing is wrong here; all else counts as `refused`.
    `about` says whether whoever works on a launch may try it again: not where it is about the request.
    """

    status: int
    slug: str
    title: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    refusal: bool = False
    about: About = "moment"

    def __post_init__(self) -> None:
        """Keep short what goes into an answer, a log line and a dead letter: LangGraph's words have no limit."""
        self.detail = shortened(self.detail, _MAX_DETAIL)

    def body(self) -> dict[str, object]:
        """Return the members of the `application/problem+json` body."""
        members: dict[str, object] = {
            "type": f"urn:runledger:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.extra,
        }
        if self.errors:
            members["errors"] = [
                {"parameter" if e.is_parameter else "pointer": e.pointer, "detail": e.detail} for e in self.errors
            ]
        return members


def invalid_request(*errors: FieldError) -> Problem:
    """400 for a request whose fields are wrong: MAX_ERRORS of them named, each by a pointer of bounded length."""
    told = tuple(
        replace(e, pointer=shortened(e.pointer, MAX_POINTER), detail=shortened(e.detail, _MAX_FIELD_DETAIL))
        for e in errors[:MAX_ERRORS]
    )
    detail = "; ".join(f"{e.pointer or 'body'}: {e.detail}" for e in told)
    return Problem(400, "invalid-request", "The request is not valid", detail, told, about="request")


def shortened(text: str, most: int) -> str:
    """Return `text` with "…" for its middle where it has more than `most` characters."""
    half = most // 2
    return text if len(text) <= most else f"{text[: half - 1]}…{text[-half:]}"


def unknown(what: str) -> Problem:
    """404 for what the ledger has not."""
    return Problem(404, "unknown", "Not in the ledger", f"The ledger has no {what}.")


def unavailable(what: str, retry_after: int = 5) -> Problem:
    """503 for a fault of ours or of AWS: the same request, sent again, is meant to work."""
    return Problem(
        503,
        "unavailable",
        "Temporarily unavailable",
        f"{what} Send the same request again.",
        headers={"Retry-After": str(retry_after)},
    )


def internal() -> Problem:
    """500 for a fault that nobody foresaw; the log has its traceback."""
    return Problem(500, "internal", "Internal error", "The fault is logged. Send the same request again.")
