"""Environment variables, which template.yaml sets. What is missing or wrong fails at start, by name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runledger.domain.allowed_networks import parse_networks
from runledger.domain.deployments import is_url

if TYPE_CHECKING:
    from runledger.domain.allowed_networks import Network


class SettingError(Exception):
    """A setting is missing or unusable."""


def in_lambda() -> bool:
    """Whether this is an execution environment of Lambda, or the local stack's, which sets the same variable."""
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


def text(name: str) -> str:
    """Return the setting `name`, which must not be empty."""
    value = os.environ.get(name, "").strip()
    if not value:
        raise SettingError(f"the environment variable {name} is not set; template.yaml sets it for each function")
    return value


def whole_number(name: str) -> int:
    """Return the setting `name` as a whole number of 0 or more."""
    value = text(name)
    if not value.isdecimal():
        raise SettingError(f"the environment variable {name} must be a whole number, not {value!r}")
    return int(value)


def networks(name: str) -> tuple[Network, ...]:
    """Return the setting `name` as networks with commas between them."""
    value = text(name)
    try:
        return parse_networks(value)
    except ValueError:
        raise SettingError(f"the environment variable {name} must be networks, not {value!r}") from None


def urls(name: str) -> tuple[str, ...]:
    """Return the setting `name` as the URLs of LangGraph deployments, with commas between them; it may be empty."""
    found = tuple(filter(None, (part.strip() for part in os.environ.get(name, "").split(","))))
    if not all(map(is_url, found)):
        raise SettingError(f"the environment variable {name} must be http or https URLs with commas between them")
    return found


def flag(name: str) -> bool:
    """Return the setting `name`, which must be `true` or `false`."""
    value = text(name)
    if value not in ("true", "false"):
        raise SettingError(f"the environment variable {name} must be 'true' or 'false', not {value!r}")
    return value == "true"


def url(name: str, *, may_be_insecure: bool) -> str:
    """Return the setting `name`, which must be an https URL, or `may_be_insecure`: http sends keys and tokens in clear.

    The URL is quoted in no error: somebody may have put credentials into it.
    """
    value = text(name)
    scheme = value.partition("://")[0].lower()
    if scheme == "http" and not may_be_insecure:
        raise SettingError(
            f"the environment variable {name} must be an https URL: over http, keys and tokens go in clear. "
            "Where that is wanted, set the parameter AllowInsecureUrls to 'true'"
        )
    if scheme not in ("http", "https"):
        raise SettingError(f"the environment variable {name} must be an https URL")
    return value
