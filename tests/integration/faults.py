"""AWS out of order: throttling, failing, not to be reached, or doing what was asked while its answer gets lost."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from moto.core.models import botocore_stubber

if TYPE_CHECKING:
    from collections.abc import Iterator

THROTTLED, BROKEN, UNREACHABLE, ANSWER_LOST = "throttled", "broken", "unreachable", "answer lost"
ALL = (THROTTLED, BROKEN, UNREACHABLE)


@dataclass
class Faults:
    """Makes boto3 clients fail. `pauses` are boto3's own between its tries, in seconds."""

    pauses: list[float]
    requests: list[Any] = field(default_factory=list)  # those that were made to fail

    @contextmanager
    def on(self, client: Any, kind: str, times: int = 1000, skip: int = 0) -> Iterator[None]:
        """Let the requests of `client` fail, all but the first `skip`, `times` times."""
        made = 0

        def answer(event_name: str, request: Any, **_: Any) -> Any:
            nonlocal made
            made += 1
            if not skip < made <= skip + times:
                return botocore_stubber(event_name, request)
            self.requests.append(request)
            return _fail(kind, event_name, request)

        # moto's own answer would come too, after having done what was asked
        client.meta.events.unregister("before-send", botocore_stubber)
        client.meta.events.register("before-send", answer)
        try:
            yield
        finally:
            client.meta.events.unregister("before-send", answer)
            client.meta.events.register("before-send", botocore_stubber)


def _fail(kind: str, event_name: str, request: Any) -> AWSResponse:
    if kind == UNREACHABLE:
        raise EndpointConnectionError(endpoint_url="https://aws.example")
    if kind == ANSWER_LOST:
        botocore_stubber(event_name, request)
        raise ReadTimeoutError(endpoint_url="https://aws.example")
    if ".s3." in event_name:
        status, code = (503, "SlowDown") if kind == THROTTLED else (500, "InternalError")
        return _response(request, status, f"<Error><Code>{code}</Code><Message>no</Message></Error>")
    status, code = (400, "ThrottlingException") if kind == THROTTLED else (500, "InternalServerError")
    return _response(request, status, f'{{"__type":"{code}","message":"no"}}')


def _response(request: Any, status: int, body: str) -> AWSResponse:
    response = AWSResponse(request.url, status, {}, None)  # type: ignore[arg-type]
    response._content = body.encode()  # type: ignore[attr-defined]  # noqa: SLF001 - what it reads of a connection
    return response
