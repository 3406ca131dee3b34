"""G10: with the README's lines, functions start from snapshots, always of what was deployed last."""

from __future__ import annotations

import functools
import json
import re
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.api import lint
from samtranslator.yaml_helper import yaml_parse

from local.template import ROOT
from tests.contract.source import FUNCTIONS, OPTIONS, named, template
from tests.contract.test_translated import translate

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.template import Function, Template

type Change = Callable[[Template], None]


def snapped() -> Template:
    lines = re.search(r"\n    Globals:\n(?:     .*\n)+", (ROOT / "README.md").read_text())
    assert lines
    made = template(**OPTIONS)
    for kind, properties in yaml_parse(textwrap.dedent(lines[0]))["Globals"].items():
        made.document["Globals"].setdefault(kind, {}).update(properties)
    return made


@functools.cache
def translation() -> dict[str, Any]:
    return translate(snapped())


def resources(kind: str, of: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in of["Resources"].items() if one["Type"] == kind}


def version(function: Function, of: dict[str, Any]) -> str:
    """Return the logical id of a function's version: CloudFormation publishes a new one where it is another."""
    alias = resources("AWS::Lambda::Alias", of)[f"{function.name}Aliaslive"]
    made: str = alias["Properties"]["FunctionVersion"]["Fn::GetAtt"][0]
    return made


def test_g10_the_lines_of_the_readme_lint_clean() -> None:
    assert lint(json.dumps(translation()), regions=["us-east-1"]) == []
    for function in resources("AWS::Lambda::Function", translation()).values():
        assert function["Properties"]["SnapStart"] == {"ApplyOn": "PublishedVersions"}


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_g10_whoever_invokes_a_function_invokes_its_newest_version(function: Function) -> None:
    alias = {"Ref": f"{function.name}Aliaslive"}
    bodies = [
        json.dumps(one["Properties"]["Body"]) for one in resources("AWS::ApiGatewayV2::Api", translation()).values()
    ]
    through = f"functions/${{{function.name}Aliaslive}}/invocations"
    assert sum(body.count(through) for body in bodies) == len(function.routes)
    mapped = [
        one["Properties"]["FunctionName"]
        for one in resources("AWS::Lambda::EventSourceMapping", translation()).values()
        if function.name in json.dumps(one["Properties"]["FunctionName"])
    ]
    assert mapped == [alias] * ((function.source is not None) + (function.messages is not None))
    scheduled = [
        one["Properties"]["Target"]["Arn"] for one in resources("AWS::Scheduler::Schedule", translation()).values()
    ]
    assert (alias in scheduled) == (function.every_seconds is not None)


def with_variable(made: Template) -> None:
    for function in FUNCTIONS:
        made.document["Resources"][function.name]["Properties"]["Environment"]["Variables"]["MORE"] = "1"


def with_code(made: Template) -> None:
    made.document["Globals"]["Function"]["CodeUri"] = "s3://packaged-by-sam/other.zip"


def with_layer(made: Template) -> None:
    made.document["Resources"]["RunledgerLayer"]["Properties"]["ContentUri"] = "s3://packaged-by-sam/other.zip"


@pytest.mark.parametrize("change", [with_variable, with_code, with_layer])
def test_g10_whatever_changes_is_published(change: Change) -> None:
    made = snapped()
    change(made)
    changed = translate(made)
    assert not {version(one, changed) for one in FUNCTIONS} & {version(one, translation()) for one in FUNCTIONS}


def test_g10_a_version_that_nothing_invokes_is_not_kept() -> None:
    assert {one["DeletionPolicy"] for one in resources("AWS::Lambda::Version", translation()).values()} == {"Delete"}
