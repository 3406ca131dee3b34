"""AWS as a program: moto's server, mended where it differs from AWS in what matters here.

In moto a write of DynamoDB is done bit by bit, so that who asks at the same time finds half an item, and the cause of
a task that failed is dropped.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

from moto.core.responses import EmptyResult
from moto.dynamodb.models import DynamoDBBackend
from moto.server import main
from moto.stepfunctions.responses import StepFunctionResponse

from local import secrets_manager

if TYPE_CHECKING:
    from collections.abc import Callable

_one_at_a_time = threading.RLock()


def write_items_at_once() -> None:
    """Let nobody write or read an item while another does."""
    for name in ("update_item", "get_item", "query", "scan"):
        setattr(DynamoDBBackend, name, _alone(getattr(DynamoDBBackend, name)))


def _alone(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def alone(*given: Any, **named: Any) -> Any:
        with _one_at_a_time:
            return call(*given, **named)

    return alone


def keep_causes() -> None:
    """Let a task of Step Functions that failed have its cause."""
    setattr(StepFunctionResponse, "send_task_failure", _send_task_failure)  # noqa: B010 - moto's types would refuse it


def _send_task_failure(request: Any) -> EmptyResult:
    given = {name: request._get_param(name) for name in ("error", "cause")}  # noqa: SLF001 - what moto's own does
    request.stepfunction_backend.send_task_failure(request._get_param("taskToken"), **given)  # noqa: SLF001 - as above
    return EmptyResult()


if __name__ == "__main__":
    secrets_manager.mend()
    write_items_at_once()
    keep_causes()
    main()
