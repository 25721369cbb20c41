"""What comes of the Demo City when it is imported and judged on its day, 20 October 2026."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
import yaml

from dafeng.assessment import assess_plan
from dafeng.assessment.records import Assessment, Status
from dafeng.base.observation import KEY, check_observations
from dafeng.carbon import Inventory, account
from dafeng.catalog import Catalog, load_catalog
from dafeng.intake import Imported, import_table
from dafeng.methods.rate_policy import RatePolicy, Rule

DEMO = Path(__file__).resolve().parents[3] / "src" / "dafeng" / "workflow" / "demo_city"
AS_OF = date(2026, 10, 20)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog([DEMO / "catalog"])


@pytest.fixture(scope="module")
def imported(catalog: Catalog) -> dict[str, Imported]:
    entries = yaml.safe_load((DEMO / "data" / "imports.yaml").read_text(encoding="utf-8"))["imports"]
    found = {}
    for entry in entries:
        file = entry.pop("file")
        moment = datetime(2026, 10, 20, tzinfo=UTC)
        found[file] = import_table(DEMO / "data" / file, catalog, recorded_at=moment, home="demo-city", **entry)
    return found


@pytest.fixture(scope="module")
def facts(imported: dict[str, Imported]) -> pl.DataFrame:
    rows = pl.concat([one.observations for one in imported.values()])
    assert check_observations(rows) == []
    return rows.unique(KEY, keep="last", maintain_order=True)


@pytest.fixture(scope="module")
def assessment(facts: pl.DataFrame, catalog: Catalog) -> Assessment:
    return assess_plan(catalog.plans["demo-city-2024"], facts, catalog, as_of=AS_OF)


def test_the_import_finds_the_deliberate_faults_and_no_other(imported: dict[str, Imported]) -> None:
    found = {(file, finding.name, finding.severity.value) for file, one in imported.items() for finding in one.findings}
    assert found == {
        ("returns_departments.csv", "intake.value.estimate", "warning"),
        ("yearbook_construction.xlsx", "intake.value.unusual", "warning"),
        ("yearbook_construction.xlsx", "intake.share.fraction-among-percent", "error"),
        ("returns_departments.csv", "intake.row.disagree", "error"),
        ("ledger_divisions.csv", "intake.place.unknown", "error"),
        ("ledger_divisions.csv", "intake.place.renamed", "info"),
        ("yearbook_construction.xlsx", "intake.value.formula", "warning"),
    }


def test_only_the_doubled_figure_the_fraction_and_the_unknown_place_are_refused(imported: dict[str, Imported]) -> None:
    refused = {file: one.counts["refused"] for file, one in imported.items() if one.counts["refused"]}
    assert refused == {"returns_departments.csv": 2, "ledger_divisions.csv": 1, "yearbook_construction.xlsx": 1}


def test_the_dash_becomes_the_one_stated_gap(facts: pl.DataFrame) -> None:
    gaps = facts.filter(pl.col("value").is_null())
    assert gaps.select("indicator", "period").rows() == [("reclaimed_water_rate", "2025")]


def test_every_row_is_marked_as_demonstration(facts: pl.DataFrame) -> None:
    assert facts["kind"].unique().to_list() == ["demonstration"]
    assert facts.height > 1500


def test_a_later_return_restates_the_first_edition(imported: dict[str, Imported]) -> None:
    first = imported["returns_2024_first_edition.csv"].observations
    later = imported["returns_departments.csv"].observations
    both = first.join(later, on=list(KEY), suffix="_later")
    assert both.height == first.height == 2
    assert (both["value"] != both["value_later"]).all()


def test_every_status_has_an_example(assessment: Assessment) -> None:
    assert {row.status for row in assessment.rows} == set(Status)
    assert assessment.findings == ()


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("rail-2025", Status.MET),
        ("green-community-2027", Status.MET_EARLY),
        ("zero-carbon-zones-2025", Status.MISSED),
        ("waste-recovery-2030", Status.ON_TRACK),
        ("rail-2030", Status.AT_RISK),
        ("ultra-low-2030", Status.OFF_TRACK),
        ("reclaimed-2025", Status.UNPROVEN),
        ("fully-fitted-2030", Status.NO_DATA),
        ("cluster-density", Status.HOLDS),
        ("county-plaza", Status.BREACHED),
        ("road-density", Status.UNKNOWN),
        ("housing-system-2026", Status.DONE),
        ("peak-2030", Status.OPEN),
        ("regulation-2025", Status.OVERDUE),
        ("leakage", Status.DEPENDS_ON_DEFINITION),
        ("utility-tunnels-2025", Status.DEPENDS_ON_DEFINITION),
    ],
)
def test_the_example_of_each_status_is_the_intended_one(assessment: Assessment, target: str, status: Status) -> None:
    assert [row.status for row in assessment.of(target)] == [status]


def test_the_road_network_of_another_extent_is_shown_as_reference_only(assessment: Assessment) -> None:
    (row,) = assessment.of("road-density")
    assert row.latest is None
    assert "built_up" in {str(reference.use.extent) for reference in row.references}


def test_a_yearly_duty_has_met_and_missed_years(assessment: Assessment) -> None:
    statuses = {row.year: row.status for row in assessment.of("heat-network-yearly")}
    assert statuses[2022] is Status.MET
    assert statuses[2023] is Status.MISSED
    assert statuses[2026] is Status.NO_DATA


@pytest.fixture(scope="module")
def carbon(facts: pl.DataFrame, catalog: Catalog) -> Inventory:
    return account(
        facts, catalog, "urban-rural-construction", as_of=AS_OF, recorded_at=datetime(2026, 10, 20, tzinfo=UTC),
        policy=RatePolicy(rules=(Rule.exact(), Rule.hold_last(3), Rule.back_cast())),
    )  # fmt: skip


def test_the_carbon_account_of_the_whole_city_is_complete_in_every_year(carbon: Inventory) -> None:
    whole = carbon.totals().filter(pl.col("extent") == "whole", pl.col("boundary") == "whole_field")
    for basis in ("location_based", "market_based"):
        assert whole.filter(basis=basis)["period"].to_list() == [str(year) for year in range(2015, 2026)]
    assert carbon.missing_table.filter(pl.col("extent") == "whole").is_empty()
    assert not [finding for finding in carbon.findings if finding.severity.value == "error"]


def test_petrol_recorded_under_buildings_is_taken_out_and_exported_photovoltaics_are_a_memo(carbon: Inventory) -> None:
    memo = carbon.totals().filter(
        pl.col("extent") == "whole", pl.col("boundary").is_in(["vehicle_fuel", "exported_pv"])
    )
    assert memo.height == 2 * 11
    assert (memo.filter(boundary="vehicle_fuel")["value"] > 0).all()
    assert (memo.filter(boundary="exported_pv")["value"] < 0).all()
