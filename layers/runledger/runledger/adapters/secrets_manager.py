"""Secrets Manager: the key ring and the LangGraph API key, cached."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from runledger import telemetry
from runledger.domain.deployments import ApiKeys, is_url, normalised
from runledger.domain.problems import Problem, unavailable
from runledger.domain.tokens import KeyRing, KeyRingUnusableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_secretsmanager import SecretsManagerClient

CACHE_SECONDS = 300
REREAD_SECONDS = 30  # a storm of unknown keys, or an outage, causes one read in this time, not one for each request
_SERVER_ERROR = 500
STALE_SECONDS = 3600  # for how much longer a copy may serve while Secrets Manager is unavailable

API_KEY_PLACEHOLDER = "put-your-langgraph-api-key-here"


class Secret[T]:
    """One secret, read when first needed and again when older than the cache time; `read` turns its text into a T.

    While Secrets Manager is unavailable a copy that was good serves for up to STALE_SECONDS more. It is counted as
    `stale_secret` each time.
    """

    reread_seconds = REREAD_SECONDS

    def __init__(
        self,
        client: SecretsManagerClient,
        secret_id: str,
        read: Callable[[str], T],
        *clocks: Callable[[], float],
    ) -> None:
        """`clocks` count seconds; by default they are the wall clock and the monotonic one.

        What the clock says that has gone further counts: the monotonic one may stand still while Lambda has frozen the
        environment, and the wall clock may be set back.
        """
        self._client, self._secret_id, self._read = client, secret_id, read
        self._clocks = clocks or (time.time, time.monotonic)
        self._value: T
        self._known = self._is_down = False
        self._read_at: tuple[float, ...] = ()  # by each clock; empty for never
        self._tried_at: tuple[float, ...] = ()

    def value(self) -> T:
        """Return the secret, at most CACHE_SECONDS old; raise a 503 Problem when it can't be read.

        While Secrets Manager is unavailable it may be STALE_SECONDS older, and is asked for every REREAD_SECONDS. A
        secret that was read and is unusable is no outage.
        """
        age = self._age(self._read_at)
        if self._known and age < CACHE_SECONDS:
            return self._value
        may_serve = self._known and age < CACHE_SECONDS + STALE_SECONDS
        if not (may_serve and self._is_down and self._age(self._tried_at) < REREAD_SECONDS):
            try:
                return self._fetch()
            except Problem as problem:
                if not (may_serve and self._is_down):
                    raise
                telemetry.logger.warning("an old copy of a secret serves", detail=problem.detail, age=int(age))
        telemetry.count("stale_secret")
        return self._value

    def fresh(self) -> T | None:
        """Read the secret again; None while the last try is younger than REREAD_SECONDS.

        Raises a 503 Problem when it can't be read: an old copy is never returned as a new one.
        """
        if self._age(self._tried_at) < REREAD_SECONDS:
            return None
        return self._fetch()

    def forget(self) -> None:
        """Read anew next time, as after an answer that says the secret is wrong; the copy never serves again."""
        self._known = False

    def _age(self, then: tuple[float, ...]) -> float:
        return max(now() - at for now, at in zip(self._clocks, then, strict=True)) if then else float("inf")

    def _fetch(self) -> T:
        self._tried_at = tuple(now() for now in self._clocks)
        try:
            answer = self._client.get_secret_value(SecretId=self._secret_id)
        except (BotoCoreError, ClientError) as error:
            self._is_down = _is_outage(error)
            raise unavailable(f"A secret can't be read ({type(error).__name__}).") from error
        self._is_down = False
        if "SecretString" not in answer:
            raise unavailable("A secret can't be read: it has no text.")
        self._value = self._read(answer["SecretString"])
        self._known, self._read_at = True, self._tried_at
        return self._value


def _is_outage(error: BotoCoreError | ClientError) -> bool:
    """Whether Secrets Manager is unavailable. A secret that was deleted, or is denied, has been taken away."""
    if isinstance(error, BotoCoreError):
        return True
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return status >= _SERVER_ERROR or "Throttl" in error.response.get("Error", {}).get("Code", "")


def key_ring(text: str) -> KeyRing:
    """Read the key ring; a 503 Problem where the secret holds none."""
    try:
        return KeyRing.parse(text)
    except KeyRingUnusableError as error:
        raise Problem(
            503, "key-ring-unusable", "The key ring is unusable", f"The secret of the key ring: {error}."
        ) from None


def api_keys(text: str) -> ApiKeys:
    """Read the LangGraph API key, or a JSON object with one for each deployment's URL; a 503 Problem where it is none.

    A key that is blank is None, for a server that wants none.
    """
    if not text.lstrip().startswith("{"):
        return ApiKeys(single=_api_key(text))
    try:
        pairs = json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        raise _no_keys("is no valid JSON") from None
    found: dict[str, str | None] = {}
    for url, key in pairs:
        if not is_url(url):
            raise _no_keys("has a name that is no http or https URL of a deployment")
        if not isinstance(key, str):
            raise _no_keys("has a value that is no string")
        value = _api_key(key)
        if found.setdefault(normalised(url), value) != value:
            raise _no_keys("has two keys for one URL")
    return ApiKeys(by_url=found)


def _no_keys(complaint: str) -> Problem:
    return Problem(
        503,
        "api-key-unusable",
        "The LangGraph API key is unusable",
        f"The secret LangGraphApiKeySecret begins with a brace and {complaint}. It must hold the key of LangGraphUrl "
        'as it is, or a JSON object of the form {"<URL of a deployment>": "<its key>"}, one member for each.',
    )


def _api_key(text: str) -> str | None:
    key = text.strip()
    if key == API_KEY_PLACEHOLDER:
        raise Problem(
            503,
            "api-key-missing",
            "The LangGraph API key is missing",
            "Put it into the secret LangGraphApiKeySecret of the stack; a single space where the server wants none.",
        )
    if not (key.isascii() and key.isprintable()):
        raise Problem(
            503,
            "api-key-unusable",
            "The LangGraph API key is unusable",
            "The secret LangGraphApiKeySecret holds characters that no HTTP header can carry.",
        )
    return key or None
