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
    "Architecture": "arm64",
    "SecurityGroupIds": "sg-0123456789abcdef0",
    "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "Tracing": "Active",
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
