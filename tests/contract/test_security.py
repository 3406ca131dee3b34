"""SECURITY.md names tests and mutations that are there. That they fit together, `make mutations` shows."""

from __future__ import annotations

import ast
import re

import pytest

from local.template import ROOT
from tests.contract.security import Row, rows
from tests.mutations import MUTATIONS, TESTS

NAMES = {str(mutation): mutation.guarantee for mutation in MUTATIONS}
TEXT = (ROOT / "SECURITY.md").read_text()


def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.what[:40])
def test_a_row_names_a_test_and_a_mutation_of_the_guarantee_that_the_test_bears_the_name_of(row: Row) -> None:
    path, _, name = row.test.partition("::")
    assert name in names_in(path)
    assert f"_{NAMES[row.mutation].lower()}_" in name
    assert path.startswith(TESTS)


def test_the_table_has_a_row_for_each_thing_that_can_be_tried() -> None:
    assert len({row.what for row in rows()}) == len(rows()) > 30


def test_whatever_file_it_names_is_there() -> None:
    files = set(re.findall(r"`((?:tests|domain)/[\w/]+\.py)[`:]", TEXT))
    found = {name: ROOT / ("layers/runledger/runledger" if name.startswith("domain/") else "") / name for name in files}
    assert [name for name, path in found.items() if not path.is_file()] == []


def test_the_readme_counts_the_mutations() -> None:
    assert f"makes {len(MUTATIONS)} such changes" in (ROOT / "README.md").read_text()


def test_every_end_to_end_test_has_its_stack_watched() -> None:
    makers = [path.name for path in (ROOT / "tests" / "e2e").glob("*.py") if re.search(r"\bStack\(", path.read_text())]
    assert makers == []
