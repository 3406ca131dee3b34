"""Secrets Manager: the key ring and the LangGraph API key, cached."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from runledger.core.deployments import ApiKeys, is_url, normalised
from runledger.core.problems import Problem, unavailable
from runledger.core.tokens import KeyRing, KeyRingUnusableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_secretsmanager import SecretsManagerClient

CACHE_SECONDS = 300
REREAD_SECONDS = 30  # a storm of unknown keys causes one read in this time, not one for each request

API_KEY_PLACEHOLDER = "put-your-langgraph-api-key-here"


class Secret[T]:
    """One secret, read when first needed and again when older than the cache time; `read` turns its text into a T."""

    def __init__(
        self,
        client: SecretsManagerClient,
        secret_id: str,
        read: Callable[[str], T],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` counts seconds."""
        self._client, self._secret_id, self._read, self._clock = client, secret_id, read, clock
        self._value: T
        self._known = False
        self._read_at = self._tried_at = float("-inf")

    def value(self) -> T:
        """Return the secret, at most CACHE_SECONDS old; raise a 503 Problem when it can't be read."""
        if not self._known or self._clock() - self._read_at >= CACHE_SECONDS:
            return self._fetch()
        return self._value

    def fresh(self) -> T | None:
        """Read the secret again; None while the last try is younger than REREAD_SECONDS."""
        if self._clock() - self._tried_at < REREAD_SECONDS:
            return None
        return self._fetch()

    def forget(self) -> None:
        """Read anew next time, as after an answer that says the secret is wrong."""
        self._known = False

    def _fetch(self) -> T:
        self._tried_at = self._clock()
        try:
            text = self._client.get_secret_value(SecretId=self._secret_id)["SecretString"]
        except (BotoCoreError, ClientError, KeyError) as error:
            raise unavailable(f"A secret can't be read ({type(error).__name__}).") from error
        self._value = self._read(text)
        self._known, self._read_at = True, self._tried_at
        return self._value


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
