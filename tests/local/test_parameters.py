"""Parameters of the local stack are taken or refused as CloudFormation takes or refuses them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from local import up
from local.stack import Stack
from local.template import Template

if TYPE_CHECKING:
    from pathlib import Path

WRONG = [
    ("MaxRunSeconds", "", "must be a whole number from 60 to 31536000"),
    ("MaxRunSeconds", "a week", "must be a whole number from 60 to 31536000"),
    ("MaxRunSeconds", "60.5", "must be a whole number from 60 to 31536000"),
    ("MaxRunSeconds", "59", "must be a whole number from 60 to 31536000"),
    ("MaxRunSeconds", "9" * 5000, "must be a whole number from 60 to 31536000"),
    ("InlinePayloadBytes", "358401", "must be a whole number from 0 to 358400"),
    ("ApiRequestsPerSecond", "0", "must be a whole number of at least 1"),
    ("LogRetentionDays", "31", "must be 1, 3, 5, 7"),
    ("LogLevel", "info", "must be DEBUG, INFO, WARNING or ERROR"),
    ("AcceptSharedTokens", "True", "must be true or false"),
    ("LangGraphUrl", "http://127.0.0.1:1/", "must be an http or https URL without"),
    ("WebhookUrl", "nowhere", "must be empty or an http or https URL"),
    ("WebhookSourceCidrs", "10.0.0.0/8,all", "must be networks such as"),
]


@pytest.mark.parametrize(("name", "value", "wanted"), WRONG, ids=[f"{name}={value[:9]}" for name, value, _ in WRONG])
def test_a_parameter_that_the_template_does_not_take_is_refused_by_its_name(name: str, value: str, wanted: str) -> None:
    with pytest.raises(ValueError, match=f"^The parameter {name} {wanted}"):
        Template({name: value})


def test_what_the_template_takes_is_taken() -> None:
    given = {"MaxRunSeconds": "60", "LogRetentionDays": "3653", "WebhookSourceCidrs": "10.0.0.0/8, ::/0"}
    template = Template(given)
    assert template.parameters["MaxRunSeconds"] == "60"
    assert template.resolve({"Ref": "WebhookSourceCidrs"}) == ["10.0.0.0/8", "::/0"]
    defaults = {
        name: str(spec["Default"]) for name, spec in template.document["Parameters"].items() if "Default" in spec
    }
    assert Template(defaults).parameters == defaults, "each default is one that CloudFormation takes"


def test_a_stack_with_a_wrong_parameter_starts_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    with pytest.raises(ValueError, match="MaxCheckSeconds"), Stack(folder=folder, parameters={"MaxCheckSeconds": "5"}):
        pass
    assert not folder.exists()


def test_parameters_may_have_blanks_in_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARAMETERS", "LogLevel=DEBUG WebhookSourceCidrs='10.0.0.0/8, ::/0'")
    assert up._stack().parameters == {"LogLevel": "DEBUG", "WebhookSourceCidrs": "10.0.0.0/8, ::/0"}  # noqa: SLF001
    monkeypatch.setenv("PARAMETERS", "LogLevel='DEBUG")
    with pytest.raises(ValueError, match=r"^PARAMETERS: a quotation mark"):
        up._stack()  # noqa: SLF001


def test_g12_each_start_of_a_stack_is_a_new_stack_with_an_id_of_its_own() -> None:
    unique: Any = {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}
    first, second = Template(), Template()
    assert str(uuid.UUID(first.resolve(unique))) == first.resolve(unique)
    assert first.resolve(unique) == first.resolve(
        {"Fn::Select": ["2", {"Fn::Split": ["/", {"Fn::Sub": "${AWS::StackId}"}]}]}
    )
    assert first.resolve(unique) != second.resolve(unique)
    assert Template(stack_id=first.stack_id).resolve(unique) == first.resolve(unique)


@pytest.mark.parametrize(("name", "way"), [("LangGraphUrl", "LANGGRAPH_URL"), ("WebhookUrl", "WEBHOOK_PORT")])
def test_a_parameter_that_the_local_stack_sets_itself_is_refused_with_the_way_out(name: str, way: str) -> None:
    with pytest.raises(ValueError, match=f"^PARAMETERS: {name} is the stack's own here; .*{way}"):
        up._parameters(f"{name}=http://127.0.0.1:1")  # noqa: SLF001
