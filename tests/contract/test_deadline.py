"""Every adapter that changes something looks at the invocation's time first."""

from __future__ import annotations

import ast

from tests.contract.source import modules

READS = (  # calls of AWS clients that change nothing
    *("get_item", "query", "get_object", "generate_presigned_url"),
    *("get_secret_value", "describe_secret", "get_queue_attributes"),
)


def methods() -> list[tuple[str, ast.FunctionDef, set[str]]]:
    """Return each function of the adapters that calls an AWS client, with the names of those calls."""
    found = []
    for name, tree in modules().items():
        if not name.startswith("runledger.adapters."):
            continue
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            called = {
                node.func.attr
                for node in ast.walk(function)
                if isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Attribute)
                and node.func.value.attr in ("_client", "_signer")
            }
            if called:
                found.append((f"{name}.{function.name}", function, called))
    return found


def test_g6_no_call_that_changes_something_is_begun_for_which_there_may_be_no_time() -> None:
    changing = [(name, function) for name, function, called in methods() if not called <= set(READS)]
    assert len(changing) >= 8
    for name, function in changing:
        body = [
            node for node in function.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        ]
        assert ast.unparse(body[0]) == "deadline.check()", name


def test_what_reads_waits_for_no_time_to_write() -> None:
    """A caller with `Prefer: wait=25` is answered when less is left than a write may take."""
    for name, function, called in methods():
        if called <= set(READS):
            assert "deadline" not in ast.unparse(function), name
