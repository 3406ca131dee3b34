"""Step Functions: the tasks that wait for a launch (`.waitForTaskToken`)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from runledger import deadline
from runledger.adapters import aws
from runledger.domain.problems import unavailable

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from runledger.domain.callbacks import Report

_NEVER = (  # by this token nobody can be told, now or later
    *("TaskTimedOut", "TaskDoesNotExist", "InvalidToken"),
    *("InvalidOutput", "ValidationException"),
)


class Tasks:
    """Tasks of state machines, by their tokens."""

    @cached_property
    def _client(self) -> SFNClient:
        """Made when there is a task: most launches have none."""
        client: SFNClient = aws.client("stepfunctions")
        return client

    def end(self, token: str, report: Report) -> bool:
        """End a task; return whether somebody was waiting. A 503 Problem where that can't be told now."""
        deadline.check()
        try:
            if report.output is not None:
                self._client.send_task_success(taskToken=token, output=report.output)
            else:
                self._client.send_task_failure(taskToken=token, error=report.error, cause=report.cause)
        except (BotoCoreError, ClientError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            if code in _NEVER:
                return False
            raise unavailable(f"Step Functions can't be told ({code}).") from None  # its message may repeat the token
        return True
