"""The rotate handler behind Secrets Manager and behind `aws lambda invoke`, and what the secret's versions hold."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from moto.secretsmanager.models import secretsmanager_backends

from runledger.domain.tokens import KeyRing
from tests.integration.support import client_of

if TYPE_CHECKING:
    from tests.integration.support import Aws, Door

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


@dataclass
class Rotation:
    """The key ring's secret and the function that changes it."""

    door: Door
    aws: Aws
    told: list[str] = field(default_factory=list)  # every answer and error

    @property
    def client(self) -> Any:
        """The function's own client, to be made to fail."""
        return client_of(self.door.parts.versions)

    @property
    def secret_id(self) -> str:
        return self.aws.template.names["KeyRingSecret"]

    @property
    def ring(self) -> KeyRing:
        """What readers get."""
        return KeyRing.parse(self.aws.secret("KeyRingSecret"))

    def put(self, ring: KeyRing) -> None:
        """Put a ring as a person does."""
        self.aws.put_secret("KeyRingSecret", ring.text())

    def call(self, event: Any) -> Any:
        """Call the handler; note what it answers or raises."""
        try:
            answer = self.door.handle(event)
        except Exception as error:
            self.told.append(f"{error} {error.__cause__} {error.__context__ if not error.__suppress_context__ else ''}")
            raise
        self.told.append(json.dumps(answer))
        return answer

    def begin(self) -> str:
        """Begin a rotation as RotateSecret does; return its token. One that goes on is begun again, as AWS does."""
        for version_id, labels in self.labels().items():
            if "AWSPENDING" in labels and "AWSCURRENT" not in labels:
                return version_id
        return str(self.aws.client("secretsmanager").rotate_secret(SecretId=self.secret_id)["VersionId"])

    def step(self, name: str, token: str) -> None:
        """Have one step done."""
        assert self.call({"Step": name, "SecretId": self.secret_id, "ClientRequestToken": token}) is None

    def tries(self, name: str, token: str) -> bool:
        """Have one step done; return whether it was."""
        try:
            self.step(name, token)
        except self.door.app.FailedError:
            return False
        return True

    def fails(self, name: str, token: str) -> str:
        """Have one step fail; return how."""
        return self.refuses({"Step": name, "SecretId": self.secret_id, "ClientRequestToken": token})

    def refuses(self, event: Any) -> str:
        """Have the handler fail, its cause cut off; return what it says."""
        with pytest.raises(self.door.app.FailedError) as caught:
            self.call(event)
        assert caught.value.__suppress_context__
        assert caught.value.__cause__ is None
        return str(caught.value)

    def rotate(self) -> None:
        """Have a whole rotation done."""
        token = self.begin()
        for name in STEPS:
            self.step(name, token)

    def labels(self) -> dict[str, list[str]]:
        """Return the labels by version, of those versions that have any."""
        told = self.aws.client("secretsmanager").describe_secret(SecretId=self.secret_id)["VersionIdsToStages"]
        return {version_id: labels for version_id, labels in told.items() if labels}

    def labelled(self, label: str) -> list[str]:
        return [version_id for version_id, labels in self.labels().items() if label in labels]

    @property
    def kept(self) -> Any:
        """The secret as moto keeps it."""
        return secretsmanager_backends["123456789012"]["us-east-1"].secrets[self.secret_id]

    def every_key(self) -> set[str]:
        """Return every key that any version ever held."""
        texts = [version.get("secret_string", "{}") for version in self.kept.versions.values()]
        rings = [json.loads(text) for text in texts if text.startswith("{")]
        return {key for ring in rings for name, key in ring.items() if name != "current"}
