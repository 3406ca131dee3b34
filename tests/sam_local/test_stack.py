"""The stack that `sam local` works against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path


def test_a_stack_starts_with_an_empty_aws_whatever_ran_before_in_this_process(tmp_path: Path) -> None:
    for _ in range(2):
        with Stack(langgraph_url="http://127.0.0.1:9", folder=tmp_path) as stack:
            assert stack.table("RunsTable").scan()["Count"] == 0
            stack.table("RunsTable").put_item(Item={"run_id": "left behind"})


def test_containers_reach_this_machines_servers_by_dockers_name_for_it(tmp_path: Path) -> None:
    given = {"LangGraphFormerUrls": "http://before.example"}
    with Stack(langgraph_url="http://127.0.0.1:9", folder=tmp_path, parameters=given) as stack:
        variables = stack.container_environment()
        environment = next(f.environment for f in stack.template.functions() if f.name == "WorkerFunction")
        port = stack.endpoint_url.rsplit(":", 1)[1]
    assert variables["LaunchFunction"]["LANGGRAPH_URL"] == "http://host.docker.internal:9"
    assert variables["LaunchFunction"]["WEBHOOK_URL"] == stack.webhook_url  # LangGraph's way, which is no container
    for of_function in (variables["LaunchFunction"], environment):  # what either starts is on the same server
        former = of_function["LANGGRAPH_FORMER_URLS"].split(",")
        assert former == ["http://127.0.0.1:9", "http://host.docker.internal:9", "http://before.example"]
    assert {v["AWS_ENDPOINT_URL"] for v in variables.values()} == {f"http://host.docker.internal:{port}"}
