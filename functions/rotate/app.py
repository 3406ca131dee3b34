"""The key ring's rotation, for Secrets Manager, and the commands that change the ring at once, for a person (G7).

Secrets Manager sends `{"Step": …, "SecretId": …, "ClientRequestToken": …}` four times for each rotation. A person sends
`{"revoke": "k1700000000"}`, a kid or a shared key's name, or `{"share": "crons"}`, by `aws lambda invoke`. No answer,
log line or error has a key in it, nor what stood where a name was to be: it may be a key (G5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.bootstrap import Once
from runledger.bootstrap.rotate import build
from runledger.domain.problems import Problem
from runledger.domain.rotation import KeyRingFullError, MovedOnError
from runledger.use_cases.key_commands import command
from runledger.use_cases.rotate_keys import StepRefusedError, step

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

parts = Once(build)


class FailedError(Exception):
    """What Secrets Manager and `aws lambda invoke` are told: the message, with no cause behind it."""


def handler(event: object, context: LambdaContext) -> dict[str, Any] | None:
    """Take one step of a rotation, or do what a command says and return what came of it.

    A command that is wrong is answered with its problem (RFC 9457). Whatever fails raises, so that Secrets Manager
    stops the rotation, and the invocation counts as an error.
    """
    telemetry.start(context)
    try:
        its = parts()
        if not isinstance(event, dict) or "Step" not in event:
            return command(event, its.versions)
        step(event, its.versions, its.max_run_seconds)
    except Problem as problem:
        if problem.status < 500:  # noqa: PLR2004 - the line between the caller's fault and ours
            telemetry.report(problem)
            return problem.body()
        raise _failed(problem.detail) from None
    except (StepRefusedError, KeyRingFullError) as error:
        raise _failed(f"The rotation ends: {error}.") from None
    except MovedOnError:
        raise _failed("The ring was changed by somebody else meanwhile. Try again.") from None
    finally:
        telemetry.flush()
    return None


def _failed(detail: str) -> FailedError:
    telemetry.count("failed")
    telemetry.logger.error("failed", detail=detail)
    return FailedError(detail)
