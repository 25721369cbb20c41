"""Each kind of check on small tables: the fault is found at its cell, the sound figures beside it are not touched."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from dafeng.base.errors import InputError
from dafeng.base.finding import Severity
from dafeng.base.lineage import LINEAGE_SCHEMA
from dafeng.base.observation import SCHEMA, check_observations
from dafeng.catalog import load_catalog
from dafeng.catalog.statistics_checks import PARAMETERS
from dafeng.catalog.statistics_schemas import CheckKind
from dafeng.statistics import CELL_SCHEMA, check_data

CATALOG = load_catalog()
CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "data_checks.yaml").read_text(encoding="utf-8"))["cases"]
CITIES = [
    place.id
    for place in sorted(
        CATALOG.places.children("shandong") + CATALOG.places.children("henan"), key=lambda place: place.codes[0].code
    )
]


def fact(indicator: str, place: str, period: str, value: float | None, **others: str) -> dict[str, Any]:
    known = CATALOG.indicators[indicator]
    row: dict[str, Any] = dict.fromkeys(SCHEMA)
    row |= dict.fromkeys(("building_class", "carrier", "end_use", "boundary"), "all")
    row |= {"indicator": indicator, "place": place, "period": period, "extent": known.extent.value, "value": value}
    row |= {"basis": known.bases[0] if known.bases else "", "kind": "reported", "scenario": "", "member": ""}
    row |= {"dataset": "returns", "recorded_at": datetime(2026, 1, 1, tzinfo=UTC), "review": "approved"}
    row |= {"missing_reason": "not_reported" if value is None else None}
    return row | others


def frame_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=SCHEMA)
    assert check_observations(frame) == []
    return frame


def rows_of(case: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [
        fact(indicator, place, str(first + step), value)
        for indicator, place, first, values in case.get("series", [])
        for step, value in enumerate(values)
    ]
    rows += [
        fact(indicator, place, period, value)
        for indicator, place, values in case.get("periods", [])
        for period, value in values.items()
    ]
    rows += [
        fact(indicator, place, period, value, **{column: code})
        for indicator, place, period, column, values in case.get("parts", [])
        for code, value in values.items()
    ]
    rows += [
        fact(indicator, place, period, value, dataset=dataset)
        for indicator, place, period, values in case.get("sources", [])
        for dataset, value in values.items()
    ]
    return rows


@pytest.mark.parametrize("name", CASES)
def test_a_small_table_gives_what_it_must(name: str) -> None:
    checked = check_data(frame_of(rows_of(CASES[name])), CATALOG)
    serious = checked.cells.filter(pl.col("severity") != "info")
    found = {tuple(row) for row in serious.select("check", "place", "period").rows()}
    assert found == {tuple(row) for row in CASES[name]["found"]}
    for finding in checked.findings:
        assert finding.next_step
        assert finding.name.startswith("data.")
        assert finding.evidence["dataset"]


def panel(years: int = 12, places: list[str] | None = None, columns: int = 8) -> pl.DataFrame:
    """Return a sound table: levels that differ by place, small changes from year to year."""
    rng = np.random.default_rng(7)
    names = [
        "drain_density", "road_area_per_person", "park_green_per_person", "central_heating_area", "natural_gas_supply",
        "resident_population", "sewage_treatment_rate", "gas_coverage",
    ][:columns]  # fmt: skip
    rows = []
    for place in places or CITIES:
        for name in names:
            share = CATALOG.indicators[name].unit == "percent"
            level = rng.uniform(60, 95) if share else np.exp(rng.normal(3, 0.8))
            for step in range(years):
                level = min(100.0, level + rng.normal(0, 0.4)) if share else level * np.exp(rng.normal(0.02, 0.02))
                rows.append(fact(name, place, str(2010 + step), round(float(level), 4)))
    return frame_of(rows)


def planted(frame: pl.DataFrame, period: str, source: dict[str, str], other: str = "") -> pl.DataFrame:
    """Return the table with the figures of some places of one period taken from others, or of another period."""
    taken = frame.filter(pl.col("period") == (other or period)).select(
        "indicator", pl.col("place").alias("from"), pl.col("value").alias("taken")
    )
    moved = (
        frame.with_row_index("number")
        .with_columns(pl.col("place").replace(source).alias("from"))
        .join(taken, on=["indicator", "from"], how="left")
        .sort("number")
    )
    here = (pl.col("period") == period) & pl.col("place").is_in(list(source))
    return moved.with_columns(value=pl.when(here).then("taken").otherwise("value")).select(list(SCHEMA))


def serious(frame: pl.DataFrame) -> set[str]:
    return set(check_data(frame, CATALOG).cells.filter(pl.col("severity") != "info")["check"])


def test_a_sound_table_gives_nothing() -> None:
    assert serious(panel()) == set()


@pytest.mark.parametrize(("start", "size", "by"), [(1, 30, 1), (0, 30, -1), (4, 8, 1), (10, 12, 2), (3, 5, 1)])
@pytest.mark.parametrize("period", ["2010", "2015", "2021"])
def test_a_shifted_block_is_one_finding_that_names_it(start: int, size: int, by: int, period: str) -> None:
    frame = panel()
    source = {
        CITIES[row]: CITIES[row - by] for row in range(max(start, by), min(start + size, len(CITIES) + min(by, 0)))
    }
    checked = check_data(planted(frame, period, source), CATALOG)
    shifts = [finding for finding in checked.findings if finding.name == "data.shifted-rows"]
    assert [finding.evidence["period"] for finding in shifts] == [period]
    assert shifts[0].evidence["offset"] == by
    assert int(shifts[0].evidence["fitting_rows"] or 0) >= len(source) * 0.8
    assert shifts[0].severity is Severity.ERROR
    kept = checked.cells.filter("quarantine")
    assert set(kept["period"]) == {period}
    assert set(source) <= set(kept["place"])
    # what was set aside is blamed once, and the years around it not at all
    assert set(checked.cells.filter(pl.col("severity") != "info")["check"]) == {"shifted-rows"}


def test_two_rows_that_changed_places() -> None:
    one, two = CITIES[3], CITIES[20]
    checked = check_data(planted(panel(), "2016", {one: two, two: one}), CATALOG)
    assert [(finding.name, finding.evidence.get("fault")) for finding in checked.findings][:1] == [
        ("data.shifted-rows", "exchange")
    ]
    assert set(checked.quarantined["place"]) == {one, two}


def test_two_columns_that_changed_places() -> None:
    frame = panel()
    swap = {"drain_density": "central_heating_area", "central_heating_area": "drain_density"}
    swapped = frame.with_columns(
        indicator=pl.when(pl.col("period") == "2016").then(pl.col("indicator").replace(swap)).otherwise("indicator"),
    ).with_columns(
        extent=pl.col("indicator").replace_strict(
            {n: CATALOG.indicators[n].extent.value for n in frame["indicator"].unique()}
        )
    )
    found = check_data(swapped, CATALOG).findings[0]
    assert found.evidence["fault"] == "columns-exchanged"
    assert {found.evidence["one"], found.evidence["two"]} == set(swap)


def test_a_year_that_repeats_another() -> None:
    frame = panel()
    checked = check_data(planted(frame, "2018", {place: place for place in CITIES}, "2016"), CATALOG)
    found = [finding for finding in checked.findings if finding.evidence.get("fault") == "year-copied"]
    assert [(one.evidence["period"], one.evidence["copied_from"], one.evidence["copied_rows"]) for one in found] == [
        ("2018", "2016", len(CITIES))
    ]


def test_a_place_that_repeats_its_neighbour() -> None:
    frame = planted(panel(), "2014", {CITIES[5]: CITIES[9]})
    cells = check_data(frame, CATALOG).cells.filter(pl.col("check") == "copied-from-place")
    assert set(cells["place"]) == {CITIES[5], CITIES[9]}
    assert set(cells["period"]) == {"2014"}


def test_a_column_that_falls_silent() -> None:
    frame = panel().filter((pl.col("period") != "2017") | (pl.col("indicator") != "drain_density"))
    found = [finding for finding in check_data(frame, CATALOG).findings if finding.severity is Severity.WARNING]
    assert [(one.name, one.evidence["indicator"], one.evidence["places_now"]) for one in found] == [
        ("data.series-falls-silent", "drain_density", 0)
    ]


def test_a_place_under_another_name() -> None:
    frame = panel().with_columns(
        place=pl.when((pl.col("place") == CITIES[2]) & (pl.col("period") >= pl.lit("2016")))
        .then(pl.lit("new-city"))
        .otherwise("place")
    )
    found = [one for one in check_data(frame, CATALOG).findings if one.evidence.get("fault") == "renamed"]
    assert [(one.evidence["old"], one.evidence["new"], one.evidence["period"]) for one in found] == [
        (CITIES[2], "new-city", "2016")
    ]


def test_a_lone_fraction_is_seen_without_history() -> None:
    rows = [
        fact("gas_coverage", place, "2024", 0.97 if place == CITIES[4] else 96.0 + number / 10)
        for number, place in enumerate(CITIES[:12])
    ]
    cells = check_data(frame_of(rows), CATALOG).cells.filter(pl.col("severity") == "error")
    assert cells.select("check", "place").rows() == [("fraction-for-percent", CITIES[4])]


def test_divisions_above_the_place_above() -> None:
    children = [place.id for place in CATALOG.places.children("shandong")]
    rows = [fact("central_heating_area", place, "2024", 100.0) for place in children]
    sound = [*rows, fact("central_heating_area", "shandong", "2024", 100.0 * len(children))]
    wrong = [*rows, fact("central_heating_area", "shandong", "2024", 90.0 * len(children))]
    assert serious(frame_of(sound)) == set()
    cells = check_data(frame_of(wrong), CATALOG).cells.filter(pl.col("severity") == "warning")
    assert cells.select("check", "place", "expected_low").rows() == [
        ("divisions-and-total", "shandong", 98.0 * len(children))
    ]


def test_a_finding_points_at_the_cell_and_rows_are_neighbours_as_in_the_sheet() -> None:
    backwards = list(reversed(CITIES))
    frame = panel()
    source = {backwards[row]: backwards[row - 1] for row in range(1, 20)}
    frame = planted(frame, "2015", source).with_columns(
        lineage=pl.concat_str("place", "period", "indicator", separator="/")
    )
    lineage = frame.select(
        id="lineage",
        kind=pl.lit("cell"),
        document=pl.lit("d"),
        file=pl.lit("a.xlsx"),
        sheet="period",
        cell="C" + pl.col("place").replace_strict({place: str(row + 5) for row, place in enumerate(backwards)}),
        text=pl.lit(""),
        detail=pl.lit("{}"),
    ).cast(dict(LINEAGE_SCHEMA))  # type: ignore[arg-type]
    found = check_data(frame, CATALOG, lineage=lineage).findings[0]
    assert (found.name, found.evidence["offset"], found.where.sheet, found.where.file) == (
        "data.shifted-rows", 1, "2015", "a.xlsx",
    )  # fmt: skip
    assert 6 <= int(found.where.cell[1:]) <= 24


def test_like_cells_come_together_and_all_are_kept() -> None:
    rows = [fact("gas_coverage", f"village-{number}", "2024", 120.0 + number) for number in range(60)]
    checked = check_data(frame_of(rows), CATALOG)
    own = [finding for finding in checked.findings if finding.name == "data.out-of-bounds"]
    assert checked.cells.filter(pl.col("check") == "out-of-bounds").height == 60
    assert len(own) == 41
    assert sum(int(finding.evidence["cells"] or 0) for finding in own) == 60
    assert own[0].evidence["value"] == 179.0


def test_only_facts_are_checked() -> None:
    rows = [
        fact("gas_coverage", "jinan", "2030", 120.0, kind="projected", scenario="base"),
        fact("gas_coverage", "qingdao", "2024", 120.0, review="withdrawn"),
    ]
    assert check_data(frame_of(rows), CATALOG).findings == []


def test_an_empty_frame_and_a_frame_without_columns() -> None:
    checked = check_data(pl.DataFrame(schema=SCHEMA), CATALOG)
    assert checked.findings == []
    assert dict(checked.cells.schema) == CELL_SCHEMA
    with pytest.raises(InputError, match="no column indicator"):
        check_data(pl.DataFrame({"value": [1.0]}), CATALOG)


def test_every_kind_is_shipped_and_nothing_names_a_place_or_a_year() -> None:
    assert {check.kind for check in CATALOG.checks.values()} == set(CheckKind) == set(PARAMETERS)
    names = {place.id for place in CATALOG.places} | {place.name for place in CATALOG.places}
    folder = Path(__file__).parents[3] / "src" / "dafeng"
    for path in sorted((folder / "statistics").glob("check*.py")):
        words = set(path.read_text(encoding="utf-8").replace('"', " ").replace("'", " ").split())
        assert not {word for word in words & names if len(word) > 2} - {"qingdao"}, path  # the example of check_data


def test_a_column_that_slipped_by_a_row() -> None:
    frame = panel()
    places = sorted(CITIES, key=lambda place: CATALOG.places.get(place).codes[0].code)
    source = dict(zip(places[1:], places, strict=False))
    slipped = planted(frame, "2016", source)
    only = pl.col("indicator") == "gas_coverage"
    checked = check_data(pl.concat([slipped.filter(only), frame.filter(~only)]), CATALOG)
    (first, *others) = [one for one in checked.findings if one.severity is not Severity.INFO]
    assert others == []
    assert [first.evidence[key] for key in ("fault", "period", "indicator", "offset")] == [
        "column-shift", "2016", "gas_coverage", 1,
    ]  # fmt: skip
    assert set(checked.quarantined.select("indicator", "period").rows()) == {("gas_coverage", "2016")}


@pytest.mark.parametrize("nearness", [1.0, 0.25, 0.12])
def test_rows_that_resemble_each_other_and_changed_places(nearness: float) -> None:
    """The second row is laid near the first one, so that neither stands far out after the exchange."""
    frame = panel()
    one, two = CITIES[4], CITIES[9]
    first = frame.filter(place=one).select("indicator", "period", pl.col("value").alias("first"))
    frame = (
        frame.join(first, on=["indicator", "period"], how="left", maintain_order="left")
        .with_columns(
            value=pl.when(pl.col("place") == two)
            .then(pl.col("first") + nearness * (pl.col("value") - pl.col("first")))
            .otherwise("value")
        )
        .drop("first")
    )
    checked = check_data(planted(frame, "2015", {one: two, two: one}), CATALOG)
    faults = [finding for finding in checked.findings if finding.name == "data.shifted-rows"]
    assert [finding.evidence["fault"] for finding in faults] == ["exchange"]
    assert set(checked.quarantined["place"]) == {one, two}


def inventory(spoilt: dict[tuple[str, str, str], float]) -> pl.DataFrame:
    """Return new building areas of three places, by class; one class is left out where it is nothing."""
    rows = []
    for number, place in enumerate(CITIES[:3]):
        for step, year in enumerate(range(2000, 2022)):
            values = {"residential": 500.0 + 3 * step + number, "public": 80.0 + step}
            if (step + number) % 3:
                values["industrial"] = 9.0 + step % 2
            values["all"] = sum(values.values())
            rows += [
                fact(
                    "new_building_area",
                    place,
                    str(year),
                    spoilt.get((place, str(year), code), value),
                    building_class=code,
                )
                for code, value in values.items()
            ]
    return frame_of(rows)


def told(frame: pl.DataFrame) -> set[tuple[Any, ...]]:
    serious = check_data(frame, CATALOG).cells.filter(pl.col("severity") != "info")
    return set(serious.select("check", "place", "period", "building_class").rows())


def test_a_total_too_high_is_seen_although_parts_of_nothing_are_left_out() -> None:
    """Sums of the other years hold without the absent class: it is nothing, not unknown."""
    assert told(inventory({})) == set()
    place, year = CITIES[0], "2009"  # (9 + 0) % 3 = 0: the industrial class is left out
    assert told(inventory({(place, year, "all"): 616.0 * 1.005})) == {("parts-and-total", place, year, "all")}


def test_a_power_of_ten_that_total_and_parts_bear_out_is_no_slip() -> None:
    place, year = CITIES[1], "2010"
    lone = {(place, year, "public"): 900.0}
    borne_out = lone | {(place, year, "all"): 531.0 + 900.0 + 9.0}
    assert ("power-of-ten", place, year, "public") in told(inventory(lone))
    assert ("parts-and-total", place, year, "all") in told(inventory(lone))
    checks = {row[0] for row in told(inventory(borne_out))}
    assert "spike" in checks
    assert not checks & {"power-of-ten", "parts-and-total"}


def test_a_small_share_that_goes_on_is_no_fraction() -> None:
    rows = [fact("sewage_plant_treatment_rate", place, "2015", 85.0 + number) for number, place in enumerate(CITIES)]
    small = {"2014": 0.42, "2015": 0.41}
    alone = [row for row in rows if row["place"] != CITIES[3]]
    alone += [fact("sewage_plant_treatment_rate", CITIES[3], year, value) for year, value in small.items()]
    assert check_data(frame_of(alone), CATALOG).cells.filter(check="fraction-for-percent").is_empty()


def test_a_slip_is_not_told_again_of_its_partner() -> None:
    rows = []
    for number, place in enumerate(CITIES[:10]):
        for step in range(10):
            cover = (38.0 + number / 10 + step / 7) / (100 if (number, step) == (4, 6) else 1)
            rows.append(fact("green_cover_rate", place, str(2010 + step), cover))
            rows.append(fact("green_space_rate", place, str(2010 + step), 34.0 + number / 10 + step / 9))
    serious = check_data(frame_of(rows), CATALOG).cells.filter(pl.col("severity") != "info")
    assert set(serious["indicator"]) == {"green_cover_rate"}


def test_what_stays_outside_of_the_usual_range_is_told_once() -> None:
    rows = [fact("road_area_per_person", CITIES[0], str(year), 52.0) for year in range(2010, 2018)]
    cells = check_data(frame_of(rows), CATALOG).cells.filter(check="unusual")
    assert cells["period"].to_list() == ["2010"]


@pytest.mark.parametrize("factor", [0.95, 1.05])
def test_a_nation_of_which_some_divisions_are_never_listed(factor: float) -> None:
    """What the listed ones leave over is the same every year, so that a total out of line is seen from either side."""
    listed = [place.id for place in CATALOG.places.children("cn")][:12]
    rows = [fact("resident_population", place, str(year), 3e7) for place in listed for year in range(2000, 2015)]
    rows += [
        fact("resident_population", "cn", str(year), 4e8 * (factor if year == 2007 else 1))
        for year in range(2000, 2015)
    ]
    cells = check_data(frame_of(rows), CATALOG).cells.filter(check="divisions-and-total")
    assert cells.select("place", "period").rows() == [("cn", "2007")]
