"""The LangGraph deployments that may be asked: that of `LangGraphUrl`, and those with a key in the secret (G13).

What an item of the ledger says of its deployment is looked up here, and never called as it stands: a key goes only to
URLs that the configuration or the secret names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runledger.domain.deployments import NoKeyError, insecure, no_key, normalised
from runledger_langgraph.client import LangGraph
from runledger_langgraph.deployment import Deployment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runledger.domain.deployments import ApiKeys
    from runledger.use_cases.ports import ForgettableSecret


@dataclass(frozen=True)
class ApiKey:
    """The key of one deployment. `urls` are those by which the secret may name it, the first of them its own."""

    secret: ForgettableSecret[ApiKeys]
    urls: tuple[str, ...]
    is_configured: bool

    def value(self) -> str | None:
        """Return the key, None where none is to be sent; raise a 503 Problem where the secret has none for it."""
        keys = self.secret.value()
        if keys.by_url is None and self.is_configured:
            return keys.single
        for url in self.urls:
            if keys.by_url and url in keys.by_url:
                return keys.by_url[url]
        raise _configured_without_key() if self.is_configured else no_key(self.urls[0])

    def forget(self) -> None:
        """Read the secret anew next time, as after an answer that says that the key is wrong."""
        self.secret.forget()


class Deployments:
    """The deployments that may be asked; their connections are kept."""

    def __init__(
        self,
        url: str,
        former: Iterable[str],
        secret: ForgettableSecret[ApiKeys],
        ledger_id: str,
        *,
        may_be_insecure: bool = False,
    ) -> None:
        """`url` is `LangGraphUrl`; `former` are URLs that the same server had before.

        Where a URL `may_be_insecure`, keys are sent over http too. `ledger_id` is the ledger's that asks.
        """
        self._ledger_id = ledger_id
        self._secret, self._may_be_insecure = secret, may_be_insecure
        self._former = tuple(map(normalised, former))
        own = normalised(url)
        self.configured = self._deployment(own, (own, *self._former), is_configured=True)
        self._others: dict[str, Deployment] = {}

    def __iter__(self) -> Iterator[Deployment]:
        """Yield those that were asked for so far, and that of `LangGraphUrl`."""
        return iter((self.configured, *self._others.values()))

    def current(self, url: str | None) -> str:
        """Return the URL that a deployment has now, by the one that an item stored.

        An item without one was written before there was a choice: it is of `LangGraphUrl`.
        """
        known = normalised(url) if url else self.configured.url
        return self.configured.url if known in self._former else known

    def at(self, url: str | None) -> Deployment:
        """Return the deployment that an item stored; raise NoKeyError where it must not be asked.

        Raises another 503 Problem where the secret can't be read, which may have the key.
        """
        there = self.current(url)
        if there == self.configured.url:
            return self.configured
        if there not in (self._secret.value().by_url or {}):
            raise no_key(there)
        if there.startswith("http://") and not self._may_be_insecure:
            raise insecure(there)
        if there not in self._others:
            self._others[there] = self._deployment(there, (there,), is_configured=False)
        return self._others[there]

    def _deployment(self, url: str, names: tuple[str, ...], *, is_configured: bool) -> Deployment:
        return Deployment(LangGraph(url), ApiKey(self._secret, names, is_configured), self._ledger_id)

    def count(self) -> int:
        """Return how many there are, asked or not."""
        named = {self.current(url) for url in self._secret.value().by_url or {}}
        return len(named | {self.configured.url})


def _configured_without_key() -> NoKeyError:
    return NoKeyError(
        503,
        "api-key-missing",
        "The LangGraph API key is missing",
        "The JSON object in the secret LangGraphApiKeySecret has no key for LangGraphUrl. Add one, "
        "or an empty string where the server wants none.",
    )
