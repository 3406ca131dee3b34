"""boto3 clients with time-outs that leave room for a second try within one request."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

# Three tries of at most 1 + 3 s each stay well under the functions' own time-outs.
_CONFIG = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3})


def client(service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
    """Return the boto3 client for `service`, made once at start."""
    return boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]
