"""What is said of costs and load is what is reckoned now. `make costs` and `make load` write both pages anew."""

from __future__ import annotations

import pytest

from local.template import ROOT
from runledger.bootstrap import sweep
from tests.bench import costs, costs_page, limits, load_page
from tests.bench.counts import PAYLOADS
from tests.bench.load import LENGTHS, Day, Setting, World
from tests.contract.source import TEMPLATE

BENCH = ROOT / "tests/bench"


def an_hour(api: int = 100, webhook: int = 500, workers: int = 10) -> Day:
    setting = Setting("an hour", runs=1_000_000, api=api, webhook=webhook, workers=workers)
    return World(setting, seconds=3600).live()


def test_g10_the_page_of_costs_is_what_the_counts_come_to() -> None:
    assert (BENCH / "COSTS.md").read_text() == costs_page.document()


def test_g10_a_million_runs_cost_what_their_units_invocations_and_requests_do() -> None:
    """Reckoned by hand, at the page's prices."""
    each = costs.dollars("2 KB", 512, "x86_64")
    assert each["DynamoDB, writes"] == pytest.approx((9 + 9 + 9 + 4) * 0.625)
    assert each["Lambda, invocations"] == pytest.approx(5 * 0.20)
    assert each["HTTP APIs"] == pytest.approx(3 * 1.00)
    assert costs.dollars("1 MB", 512, "x86_64")["HTTP APIs"] == pytest.approx(4 * 1.00)
    assert costs.dollars("50 KB", 512, "x86_64")["S3, requests"] == pytest.approx(5.00 + 0.40)
    arm = costs.dollars("2 KB", 512, "arm64")
    assert arm["Lambda, time"] == pytest.approx(each["Lambda, time"] * 0.8, rel=1e-4)
    assert all(costs.kept(size) > 0 for size in PAYLOADS)


def test_g10_by_default_a_payload_stands_where_it_is_cheaper() -> None:
    """Reckoned by hand: a KB more in the item is three write units, 1.88; the bucket, 2.09 more than 2 KB there."""
    assert costs.cheapest_inline_kb() == 2 + int(2.09 / 1.875)
    assert TEMPLATE.document["Parameters"]["InlinePayloadBytes"]["Default"] == costs.cheapest_inline_kb() * 1024


def test_g10_the_readme_has_the_headline_of_both_pages() -> None:
    readme = (ROOT / "README.md").read_text()
    small, most, large = (sum(costs.dollars(size, 512, "x86_64").values()) for size in ("2 KB", "32 KB", "1 MB"))
    assert f"{small:.0f} dollars with results of 2 KB, {large:.0f} with 1 MB, {most:.0f} with 32 KB" in readme
    met = {one.what: f"{one.runs_per_second * 86_400 / 1e6:.1f} million" for one in limits.limits()}
    for what in ("throttle of `POST /runs`", "workers, if every run", "workers, if no webhook"):
        assert next(said for name, said in met.items() if name.startswith(what)) in readme


def test_g10_the_page_of_limits_is_what_the_model_comes_to() -> None:
    """The first of the days too; the others take seconds each."""
    page = (BENCH / "LOAD.md").read_text()
    assert load_page.met() in page
    first, *others = load_page.SETTINGS
    assert f"| {' | '.join(map(str, load_page.row(first)))} |" in page
    assert all(f"\n| {setting.name} | " in page for setting in others)


def test_g10_what_the_model_takes_from_code_and_template_is_there() -> None:
    assert f"_SPARE_SECONDS = {limits.SPARE_SECONDS} " in (ROOT / "functions/sweep/app.py").read_text()
    assert sweep._MESSAGES_FOR_EACH == limits.FULL  # noqa: SLF001 - what the model takes
    events = TEMPLATE.document["Resources"]["WorkerFunction"]["Properties"]["Events"]
    source, messages = (events[name]["Properties"] for name in ("RunsWritten", "WorkMessage"))
    assert (source["BatchSize"], source["ParallelizationFactor"]) == (limits.BATCH, limits.LANES)
    assert messages["BatchSize"] == limits.BATCH
    assert sum(LENGTHS.values()) == pytest.approx(1)
    assert limits.looks(120) == ()
    assert limits.looks(3600) == (120, 360, 840, 1740, 2640, 3540)


def test_g10_the_same_day_comes_each_time() -> None:
    assert an_hour() == an_hour()


def test_g10_what_a_door_refuses_waits_or_is_reconciles() -> None:
    usual, low, high = an_hour(), an_hour(webhook=10), an_hour(api=5000, webhook=5000)
    assert (high.lost, high.waited) == (0, 0)
    assert usual.waited > 0
    assert low.lost > usual.lost
    assert an_hour(webhook=10, workers=100).overdue <= low.overdue
