"""S3: payloads too large for an item."""

from __future__ import annotations

import gzip
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from runledger import deadline
from runledger.adapters import aws
from runledger.domain.deliveries import payload_of
from runledger.domain.ledger import Placed, payload_key, questions_key, request_key
from runledger.domain.problems import unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from runledger.domain.deliveries import Payload

LINK_SECONDS = 300


class Bucket:
    """The payload bucket."""

    def __init__(self, name: str) -> None:
        """`name` is the physical one."""
        self.name = name

    @cached_property
    def _client(self) -> S3Client:
        """Made when it is needed: most payloads stand in their item, and no other client takes as long to make."""
        client: S3Client = aws.client("s3")
        return client

    @cached_property
    def _signer(self) -> S3Client:
        client: S3Client = aws.client("s3", aws.LINKS)
        return client

    def place(self, launch_id: str | None, run_id: str, payload: Payload, inline_bytes: int) -> Placed:
        """Leave a payload of up to `inline_bytes` to the item, put a larger one into the bucket."""
        return Placed(payload, None) if payload.size <= inline_bytes else self.put(launch_id, run_id, payload)

    def put(self, launch_id: str | None, run_id: str, payload: Payload) -> Placed:
        """Store `payload` gzipped, before any item points at it; a second time, it is the same object again.

        Where the item then refuses to point at it, it stays behind under the token's own launch.
        """
        key = payload_key(launch_id, run_id, payload.sha256)
        self._put(key, payload.text)
        return Placed(payload, key)

    def put_questions(self, launch_id: str | None, run_id: str, text: str | None) -> str | None:
        """Store the questions of a run, where its item can't hold all of them; return their key."""
        if text is None:
            return None
        key = questions_key(launch_id, run_id, payload_of(text).sha256)
        self._put(key, text)
        return key

    def put_request(self, launch_id: str, digest: str, text: str) -> str:
        """Store the request of a launch, before its item points at it; return its key."""
        key = request_key(launch_id, digest)
        self._put(key, text)
        return key

    def fetch(self, key: str) -> str:
        """Return the request, the payload or the questions stored under `key`."""
        try:
            stored = self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
        except (BotoCoreError, ClientError) as error:
            raise unavailable(f"The bucket can't be read ({type(error).__name__}).") from error
        return gzip.decompress(stored).decode()

    def link(self, key: str) -> str:
        """Return a URL under which anyone can read a payload, or questions, for LINK_SECONDS.

        It is signed here, without a call. The object's Content-Encoding has a browser unpack it.
        """
        return self._signer.generate_presigned_url(
            "get_object", Params={"Bucket": self.name, "Key": key}, ExpiresIn=LINK_SECONDS
        )

    def _put(self, key: str, text: str) -> None:
        deadline.check()
        try:
            self._client.put_object(
                Bucket=self.name,
                Key=key,
                Body=gzip.compress(text.encode(), compresslevel=6, mtime=0),
                ContentType="application/json",
                ContentEncoding="gzip",
            )
        except (BotoCoreError, ClientError) as error:
            raise unavailable(f"The bucket can't be written ({type(error).__name__}).") from error
