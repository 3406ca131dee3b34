"""Secrets Manager: the versions of the key ring's secret, and the labels that say what each is for.

What readers get is the version with the label AWSCURRENT. A version never changes; the label moves, and only from the
version that is named (UpdateSecretVersionStage fails where the label is on another one). So whoever made a ring of an
older one can't undo what others did meanwhile.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from runledger import deadline
from runledger.adapters.secrets_manager import key_ring
from runledger.domain.problems import Problem, unavailable
from runledger.domain.rotation import CURRENT, PENDING, MovedOnError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_secretsmanager import SecretsManagerClient

    from runledger.domain.tokens import KeyRing

_DRAFT = "RUNLEDGER_DRAFT"  # a version that is put without any label becomes the current one


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the ring, which need not be usable."""

    version_id: str
    text: str = field(repr=False)

    @property
    def ring(self) -> KeyRing:
        """The ring; a 503 Problem where the version holds none."""
        return key_ring(self.text)


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of one secret. Each call raises a 503 Problem where Secrets Manager can't be asked."""

    _client: SecretsManagerClient
    secret_id: str

    def labels(self) -> dict[str, list[str]] | None:
        """Return the labels by version; None where the secret's rotation was switched off."""
        told = _asked(lambda: self._client.describe_secret(SecretId=self.secret_id))
        return None if told.get("RotationEnabled") is False else told.get("VersionIdsToStages", {})

    def current(self) -> Version:
        """Return the version that readers get."""
        told = _asked(lambda: self._client.get_secret_value(SecretId=self.secret_id, VersionStage=CURRENT))
        return Version(told["VersionId"], told.get("SecretString", ""))

    def content(self, version_id: str) -> Version | None:
        """Return one version; None where it has only its labels yet, as when a rotation has just begun."""
        try:
            told = _asked(lambda: self._client.get_secret_value(SecretId=self.secret_id, VersionId=version_id))
        except Problem as problem:
            if _code(problem.__cause__) == "ResourceNotFoundException":
                return None
            raise
        return Version(version_id, told.get("SecretString", ""))

    def fill(self, version_id: str, ring: KeyRing) -> None:
        """Give the pending version `version_id` its content."""
        self._put(version_id, ring, PENDING)

    def replace(self, old_id: str, ring: KeyRing) -> None:
        """Make `ring` the current version in place of another; raise MovedOnError where that isn't current."""
        version_id = str(uuid.uuid4())
        self._put(version_id, ring, _DRAFT)
        self.promote(version_id, old_id)

    def promote(self, version_id: str, old_id: str) -> None:
        """Move AWSCURRENT from one version to another; raise MovedOnError where the first doesn't have it."""
        try:
            self._move(CURRENT, old_id, MoveToVersionId=version_id)
        except Problem as problem:  # done where a first try's answer was lost; else somebody was faster, or AWS fails
            now = self.current().version_id
            if now not in (version_id, old_id):
                raise MovedOnError from None
            if now == old_id:
                raise problem from None

    def release(self, version_id: str) -> None:
        """Take AWSPENDING off a version; RotateSecret takes it there for a rotation that goes on, and does nothing."""
        try:
            self._move(PENDING, version_id)
        except Problem as problem:  # it had no such label, or no longer
            if _code(problem.__cause__) != "InvalidParameterException":
                raise

    def _move(self, label: str, old_id: str, **to: str) -> None:
        deadline.check()
        _asked(
            lambda: self._client.update_secret_version_stage(
                SecretId=self.secret_id, VersionStage=label, RemoveFromVersionId=old_id, **to
            )
        )

    def _put(self, version_id: str, ring: KeyRing, label: str) -> None:
        deadline.check()
        _asked(
            lambda: self._client.put_secret_value(
                SecretId=self.secret_id, ClientRequestToken=version_id, SecretString=ring.text(), VersionStages=[label]
            )
        )


def _asked[T](ask: Callable[[], T]) -> T:
    try:
        return ask()
    except (BotoCoreError, ClientError) as error:
        raise unavailable(f"Secrets Manager does not do what it is asked ({_code(error)}).") from error


def _code(error: BaseException | None) -> str:
    """Return AWS's name of an error; its message is never told."""
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
