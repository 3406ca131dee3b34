"""LangGraph deployments by their URLs: how a URL is compared and stored, and which key belongs to which (G13)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runledger.domain.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_URL = re.compile(r"(https?)://([^\s/?#@]+)(/[^\s?#]*)?", re.IGNORECASE)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """What the secret of the API key holds: one key, that of `LangGraphUrl`, or one for each URL; None sends none.

    `by_url` has normalised URLs.
    """

    single: str | None = field(default=None, repr=False)
    by_url: Mapping[str, str | None] | None = field(default=None, repr=False)


class NoKeyError(Problem):
    """A run or launch is on a deployment that must not be asked, because the secret has no key for its URL."""


def is_url(text: str) -> bool:
    """Whether a text is what `LangGraphUrl` may be: http or https, without credentials, query and fragment."""
    return _URL.fullmatch(text) is not None


def normalised(url: str) -> str:
    """Return a deployment's URL as it is compared and stored: RFC 3986, 6.2.2.1 and 6.2.3, without a trailing slash.

    What is no such URL comes back as it is, and names no deployment.
    """
    if not (found := _URL.fullmatch(url)):
        return url
    scheme, host, path = found[1].lower(), found[2].lower(), found[3] or ""
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORTS[scheme])}{path.rstrip('/')}"


def no_key(url: str) -> NoKeyError:
    """503 for what can be done again once the deployment at `url` may be asked."""
    return NoKeyError(
        503,
        "deployment-without-key",
        "The LangGraph deployment has no key",
        f"It is on the LangGraph deployment {url}, for which the secret LangGraphApiKeySecret has no key. "
        "Add one to its JSON object, or name the URL in LangGraphFormerUrls if LangGraphUrl's server had it before. "
        "Until then nothing is asked there, and nothing is given up.",
    )


def insecure(url: str) -> NoKeyError:
    """503 for what is on a deployment to which a key would be sent in clear."""
    return NoKeyError(
        503,
        "deployment-without-key",
        "The LangGraph deployment is not to be asked over http",
        f"It is on the LangGraph deployment {url}, to which a key would be sent in clear. "
        "Set the parameter AllowInsecureUrls to true, or name an https URL of it.",
    )
