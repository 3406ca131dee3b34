"""G10: the figures that the project shows are those that were measured, and within their budgets."""

from __future__ import annotations

import json

import pytest

from tests.bench.bench import REPORT, RESULTS
from tests.bench.budgets import BUDGETS, Budget
from tests.bench.report import markdown

MEASURED = json.loads(RESULTS.read_text())


def test_the_report_is_of_these_results() -> None:
    assert REPORT.read_text() == markdown(MEASURED)


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda budget: f"{budget.subject} {budget.figure} {budget.reference}")
def test_the_figures_shown_keep_every_budget(budget: Budget) -> None:
    assert budget.spent(MEASURED["rounds"]) <= budget.most


def test_a_ratio_is_the_median_of_pairs() -> None:
    rounds = {"a": [{"cold": 1}, {"cold": 6}, {"cold": 9}], "b": [{"cold": 1}, {"cold": 3}, {"cold": 3}]}
    assert Budget("a", "cold", 1, "b").spent(rounds) == 2
    assert Budget("a", "cold", 1).spent(rounds) == 6
