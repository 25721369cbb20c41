"""The ledgers of the Demo City: the same bytes again, every planted contradiction found and nothing else, counts by another route."""

import importlib.util
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
import yaml

from dafeng.assessment import Assessment, Status, assess_plan
from dafeng.base.ledger import ledger_frame, ledger_schema
from dafeng.base.observation import ObservationKind, check_observations
from dafeng.buildings.identity import find_candidates, matching_view
from dafeng.buildings.rollup import RolledUp, roll_up
from dafeng.buildings.things import current_things, promised_and_built
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.expression import expression_names
from dafeng.intake.ledger_reading import LedgerImport, read_ledger

ROOT = Path(__file__).resolve().parents[3]
RECORDED = datetime(2026, 10, 15, 8, tzinfo=UTC)
AS_OF = date(2026, 10, 20)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_demo_ledgers", ROOT / "scripts" / "make_demo_ledgers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def catalog(script: ModuleType) -> Catalog:
    return script.demo_catalog()


def counted(things: dict[str, pl.DataFrame], catalog: Catalog) -> RolledUp:
    return roll_up(
        things, catalog, years=range(2016, 2027), recorded_at=RECORDED, as_of=AS_OF, home="demo-city", complete=["demo-city"],
        kind=ObservationKind.DEMONSTRATION,
    )  # fmt: skip


@pytest.fixture(scope="module")
def truth(script: ModuleType, catalog: Catalog) -> dict[str, list[Row]]:
    """What the ledgers say before anything is planted, by register."""
    return {book.register: book.rows for book in script.make_ledgers().values()}


@pytest.fixture(scope="module")
def of_truth(truth: dict[str, list[Row]], catalog: Catalog) -> RolledUp:
    records = {}
    for name, rows in truth.items():
        register = catalog.registers[name]
        records[name] = ledger_frame(
            ({"key": row[register.identity[0]], **row} for row in rows), ledger_schema(register, catalog.fields)
        )
    return counted(current_things(records, catalog), catalog)


@pytest.fixture(scope="module")
def imports(script: ModuleType, catalog: Catalog) -> dict[str, LedgerImport]:
    """The committed files, as they are read."""
    listed = yaml.safe_load((script.FOLDER / "imports.yaml").read_text(encoding="utf-8"))["ledgers"]
    return {
        entry["file"]: read_ledger(
            script.FOLDER / entry["file"], entry["register"], catalog, recorded_at=RECORDED, home="demo-city"
        )
        for entry in listed
    }


@pytest.fixture(scope="module")
def things(imports: dict[str, LedgerImport], catalog: Catalog) -> dict[str, pl.DataFrame]:
    records = {read.register: read.frame for read in imports.values()}
    return current_things(records, catalog, links=catalog.links.values())


@pytest.fixture(scope="module")
def of_files(things: dict[str, pl.DataFrame], catalog: Catalog) -> RolledUp:
    return counted(things, catalog)


@pytest.fixture(scope="module")
def planted(script: ModuleType) -> dict[str, Row]:
    listed = yaml.safe_load((script.FOLDER / "planted.yaml").read_text(encoding="utf-8"))["planted"]
    return {entry["id"]: entry for entry in listed}


def test_the_files_are_written_again_byte_for_byte(script, tmp_path):
    script.main(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        committed = script.DEMO / "catalog" / path.name if path.name == "links.yaml" else script.FOLDER / path.name
        assert path.read_bytes() == committed.read_bytes(), path.name
    assert sum(path.stat().st_size for path in script.FOLDER.iterdir()) < 1_000_000


def test_the_ledgers_are_as_many_as_promised(truth):
    projects = {row["project_code"] for row in truth["projects"]}
    assert (len(projects), len(truth["neighbourhoods"]), len(truth["institutions"])) == (2000, 300, 50)
    years = {row["start_date"].year for row in truth["projects"] if "start_date" in row}
    assert years >= set(range(2016, 2027))


def test_every_column_is_read_and_only_what_was_planted_is_found(imports, planted):
    found = Counter()
    for read in imports.values():
        assert not read.counts["columns_unread"], read.columns
        found.update(finding.name for finding in read.findings)
    # consequences of planted faults: a zero area leaves a required cell blank, an early completion precedes its permit too
    expected = Counter(one["found"] for one in planted.values() if one["found"].startswith("ledger."))
    expected |= {
        "ledger.projects.area-unit": 3, "ledger.number.scale-10000": 3, "ledger.row.required": 1,
        "ledger.projects.permit-before-completion": 1,
    }  # fmt: skip
    assert found == expected


def test_planted_faults_are_found_in_their_rows(imports, planted):
    rows = {}
    for one in planted.values():
        read = imports[one["file"]]
        for finding in read.findings:
            if finding.name == one["found"]:
                rows.setdefault(one["id"], []).append(int("".join(filter(str.isdigit, finding.where.cell))))
    text = (Path(__file__).parents[3] / "src/dafeng/workflow/demo_city/data/ledgers/projects.csv").read_text("utf-8")
    lines = text.splitlines()
    for name, numbers in rows.items():
        assert {lines[number - 1].split(",")[0] for number in numbers} == set(planted[name]["keys"]), name
    assert len(rows) == sum(one["found"].startswith("ledger.") for one in planted.values())


def test_two_names_of_one_project_are_proposed_to_a_person(things, catalog, planted):
    view = matching_view(things["projects"], catalog.registers["projects"])
    found = find_candidates(view, decided=catalog.links.values())
    pairs = [{row["first"], row["second"]} for row in found.iter_rows(named=True)]
    assert set(planted["twin"]["keys"]) in pairs


def test_a_promise_that_was_not_kept_is_found(imports, catalog, planted):
    found = promised_and_built(imports["projects.csv"].frame, catalog.registers["projects"], catalog)
    broken = found.filter((pl.col("field") == "green_star") & pl.col("differs"))
    assert set(broken["key"]) == set(planted["star-promise"]["keys"])
    assert (broken["promised"].item(), broken["built"].item()) == ("3.0", "1.0")


def test_links_are_followed_so_that_nothing_counts_twice(things, planted):
    keys = set(things["projects"]["key"])
    former, present = planted["renamed"]["keys"]
    assert former not in keys
    assert present in keys
    whole, *parts = planted["split"]["keys"]
    assert whole not in keys
    assert set(parts) <= keys


def test_words_for_stars_are_read_and_registers_that_disagree_are_named(things, of_files, planted):
    (key,) = planted["star-words"]["keys"]
    assert things["projects"].filter(pl.col("key") == key)["green_star"].to_list() == [2.0]
    disputes = [one for one in of_files.findings if one.name == planted["label-disagrees"]["found"]]
    assert any(planted["label-disagrees"]["keys"][0] in str(one.evidence["first"]) for one in disputes)


def value(result: RolledUp, indicator: str, place: str, period: str, **given: str) -> float | None:
    wanted = {"indicator": indicator, "place": place, "period": period, "building_class": "all", **given}
    rows = result.observations.filter(*(pl.col(name) == one for name, one in wanted.items()))
    assert rows.height == 1, (wanted, rows)
    return rows["value"][0]


def plain_sum(
    rows: Iterable[Row], dated: str, amount: Callable[[Row], float], when: Callable[[Row], bool]
) -> dict[tuple[str, int], float]:
    """Sum by district and year, and by the city, in plain Python."""
    sums: dict[tuple[str, int], float] = defaultdict(float)
    for row in rows:
        if dated in row and when(row):
            sums[row["place"], row[dated].year] += amount(row)
            sums["示范市", row[dated].year] += amount(row)
    return sums


def test_roll_ups_agree_with_a_plain_count_of_the_truth(truth, of_truth, catalog):
    built = [row for row in truth["projects"] if row["stage"] != "design_review"]
    civil = {"residential", "public"}

    def new(row: Row) -> bool:
        return row["work"] == "new" and row["building_class"] in civil and row["extent"] != "rural"

    def area(row: Row) -> float:
        return row["gross_area"]

    sums = {
        "new_building_area": plain_sum(built, "completion_date", area, new),
        "new_green_building_area": plain_sum(built, "completion_date", area, lambda row: new(row) and row["green_standard"]),
        "new_star_building_area": plain_sum(built, "completion_date", area, lambda row: new(row) and row["green_star"] >= 1),
        "construction_start_area": plain_sum(built, "start_date", area, lambda row: row["work"] == "new"),
        "prefabricated_area": plain_sum(built, "start_date", area, lambda row: row["work"] == "new" and row["prefabricated"]),
        "retrofit_area": plain_sum(built, "completion_date", lambda row: row["retrofit_floor_area"], lambda row: row["energy_retrofit"] and row["extent"] != "rural"),
    }  # fmt: skip
    extent = {
        "new_building_area": "urban",
        "retrofit_area": "urban",
        "construction_start_area": "urban",
        "prefabricated_area": "urban",
    }
    ids = {
        name: catalog.places.resolve(name).id
        for name in ("东湾区", "西坡区", "新岸区", "青禾县", "云麓县", "石桥市", "示范市")
    }
    for indicator, expected in sums.items():
        for year in range(2017, 2026):
            for name, place in ids.items():
                given = {"extent": extent[indicator]} if indicator in extent else {}
                found = value(of_truth, indicator, place, str(year), **given)
                assert found == pytest.approx(expected[name, year]), (indicator, name, year)
    for year in range(2017, 2026):
        share = 100 * sums["new_star_building_area"]["示范市", year] / sums["new_green_building_area"]["示范市", year]
        assert value(of_truth, "star_green_building_share", "demo-city", str(year)) == pytest.approx(share)
    total = sum(row["retrofit_floor_area"] for row in built if row["energy_retrofit"] and row["extent"] != "rural" and row.get("completion_date", date.max).year <= 2025)  # fmt: skip
    assert value(of_truth, "retrofit_area_total", "demo-city", "2025") == pytest.approx(total)
    conserving = sum(
        row["conservation_agency"] and row["conservation_date"].year <= 2024 for row in truth["institutions"]
    )
    assert value(of_truth, "conservation_agency_count", "demo-city", "2024") == conserving
    old = [row for row in truth["neighbourhoods"] if row["built_year"] <= 2000]
    assert value(of_truth, "old_estates_before_2000_renovated", "demo-city", "2025") == float(
        all(row.get("completion_date", date.max).year <= 2025 for row in old)
    )
    assert check_observations(of_truth.observations) == []


def test_the_files_differ_from_the_truth_by_what_was_planted_only(of_truth, of_files):
    on = ["indicator", "place", "extent", "period", "building_class", "basis"]
    both = of_truth.observations.select(*on, "value").join(of_files.observations.select(*on, other="value"), on=on)
    other = both.filter((pl.col("value") - pl.col("other")).abs() > 1e-6 * pl.col("value").abs().clip(1.0))
    projects = {"neighbourhood", "institution"}
    assert not projects & set(other["indicator"])
    untouched = ("conservation_agency_count", "village_count", "monitored_building_count", "street_lamp_count")
    assert not other.filter(pl.col("indicator").is_in(untouched)).height
    assert other.height < both.height / 4


def test_every_ledger_target_of_the_plan_is_judged_from_ledgers_alone(of_files, catalog):
    plan = catalog.plan("demo-city-2024")
    judged: Assessment = assess_plan(plan, of_files.observations, catalog, as_of=AS_OF)
    counted_here = {rule.indicator for rule in catalog.rollups.values()}
    by_formula = {
        one.id for one in catalog.indicators.values() if one.formula and set(expression_names(one.formula)) <= counted_here
    }  # fmt: skip
    targets = {target.id for target in plan.targets if target.indicator in counted_here | by_formula}
    assert len(targets) >= 45
    unanswered = {Status.NO_DATA, Status.UNPROVEN, Status.UNKNOWN}
    of_target: dict[str, set[Status]] = defaultdict(set)
    for row in judged.rows:
        if row.target in targets:
            of_target[row.target].add(row.status)
    assert {name for name, found in of_target.items() if found <= unanswered} == set()
    statuses = {status for found in of_target.values() for status in found}
    assert statuses >= {
        Status.MET,
        Status.MISSED,
        Status.ON_TRACK,
        Status.AT_RISK,
        Status.HOLDS,
        Status.BREACHED,
        Status.DONE,
    }
