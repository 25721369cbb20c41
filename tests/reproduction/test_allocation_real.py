"""Division by real criteria: provinces by population; prefectures without any are named."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from dafeng.lake import Workspace
from dafeng.pathways.allocation_criteria import AllocationMethod
from dafeng.workflow.allocation import make_allocations
from dafeng.workflow.allocation_request import AllocationRequest
from dafeng.workflow.facts import ImportOptions, import_file
from dafeng.workflow.setting import Setting
from form_builders import shipped

DAY = date(2026, 11, 20)
UNKNOWN = ("aomen", "taiwan", "xianggang")


@pytest.fixture(scope="module")
def nation(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Setting:
    workspace = Workspace.create(tmp_path_factory.mktemp("nation") / "w", title="全国", place="cn")
    setting = Setting(shipped(), workspace)
    table = shared / "data/china_population/province_population_2000_2019.csv"
    import_file(setting, table, ImportOptions(), recorded_at=datetime(2026, 11, 1, tzinfo=UTC))
    return setting


def test_a_national_amount_goes_to_provinces_by_population(nation: Setting, shared: Path) -> None:
    asked = AllocationRequest(targets=("smart-bases-2030",), method=AllocationMethod.PER_HEAD)
    (one,) = make_allocations(nation, "national-2022", asked, as_of=DAY, known_at=None).allocations
    assert one.shares == ()
    (unknown,) = [finding for finding in one.findings if finding.name == "pathways.allocation.criterion-unknown"]
    assert sorted(unknown.value.split("、")) == sorted(UNKNOWN)

    own = asked.model_copy(update={"own": dict.fromkeys(UNKNOWN, 0.0)})
    (one,) = make_allocations(nation, "national-2022", own, as_of=DAY, known_at=None).allocations
    assert one.sum_units() == 100
    (criterion,) = one.problem.criteria
    assert criterion.values["guangdong"].years == (2019,)
    table = pl.read_csv(shared / "data/china_population/province_population_2000_2019.csv").filter(
        (pl.col("year") == 2019) & (pl.col("region") != "National Total")
    )
    # second route: largest remainder over the file itself, in order of population
    quota = table.with_columns(q=100 * pl.col("population_10k") / pl.col("population_10k").sum())
    quota = quota.with_columns(n=pl.col("q").floor()).sort(pl.col("q") - pl.col("n"), descending=True)
    left = 100 - int(quota["n"].sum())
    quota = quota.with_row_index().with_columns(n=pl.col("n") + (pl.col("index") < left))
    assert sorted(quota["n"].to_list()) == sorted(value for name, value in one.values().items() if name not in UNKNOWN)
    assert one.values()["guangdong"] == quota.filter(pl.col("region") == "Guangdong")["n"].item()


def test_prefectures_without_a_criterion_are_named(nation: Setting) -> None:
    asked = AllocationRequest(targets=("heat-network-2025",))
    (one,) = make_allocations(nation, "jilin-2023", asked, as_of=date(2024, 3, 1), known_at=None).allocations
    (unknown,) = [finding for finding in one.findings if finding.name == "pathways.allocation.criterion-unknown"]
    assert len(unknown.value.split("、")) == 9
    assert "长春市" in unknown.sentence
