"""From ledger books to facts in the lake: repeated roll-ups change nothing, corrected ledgers take back what they no longer yield."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from dafeng.lake import ObservationLake, Workspace
from dafeng.workflow.demonstration import demo_files
from dafeng.workflow.ledgers import current_ledgers, import_ledger, roll_up_ledgers, withdraw_records
from dafeng.workflow.setting import Setting, open_setting


def day(number: int) -> datetime:
    return datetime(2026, 10, number, tzinfo=UTC)


def test_corrected_ledgers_take_back_figures_that_they_no_longer_yield(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "w", title="示范", place="demo-city", plan="demo-city-2024")
    workspace.put_catalog(demo_files() / "catalog")
    setting = open_setting(workspace)
    import_ledger(setting, demo_files() / "data" / "ledgers" / "projects.csv", "projects", recorded_at=day(1))
    lake = ObservationLake(workspace.lake)

    def rolled(number: int, setting: Setting = setting) -> tuple[int, int]:
        result, published = roll_up_ledgers(
            setting, years=range(2022, 2026), recorded_at=day(number), as_of=date(2026, 10, 20), rollups=["new_building_area"]
        )  # fmt: skip
        assert published is not None
        return result.observations.height, published.appended

    def held() -> pl.DataFrame:
        return lake.snapshot().read(indicators=["new_building_area"])

    first, appended = rolled(2)
    assert first == appended == held().height
    assert rolled(3) == (first, 0)
    things = current_ledgers(setting)["projects"]
    town = things.filter(pl.col("zone") == "demo-city-eco-town")["key"].to_list()
    assert held().filter(pl.col("place") == "demo-city-eco-town").height
    withdraw_records(setting, "projects", town, reason="试验", recorded_at=day(4))
    second, _ = rolled(5)
    assert second == held().height < first
    assert not held().filter(pl.col("place") == "demo-city-eco-town").height
    assert lake.snapshot().read(as_of=day(4), indicators=["new_building_area"]).height == first


def test_figures_of_a_roll_up_that_the_catalog_no_longer_has_are_taken_back(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "w", title="示范", place="demo-city", plan="demo-city-2024")
    workspace.put_catalog(demo_files() / "catalog")
    setting = open_setting(workspace)
    import_ledger(setting, demo_files() / "data" / "ledgers" / "projects.csv", "projects", recorded_at=day(1))
    lake = ObservationLake(workspace.lake)

    def held(name: str) -> int:
        return lake.snapshot().read(indicators=[name]).height

    years = range(2024, 2026)
    roll_up_ledgers(setting, years=years, recorded_at=day(2), as_of=date(2026, 10, 20))
    assert held("new_building_area")
    others = held("prefabricated_area")
    kept = {name: rule for name, rule in setting.catalog.rollups.items() if rule.indicator != "new_building_area"}
    setting.catalog.rollups = kept
    roll_up_ledgers(setting, years=years, recorded_at=day(3), as_of=date(2026, 10, 20), rollups=["prefabricated_area"])
    assert held("new_building_area")  # one roll-up alone says nothing of the others
    roll_up_ledgers(setting, years=years, recorded_at=day(4), as_of=date(2026, 10, 20))
    assert not held("new_building_area")
    assert held("prefabricated_area") == others > 0
    assert lake.snapshot().read(as_of=day(3), indicators=["new_building_area"]).height
