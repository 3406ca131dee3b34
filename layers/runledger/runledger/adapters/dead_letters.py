"""SQS: the queue of what could not be told, for a person to see."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from runledger.core.problems import unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sqs import SQSClient


class DeadLetters:
    """The dead-letter queue of notify."""

    def __init__(self, client: SQSClient, url: str) -> None:
        """`url` is the queue's."""
        self._client, self._url = client, url

    def leave(self, run: Mapping[str, Any], reason: str) -> None:
        """Put a run and the outcomes whose events could not be sent into the queue; a 503 Problem where that fails."""
        letter = {
            "run_id": run["run_id"],
            "launch_id": run.get("launch_id"),
            "outcomes": sorted(run["unpublished"]),
            "reason": reason,
        }
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=json.dumps(letter))
        except (BotoCoreError, ClientError) as error:
            raise unavailable(f"The dead-letter queue can't be reached ({type(error).__name__}).") from error
