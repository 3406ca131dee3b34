"""The guarantees are defined in one place, and every test that names one names one of these."""

from __future__ import annotations

import ast
import re

from local.template import ROOT

DEFINED = re.findall(r"^\| (G\d+) \| \*\*", (ROOT / "docs" / "guarantees.md").read_text(), re.MULTILINE)
DOCS = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]


def named() -> set[str]:
    """Return the guarantees that tests name."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and (names := re.match(r"test_((?:g\d+_)+)", node.name)):
                found |= {name.upper() for name in names[1].strip("_").split("_")}
    return found


def test_each_guarantee_is_defined_once_and_held_by_a_test() -> None:
    assert [f"G{number}" for number in range(1, 15)] == DEFINED
    assert named() == set(DEFINED)


def test_each_link_of_the_docs_leads_to_a_file() -> None:
    for path in DOCS:
        links = re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text())
        assert [link for link in links if not (path.parent / link).exists()] == [], path


def test_the_architecture_names_modules_that_there_are() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    sources = [*(ROOT / "layers").rglob("*.py"), *(ROOT / "functions").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    known = {path.name for path in sources} | {"<name>/app.py"}
    modules = set(re.findall(r"`(?:[\w/…<>.]+/)?(\w+\.py)`", text))
    assert modules
    assert modules <= known
