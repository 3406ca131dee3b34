"""S3: payloads too large for an item."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from runledger.core.ledger import Placed, payload_key
from runledger.core.problems import unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from runledger.core.deliveries import Payload


class Bucket:
    """The payload bucket."""

    def __init__(self, client: S3Client, name: str) -> None:
        """`name` is the physical one."""
        self._client, self._name = client, name

    def put(self, launch_id: str | None, run_id: str, payload: Payload) -> Placed:
        """Store `payload` gzipped, before any item points at it; a second time, it is the same object again.

        Where the item then refuses to point at it, it stays behind under the token's own launch.
        """
        key = payload_key(launch_id, run_id, payload.sha256)
        try:
            self._client.put_object(
                Bucket=self._name,
                Key=key,
                Body=gzip.compress(payload.text.encode(), compresslevel=6, mtime=0),
                ContentType="application/json",
                ContentEncoding="gzip",
            )
        except (BotoCoreError, ClientError) as error:
            raise unavailable(f"The payload can't be stored ({type(error).__name__}).") from error
        return Placed(payload, key)
