"""boto3 clients with time-outs that leave room for a second try within one request."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

# Links that browsers can follow: signed with version 4, to the bucket's own region. By default boto3 signs them with
# version 2 or sends them to us-east-1, which redirects to where the signature doesn't fit.
LINKS = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
THREADS = 16  # that may use one client at once, where it is made for so many
_CONFIG = Config(  # a call takes CALL_SECONDS at most: two tries of 1 + 2 s, and up to a second between them
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
    parameter_validation=False,  # a tenth of a call's time; adapters make the parameters, and AWS checks them too
    user_agent="runledger",  # botocore's own is put together anew for each call, which takes as long again
)


def client(service: str, more: Config | None = None) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
    """Return a new boto3 client for `service`; `more` adds to its configuration."""
    return boto3.client(service, config=_CONFIG.merge(more) if more else _CONFIG)  # type: ignore[call-overload]
