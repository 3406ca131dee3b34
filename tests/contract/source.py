"""The source as syntax trees, and template.yaml with every resource named by its logical id."""

from __future__ import annotations

import ast
import functools
from typing import TYPE_CHECKING

from local.template import ROOT, Function, Template

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOTS = tuple(ROOT / folder for folder in ("functions", "layers/runledger", "layers/langgraph"))
OPTIONS = {  # every optional parameter, given
    "AcceptSharedTokens": "true",
    "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:alarms",
    "AllowInsecureUrls": "true",
    "Architecture": "arm64",
    "LangGraphFormerUrls": "https://before.example.org,http://older.example.org:8123/agents/",
    "SecurityGroupIds": "sg-0123456789abcdef0",
    "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "Tracing": "Active",
    "WebhookReservedConcurrency": "50",
    "LaunchReservedConcurrency": "40",
    "QueryReservedConcurrency": "30",
    "WebhookSourceCidrs": "203.0.113.0/24,2001:db8::/32",
    "WebhookUrl": "https://hooks.example.org/webhook",
}


def template(**parameters: str) -> Template:
    """Return the template as CloudFormation would resolve it."""
    made = Template({"LangGraphUrl": "https://langgraph.example.org", **parameters})
    made.names.update({name: name for name in made.document["Resources"]})
    return made


TEMPLATE = template()
FUNCTIONS = TEMPLATE.functions()


def named(function: Function) -> str:
    """Return how a parametrised test calls the function."""
    return function.name


@functools.cache
def modules() -> dict[str, ast.Module]:
    """Return every module of functions/ and layers/ by its dotted name."""
    found = {}
    for root in ROOTS:
        for path in root.rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text(), str(path))
    return found


def imports(module: str, *, typing: bool = True) -> set[str]:
    """Return what `module` imports, names within packages of ours resolved; `typing` with what only types need."""
    found = set()
    for node in _nodes(modules()[module], typing=typing):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            source = str(node.module)
            found |= {
                f"{source}.{alias.name}" if f"{source}.{alias.name}" in modules() else source for alias in node.names
            }
    return found


def reached(function: Function) -> set[str]:
    """Return the modules of ours that run when the function does."""
    start = function.handler.rsplit(".", 1)[0]
    seen, left = set(), [start]
    while left:
        if (module := left.pop()) not in seen:
            seen.add(module)
            left += [name for name in imports(module, typing=False) if name in modules()]
    return seen


def calls(names: set[str], on: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield the method's name and the call, for each call of a method of the variable `on` in the modules."""
    for name in sorted(names):
        for node in ast.walk(modules()[name]):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=base) | ast.Attribute(attr=base), attr=method)):
                    if base == on:
                        yield method, node


def client_calls(function: Function) -> Iterator[ast.Call]:
    """Yield the calls of AWS clients that a function can reach: in the adapters' methods that its code uses."""
    for method in _adapters_used(function):
        for node in ast.walk(method):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="_client" | "_signer"))):
                    yield node


def indexes_queried(function: Function) -> set[str]:
    """Return the names of the indexes that a function can reach, which stand in the adapters' methods."""
    return {
        str(node.value.value)
        for method in _adapters_used(function)
        for node in ast.walk(method)
        if isinstance(node, ast.keyword) and node.arg == "IndexName" and isinstance(node.value, ast.Constant)
    }


def read_of(module: str, variable: str) -> set[str]:
    """Return the names of the members that a module reads of the mapping `variable`, by [] or get, or asks for."""
    found = set()
    for node in ast.walk(modules()[module]):
        match node:
            case (
                ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(member)))
                | ast.Call(
                    func=ast.Attribute(value=ast.Name(id=name), attr="get"), args=[ast.Constant(value=str(member)), *_]
                )
                | ast.Compare(left=ast.Constant(value=str(member)), comparators=[ast.Name(id=name)])
            ) if name == variable:
                found.add(member)
    return found


def _adapters_used(function: Function) -> list[ast.FunctionDef]:
    """Return the adapters' functions and methods whose names are called: by the function's code, or by one another."""
    names = reached(function)
    adapters = {name for name in names if name.startswith("runledger.adapters.")}
    defined = [n for name in adapters for n in ast.walk(modules()[name]) if isinstance(n, ast.FunctionDef)]
    used = {
        call.attr for name in names - adapters for call in _called(modules()[name]) if isinstance(call, ast.Attribute)
    }
    while more := {_name(call) for node in defined if node.name in used for call in _called(node)} - used:
        used |= more
    return [node for node in defined if node.name in used]


def _called(tree: ast.AST) -> Iterator[ast.Attribute | ast.Name]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            yield node.func


def _name(called: ast.Attribute | ast.Name) -> str:
    return called.attr if isinstance(called, ast.Attribute) else called.id


def text_argument(call: ast.Call) -> str:
    """Return the first argument, which must be written out, so that what is read can be read here too."""
    match call.args:
        case [ast.Constant(value=str(text)), *_]:
            return text
    raise AssertionError(f"line {call.lineno}: {ast.unparse(call)} does not name it")


def _nodes(tree: ast.AST, *, typing: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if typing or not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from _nodes(node, typing=typing)
