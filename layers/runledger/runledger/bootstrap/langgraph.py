"""What asks LangGraph."""

from __future__ import annotations

from runledger.adapters import aws, settings
from runledger.adapters.secrets_manager import Secret, api_keys
from runledger_langgraph.deployments import Deployments


def deployments() -> Deployments:
    """Return the LangGraph deployments that may be asked."""
    may_be_insecure = settings.flag("ALLOW_INSECURE_URLS")
    return Deployments(
        settings.url("LANGGRAPH_URL", may_be_insecure=may_be_insecure),
        settings.urls("LANGGRAPH_FORMER_URLS"),
        Secret(aws.client("secretsmanager"), settings.text("LANGGRAPH_API_KEY_SECRET"), api_keys),
        settings.text("LEDGER_ID"),
        may_be_insecure=may_be_insecure,
    )
