"""template.yaml with its parameters and references resolved, so that nothing of it is written down twice.

Covers the intrinsic functions that the template uses in what runs here; any other is an error, not a guess.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parent.parent
_NOTHING = object()  # what !Ref AWS::NoValue leaves
_PSEUDO = {
    "AWS::NoValue": _NOTHING,
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "local",
}


@dataclass(frozen=True)
class Route:
    """One HTTP route: the API's logical id, the method, and the path with `{name}` for parameters."""

    api: str
    method: str
    path: str


@dataclass(frozen=True)
class Source:
    """A table's stream as a function's source: the table's logical id, and what Lambda does with its records."""

    table: str
    size: int
    patterns: tuple[dict[str, Any], ...]
    max_age_seconds: int


@dataclass(frozen=True)
class Messages:
    """A queue as a function's source: the queue's logical id, messages in a batch, batches at the same time."""

    queue: str
    size: int
    concurrency: int


@dataclass(frozen=True)
class Function:
    """One function as Lambda would run it; `timeout` in seconds, `memory` in MB, `code` are folders on its path."""

    name: str
    handler: str
    timeout: int
    memory: int
    code: tuple[Path, ...]
    environment: dict[str, str]
    routes: tuple[Route, ...]
    every_seconds: int | None
    source: Source | None
    messages: Messages | None


@dataclass
class Template:
    """The template, the parameters given, and the physical names of resources as they become known."""

    parameters: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    path: Path = ROOT / "template.yaml"

    def __post_init__(self) -> None:
        """Read the file and fill in the parameters' defaults."""
        self.document: dict[str, Any] = yaml_parse(self.path.read_text())
        known = self.document["Parameters"]
        if unknown := sorted(set(self.parameters) - set(known)):
            raise ValueError(f"template.yaml has no parameter {unknown[0]}; it has {', '.join(known)}")
        defaults = {name: str(spec["Default"]) for name, spec in known.items() if "Default" in spec}
        self.parameters = {**defaults, **self.parameters}

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of each resource of a type, by logical id, resolved."""
        return {
            name: self.resolve(resource.get("Properties", {}))
            for name, resource in self.document["Resources"].items()
            if resource["Type"] == kind
        }

    def functions(self) -> list[Function]:
        """Return every function, with Globals merged in."""
        common = self.document["Globals"]["Function"]
        return [
            self._function(name, {**common, **resource["Properties"]}, common)
            for name, resource in self.document["Resources"].items()
            if resource["Type"] == "AWS::Serverless::Function"
        ]

    def _function(self, name: str, properties: dict[str, Any], common: dict[str, Any]) -> Function:
        variables = {**common["Environment"]["Variables"], **properties["Environment"]["Variables"]}
        routes, schedules, streams, queues = (
            [e["Properties"] for e in properties.get("Events", {}).values() if e["Type"] == kind]
            for kind in ("HttpApi", "ScheduleV2", "DynamoDB", "SQS")
        )
        layers = [
            self.document["Resources"][layer["Ref"]]["Properties"]["ContentUri"] for layer in properties["Layers"]
        ]
        return Function(
            name=name,
            handler=properties["Handler"],
            timeout=int(properties["Timeout"]),
            memory=int(properties["MemorySize"]),
            code=tuple(self.path.parent / folder for folder in (properties["CodeUri"], *layers)),
            environment={key: str(value) for key, value in self.resolve(variables).items()},
            every_seconds=_seconds(schedules[0]["ScheduleExpression"]) if schedules else None,
            source=_source(streams[0]) if streams else None,
            messages=self._messages(queues[0]) if queues else None,
            routes=tuple(Route(e["ApiId"]["Ref"], e["Method"].upper(), e["Path"]) for e in routes),
        )

    def _messages(self, event: dict[str, Any]) -> Messages:
        queue, _ = event["Queue"]["Fn::GetAtt"]
        return Messages(queue, event["BatchSize"], int(self.resolve(event["ScalingConfig"]["MaximumConcurrency"])))

    def resolve(self, value: Any) -> Any:
        """Return `value` with its intrinsic functions worked out, as CloudFormation would."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument) = next(iter(value.items()))
            if name in ("Ref", "Condition") or name.startswith("Fn::"):
                return self._call(name, argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not _NOTHING}

    def _call(self, name: str, argument: Any) -> Any:  # noqa: C901, PLR0911 - one for each intrinsic function
        match name:
            case "Ref":
                return self._ref(argument)
            case "Condition":
                return self.resolve(self.document["Conditions"][argument])
            case "Fn::If":
                condition, yes, no = argument
                return self.resolve(yes if self.resolve({"Condition": condition}) else no)
            case "Fn::Equals":
                left, right = self.resolve(argument)
                return str(left) == str(right)
            case "Fn::Or":
                return any(self.resolve(argument))
            case "Fn::Not":
                return not self.resolve(argument)[0]
            case "Fn::Join":
                return argument[0].join(self.resolve(argument[1]))
            case "Fn::Select":
                return self.resolve(argument[1])[int(argument[0])]
            case "Fn::Split":
                return str(self.resolve(argument[1])).split(argument[0])
            case "Fn::Sub":
                return re.sub(r"\$\{([\w:]+)\}", lambda match: str(self._ref(match[1])), argument)
            case "Fn::GetAtt":
                return f"{argument[0]}.{argument[1]}"  # nothing that runs here needs one
        raise NotImplementedError(f"{name} is not known to the local stack")

    def _ref(self, name: str) -> Any:
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self.parameters:
            value = self.parameters[name]
            is_list = self.document["Parameters"][name]["Type"] == "CommaDelimitedList"
            return value.split(",") if is_list else value
        if name in self.document["Parameters"]:
            raise ValueError(f"the parameter {name} has no default and was not given")
        return self.names[name]


def _source(event: dict[str, Any]) -> Source:
    table, _ = event["Stream"]["Fn::GetAtt"]
    return Source(
        table=table,
        size=event["BatchSize"],
        patterns=tuple(json.loads(one["Pattern"]) for one in event["FilterCriteria"]["Filters"]),
        max_age_seconds=event["MaximumRecordAgeInSeconds"],
    )


def _seconds(expression: str) -> int:
    """Read `rate(N minutes)`."""
    rate = re.fullmatch(r"rate\((\d+) minutes?\)", expression)
    if rate is None:
        raise NotImplementedError(f"the schedule {expression} is not known to the local stack")
    return int(rate[1]) * 60
