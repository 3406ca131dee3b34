"""POST /webhook?token=…: LangGraph tells how a run ended.

A stack may be told from which networks it does. What becomes of a delivery is in `use_cases/receive_delivery`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runledger.adapters.gateway import Answer, Request, serve
from runledger.bootstrap import Once
from runledger.bootstrap.webhook import build
from runledger.domain.allowed_networks import is_within
from runledger.domain.problems import Problem

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

parts = Once(build)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one API Gateway event."""
    return serve(event, context, receive)


def receive(http: Request) -> Answer:
    """Record one delivery: 200 when it is in the ledger, 202 when LangGraph must be asked instead, or a Problem."""
    its = parts()
    if not is_within(http.source, its.networks):
        raise _elsewhere()
    received = its.receiver.receive(http.query, http.content(), http.headers.get("content-encoding", ""))
    about = {"run_id": received.run_id} if received.run_id else {}
    if received.recorded is None:
        return Answer(202, {**about, "recorded": False, "detail": received.detail})
    recorded = received.recorded
    return Answer(200, {**about, "outcome": recorded.outcome, "duplicate": recorded.is_repeat})


def _elsewhere() -> Problem:
    return Problem(
        403,
        "source-refused",
        "The source is not accepted",
        "The sender is in none of the networks of WebhookSourceCidrs.",
    )
