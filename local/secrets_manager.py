"""moto's Secrets Manager with the labels of versions as AWS moves them.

In moto RotateSecret makes an empty version the current one, a version whose label moved is not what readers get, and
what stands in a pending version can be replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.secretsmanager.exceptions import InvalidRequestException, ResourceExistsException
from moto.secretsmanager.models import SecretsManagerBackend

if TYPE_CHECKING:
    from collections.abc import Callable

_CURRENT, _PENDING = "AWSCURRENT", "AWSPENDING"
_put, _move = SecretsManagerBackend.put_secret_value, SecretsManagerBackend.update_secret_version_stage


def mend() -> None:
    """Mend moto in this process; a second time changes nothing."""
    for mended in (rotate_secret, put_secret_value, update_secret_version_stage):
        setattr(SecretsManagerBackend, mended.__name__, mended)


def rotate(client: Any, secret_id: str, invoke: Callable[[dict[str, Any]], object]) -> None:
    """Do what Secrets Manager does at a rotation: `invoke` is the rotation function's."""
    version_id = begun(client, secret_id)
    for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
        invoke({"Step": step, "SecretId": secret_id, "ClientRequestToken": version_id})


def begun(client: Any, secret_id: str) -> str:
    """Begin a rotation, or go on with one that has come to no end; return its version."""
    labels = client.describe_secret(SecretId=secret_id)["VersionIdsToStages"]
    pending = [version_id for version_id, on in labels.items() if _PENDING in on and _CURRENT not in on]
    return str(pending[0] if pending else client.rotate_secret(SecretId=secret_id)["VersionId"])


def rotate_secret(backend: Any, secret_id: str, client_request_token: str | None = None, **_: Any) -> str:
    """Begin a rotation, and leave its steps to whoever asked: an empty version with the label AWSPENDING."""
    secret = backend.secrets[secret_id]
    if any(_PENDING in v["version_stages"] and _CURRENT not in v["version_stages"] for v in secret.versions.values()):
        raise InvalidRequestException("A previous rotation isn't complete. That rotation will be reattempted.")
    version_id = backend._from_client_request_token(client_request_token)  # noqa: SLF001 - what moto's own does
    secret.remove_version_stages_from_old_versions([_PENDING])
    secret.versions[version_id] = {"createdate": 0, "version_id": version_id, "version_stages": [_PENDING]}
    secret.rotation_requested = secret.rotation_enabled = True
    told: str = secret.to_short_dict(version_id=version_id)
    return told


def put_secret_value(backend: Any, **put: Any) -> str:
    """Put a version; never replace what is in one."""
    version_id, versions = put["client_request_token"], backend.secrets[put["secret_id"]].versions
    there = versions.get(version_id, {}).get("secret_string")
    if there is None:
        versions.pop(version_id, None)
    elif there != put["secret_string"]:
        raise ResourceExistsException(f"You can't use ClientRequestToken {version_id}: it is already in use.")
    return _put(backend, **put)


def update_secret_version_stage(backend: Any, **move: Any) -> tuple[str, str]:
    """Move a label; readers get the version that has AWSCURRENT."""
    told = _move(backend, **move)
    if move["version_stage"] == _CURRENT:
        backend.secrets[move["secret_id"]].set_default_version_id(move["move_to_version_id"])
    return told
