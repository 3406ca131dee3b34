"""Parameters of a template, checked before anything starts, as CloudFormation checks them before a deployment.

The properties are those of
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
"""

from __future__ import annotations

import math
import re
from typing import Any


def check(name: str, spec: dict[str, Any], value: str) -> None:
    """Raise ValueError, naming the parameter and what it takes, for a value that `spec` in the template excludes."""
    match spec["Type"]:
        case "String":
            wrong = _wrong_text(spec, value)
        case "Number":
            wrong = _wrong_number(spec, value)
        case "CommaDelimitedList":
            wrong = next(filter(None, (_wrong_text(spec, item) for item in items(value))), None)
        case other:
            raise NotImplementedError(f"parameters of type {other} are not known to the local stack")
    if wrong:
        raise ValueError(f"The parameter {name} {wrong}, not {value!r}.")


def items(value: str) -> list[str]:
    """Return the texts of a CommaDelimitedList; CloudFormation drops the blanks around each."""
    return [item.strip() for item in value.split(",")]


def _wrong_text(spec: dict[str, Any], text: str) -> str | None:
    if (wrong := _not_allowed(spec, text)) is not None:
        return wrong
    pattern = spec.get("AllowedPattern")
    if pattern is not None and not re.fullmatch(pattern, text):  # of a list CloudFormation looks at each text
        return str(spec.get("ConstraintDescription", f"must match {pattern}"))
    least, most = int(spec.get("MinLength", 0)), float(spec.get("MaxLength", math.inf))
    return None if least <= len(text) <= most else f"must have {_range(least, most)} characters"


def _wrong_number(spec: dict[str, Any], text: str) -> str | None:
    """Say what is wrong with a number. CloudFormation takes fractions too, but no function of this template does."""
    least, most = float(spec.get("MinValue", -math.inf)), float(spec.get("MaxValue", math.inf))
    if not re.fullmatch(r"-?[0-9]{1,18}", text) or not least <= int(text) <= most:
        within = f" {_range(least, most)}" if math.isfinite(least) or math.isfinite(most) else ""
        return _not_allowed(spec, text) or f"must be a whole number{within}"
    return _not_allowed(spec, text)


def _not_allowed(spec: dict[str, Any], text: str) -> str | None:
    allowed = [str(one) for one in spec.get("AllowedValues", [text])]
    return None if text in allowed else f"must be {', '.join(allowed[:-1])} or {allowed[-1]}"


def _range(least: float, most: float) -> str:
    if math.isinf(most):
        return f"of at least {least:.0f}"
    return f"of at most {most:.0f}" if math.isinf(least) else f"from {least:.0f} to {most:.0f}"
