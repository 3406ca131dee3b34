"""CloudWatch: JSON log lines and embedded metrics, through Powertools.

Log lines carry `launch_id` and `run_id` once `about` was told them. No event, header, query or URL is ever logged,
because the webhook's carries its token (G5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from runledger import deadline
from runledger.domain.outcomes import is_failure

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from runledger.domain.problems import Problem

logger = Logger()
metrics = Metrics()


def start(context: LambdaContext) -> None:
    """Start an invocation with clean keys, and its time."""
    deadline.start(context)
    logger.clear_state()
    logger.append_keys(request_id=context.aws_request_id)


def about(**ids: str | None) -> None:
    """Say what the following lines are about: `launch_id`, `run_id`."""
    logger.append_keys(**{name: value for name, value in ids.items() if value is not None})


def about_only(**ids: str | None) -> None:
    """Say what the following lines are about, and forget what the last ones were."""
    logger.remove_keys(["launch_id", "run_id"])
    about(**ids)


def count(name: str) -> None:
    """Add one to the metric `name` of this function."""
    metrics.add_metric(name, MetricUnit.Count, 1)


def gauge(name: str, seconds: float) -> None:
    """Note a duration under the metric `name` of this function."""
    metrics.add_metric(name, MetricUnit.Seconds, seconds)


def count_outcome(outcome: str) -> None:
    """Add one to `runs` of this outcome; tell 1 or 0 as `failed_runs`, whose average is the rate of failures.

    Of the service `ledger`: it is about the runs, whichever function publishes them.
    """
    _count_for_ledger("runs", 1, outcome=outcome)
    failure = is_failure(outcome)
    if failure is not None:
        _count_for_ledger("failed_runs", int(failure))


def _count_for_ledger(name: str, value: int, **dimensions: str) -> None:
    with single_metric(name, MetricUnit.Count, value) as metric:
        for dimension, of in {"service": "ledger", **dimensions}.items():
            metric.add_dimension(dimension, of)


def count_refused(reason: str) -> None:
    """Add one to `refused`, in all and by reason."""
    count("refused")
    with single_metric("refused", MetricUnit.Count, 1) as metric:
        metric.add_dimension("service", logger.service)
        metric.add_dimension("reason", reason)


def report(problem: Problem) -> None:
    """Log and count what ended a request: the caller's fault as `refused` with its reason, ours as `failed`."""
    is_refusal = problem.status < 500 or problem.refusal  # noqa: PLR2004 - the line between the caller's fault and ours
    if is_refusal:
        count_refused(problem.slug)
    else:
        count("failed")
    say, message = (logger.warning, "refused") if is_refusal else (logger.error, "failed")
    say(message, status=problem.status, reason=problem.slug, detail=problem.detail)


def flush() -> None:
    """Write the invocation's metrics out, and forget its time."""
    deadline.stop()
    if metrics.metric_set:
        metrics.flush_metrics()
