"""Imports point down: functions, bootstrap, use cases, domain; and each function loads no more than it needs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import langgraph_sdk
import pytest

from langchain_core.language_models import chat_model_stream as stand_in
from local.template import ROOT
from tests.contract.source import FUNCTIONS, imports, modules, reached

DOMAIN, USE_CASES, ADAPTERS = "runledger.domain", "runledger.use_cases", "runledger.adapters"
BOOTSTRAP = "runledger.bootstrap"
ANYWHERE = {"runledger", "runledger.telemetry", "runledger.deadline"}  # what every room may import
FETCHING = {
    *("urllib.request", "http.client", "socket", "ftplib", "smtplib", "xmlrpc", "requests", "urllib3"),
    *("subprocess", "multiprocessing", "pty", "ctypes", "pip", "ensurepip", "venv", "zipimport"),
    *("importlib", "runpy", "code", "pickle", "marshal", "shelve"),
}
BUILTIN = {"eval", "exec", "compile", "__import__"}
STARTING = ("os.system", "os.popen", "os.exec", "os.spawn", "os.posix_spawn", "os.fork")
SDK = {"langgraph_sdk", "langchain_core", "langsmith", "pydantic", "httpx", "orjson"}


def within(package: str) -> list[str]:
    found = [name for name in modules() if name == package or name.startswith(f"{package}.")]
    assert found
    return found


def outside_stdlib(module: str, *, typing: bool = True) -> set[str]:
    return {name for name in imports(module, typing=typing) if name.split(".")[0] not in sys.stdlib_module_names}


def own_packages() -> set[str]:
    return {function.handler.split(".")[0] for function in FUNCTIONS}


def packages(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("module", within(DOMAIN))
def test_the_domain_imports_the_standard_library_and_itself(module: str) -> None:
    assert outside_stdlib(module) <= set(within(DOMAIN))


@pytest.mark.parametrize("module", within(USE_CASES))
def test_use_cases_import_the_domain_and_ask_the_world_outside_through_ports(module: str) -> None:
    assert outside_stdlib(module) <= {*within(DOMAIN), *within(USE_CASES), *ANYWHERE}


@pytest.mark.parametrize("module", within(ADAPTERS))
def test_adapters_import_boto3_powertools_and_the_domain(module: str) -> None:
    ours = {*within(DOMAIN), *within(ADAPTERS), *ANYWHERE}
    assert packages(outside_stdlib(module, typing=False) - ours) <= {"boto3", "botocore", "aws_lambda_powertools"}
    assert not packages(outside_stdlib(module) - ours) & {"runledger", "runledger_langgraph", *own_packages()}


@pytest.mark.parametrize("module", within("runledger_langgraph"))
def test_the_langgraph_layer_imports_the_sdk_and_the_domain(module: str) -> None:
    ours = {*within(DOMAIN), *within("runledger_langgraph"), *ANYWHERE}
    left = outside_stdlib(module) - ours - {f"{USE_CASES}.ports"}
    assert packages(left) <= {"langgraph_sdk", "anyio", "httpx", "orjson"}


def test_only_bootstrap_builds_and_only_functions_use_it() -> None:
    importers = {name for name in modules() if any(one.startswith(BOOTSTRAP) for one in imports(name))}
    assert importers - set(within(BOOTSTRAP)) == {function.handler.removesuffix(".handler") for function in FUNCTIONS}


def test_only_the_langgraph_layer_imports_the_sdk() -> None:
    importers = {name for name in modules() if packages(imports(name, typing=False)) & SDK}
    assert packages(importers) == {"runledger_langgraph"}
    for name in set(modules()) - set(within("runledger_langgraph")):
        typed = {other for other in imports(name) if packages({other}) & SDK}
        assert typed <= ({"langgraph_sdk.client"} if "runledger_langgraph" in packages(imports(name)) else set())


def test_functions_never_import_each_other() -> None:
    own = own_packages()
    assert own == {path.name for path in (ROOT / "functions").iterdir() if (path / "app.py").exists()}
    for name in own:
        assert not packages({other for module in within(name) for other in imports(module)}) & (own - {name})


def test_a_function_has_the_layers_that_its_code_imports_and_no_others() -> None:
    packaged = {"layers/runledger": "runledger", "layers/langgraph": "runledger_langgraph"}
    for function in FUNCTIONS:
        _, *layers = (str(folder.relative_to(ROOT)).rstrip("/") for folder in function.code)
        assert {packaged[layer] for layer in layers} == packages(reached(function)) - packages({function.handler})


@pytest.mark.parametrize("module", sorted(modules()))
def test_g9_nothing_is_fetched_started_or_made_into_code_when_a_function_runs(module: str) -> None:
    """What runs is what was built; what is asked of others goes through boto3 and LangGraph's SDK."""
    assert not imports(module) & FETCHING
    assert not packages(imports(module)) & FETCHING
    calls = (ast.unparse(node.func) for node in ast.walk(modules()[module]) if isinstance(node, ast.Call))
    assert not {call for call in calls if call in BUILTIN or call.startswith(STARTING)}


def test_nobody_edits_the_import_path() -> None:
    for name, tree in modules().items():
        assert not [node for node in ast.walk(tree) if ast.unparse(node) == "sys.path"], name


def loaded(code: str, *flags: str, path: str, **variables: str) -> set[str]:
    """Return the top-level modules that a fresh Python has after `code`."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        env={"PATH": os.defpath, "PYTHONPATH": path, "AWS_DEFAULT_REGION": "us-east-1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return packages(set(done.stdout.split()))


def test_the_webhook_loads_nothing_of_the_sdk() -> None:
    (webhook,) = [function for function in FUNCTIONS if function.name == "WebhookFunction"]
    everything = os.pathsep.join(str(folder) for function in FUNCTIONS for folder in function.code)
    names = loaded("import webhook.app", path=everything, **webhook.environment)
    assert {"webhook", "boto3", "aws_lambda_powertools"} <= names
    assert not names & {*SDK, "runledger_langgraph", "launch"}


def test_the_domain_works_where_nothing_is_installed() -> None:
    code = "\n".join(f"import {module}" for module in within(DOMAIN))
    names = loaded(code, "-S", path=str(ROOT / "layers" / "runledger"))
    assert names - set(sys.stdlib_module_names) <= {"runledger", "__main__"}


def test_g10_what_the_sdk_imports_of_langchain_core_is_what_stands_in_for_it() -> None:
    sdk = next(Path(folder) for folder in langgraph_sdk.__path__)
    taken = {
        (node.module, alias.name)
        for source in sdk.rglob("*.py")
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.ImportFrom) and packages({node.module or ""}) == {"langchain_core"}
        for alias in node.names
    }
    classes = (stand_in.ChatModelStream, stand_in.AsyncChatModelStream)
    assert taken == {(stand_in.__name__, one.__name__) for one in classes}
    for one in classes:
        with pytest.raises(NotImplementedError, match="langchain-core, which this layer leaves out"):
            one(namespace=[], node=None)
