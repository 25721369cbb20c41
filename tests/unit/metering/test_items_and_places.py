"""Main meters, parts and what is left; silent children; places, standard coal, carbon and observations."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from dafeng.base.building import Building
from dafeng.base.errors import InputError, UnknownNameError
from dafeng.base.meter import MeterShare
from dafeng.base.observation import check_observations
from dafeng.catalog.carbon_schemas import Factor
from dafeng.metering.converting import RATE_SCHEMA, conversion_rates
from dafeng.metering.items import ITEM_SCHEMA, contributions, item_years
from dafeng.metering.places import PLACE_SCHEMA, building_frame, item_frame, place_closure, place_totals, place_years
from dafeng.metering.publishing import publish
from dafeng.metering.restating import changes
from dafeng.methods.rates import RatePolicy, Rule
from metering_builders import CATALOG, ENGINE, Chain, instant, make_meter, make_readings, total

JANUARY, TODAY = date(2024, 1, 1), date(2026, 11, 20)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
POLICY = RatePolicy(rules=(Rule.exact(), Rule.hold_last(3)))


def month_of(amounts: dict[str, float], *, days: int = 31) -> pl.DataFrame:
    """Return daily interval readings of January that add up to an amount a meter."""
    start = instant("2024-01-01 00:00")
    return pl.concat(
        make_readings(
            [(start + timedelta(days=day), start + timedelta(days=day + 1), amount / days) for day in range(days)],
            meter=name,
        )
        for name, amount in amounts.items()
    )


def rows_of(chain: Chain, by: str = "month", **given: object) -> dict[tuple[str, str], dict[str, object]]:
    return {(row["item"], row["part"]): row for row in chain.items(by, **given).iter_rows(named=True)}  # type: ignore[arg-type]


def meters_of(**items: str) -> list:
    return [make_meter(name, item=item) for name, item in items.items()]


LAST = date(2024, 2, 1)


def test_main_and_parts_are_never_added() -> None:
    chain = Chain(
        month_of({"main": 1000, "light": 300, "air": 400}),
        meters_of(main="01000", light="01A00", air="01B00"),
        last=LAST,
    )
    rows = rows_of(chain)
    assert rows["01000", "total"]["amount"] == pytest.approx(1000)
    assert rows["01000", "unattributed"]["amount"] == pytest.approx(300)
    assert rows["01000", "total"]["basis"] == "main"
    assert rows["01A00", "total"]["amount"] == pytest.approx(300)
    assert rows["01000", "total"]["covered"] == rows["01000", "total"]["expected"] == 31 * 86400


def test_without_a_main_meter_the_parts_are_the_total_through_every_level() -> None:
    chain = Chain(
        month_of({"light": 300, "pump": 40, "chiller": 360, "lift": 50}),
        meters_of(light="01A00", pump="01B1A", chiller="01B1C", lift="01C10"),
        last=LAST,
    )
    rows = rows_of(chain)
    assert {item: row["amount"] for (item, part), row in rows.items() if item in ("01000", "01B00", "01B10")} == {
        "01000": pytest.approx(750),
        "01B00": pytest.approx(400),
        "01B10": pytest.approx(400),
    }
    assert rows["01000", "total"]["basis"] == "parts"
    assert not [key for key in rows if key[1] == "unattributed"]


def test_a_main_meter_in_the_middle_hides_its_parts_from_above() -> None:
    chain = Chain(
        month_of({"air": 500, "pump": 40, "chiller": 360, "light": 100}),
        meters_of(air="01B00", pump="01B1A", chiller="01B1C", light="01A00"),
        last=LAST,
    )
    rows = rows_of(chain)
    assert rows["01000", "total"]["amount"] == pytest.approx(600)
    assert rows["01B00", "unattributed"]["amount"] == pytest.approx(100)


def test_a_silent_main_meter_is_stood_in_for_and_a_silent_part_lowers_coverage() -> None:
    meters = meters_of(main="01000", light="01A00", air="01B00")
    rows = rows_of(Chain(month_of({"light": 300}), meters, last=LAST))
    assert rows["01000", "total"]["amount"] == pytest.approx(300)
    assert rows["01000", "total"]["basis"] == "stand-in"
    assert rows["01000", "total"]["covered"] * 2 == rows["01000", "total"]["expected"]
    assert (rows["01B00", "total"]["amount"], rows["01B00", "total"]["basis"]) == (None, "silent")


def test_days_add_up_to_the_month_also_where_the_main_meter_is_silent_for_a_week() -> None:
    meters = meters_of(main="01000", light="01A00")
    chain = Chain(pl.concat([month_of({"main": 1000}).head(24), month_of({"light": 310})]), meters, last=LAST)
    from_days, month = chain.items("day"), chain.items("month")
    for item, part in (("01000", "total"), ("01A00", "total")):
        chosen = (pl.col("item") == item) & (pl.col("part") == part)
        whole = total(month.filter(chosen))
        assert whole == pytest.approx(1000 / 31 * 24 if item == "01000" else 310)
        if item == "01A00":
            assert total(from_days.filter(chosen)) == pytest.approx(whole, rel=1e-12)


def test_two_incoming_lines_add_up_and_a_floor_below_does_not_count_again() -> None:
    meters = [
        make_meter("one"),
        make_meter("two"),
        make_meter("floor", parent="one"),
        make_meter("light", item="01A00", parent="floor"),
    ]
    rows = rows_of(Chain(month_of({"one": 600, "two": 400, "floor": 200, "light": 50}), meters, last=LAST))
    assert rows["01000", "total"]["amount"] == pytest.approx(1000)
    assert rows["01000", "unattributed"]["amount"] == pytest.approx(950)


def test_what_lies_downstream_but_elsewhere_is_taken_off_upstream() -> None:
    neighbour = make_meter("neighbour", building="c", parent="main")
    misplaced = make_meter("fan", item="01B20", parent="light")
    meters = [make_meter("main"), make_meter("light", item="01A00", parent="main"), misplaced, neighbour]
    weights = contributions(meters, CATALOG.items).rows()
    assert weights == [
        ("main", "b", "01000", 1.0),
        ("neighbour", "b", "01000", -1.0),
        ("fan", "b", "01A00", -1.0),
        ("light", "b", "01A00", 1.0),
        ("fan", "b", "01B20", 1.0),
        ("neighbour", "c", "01000", 1.0),
    ]


def test_items_may_be_reckoned_from_shares() -> None:
    meters = [make_meter("main"), make_meter("tenant", rate=1)]
    shares = [
        MeterShare(meter="main", building="b", item="01A00"),
        MeterShare(meter="tenant", building="b", item="01A00", rate=-0.25),
    ]
    rows = rows_of(Chain(month_of({"main": 1000, "tenant": 400}), meters, last=LAST), shares=shares)
    assert rows["01A00", "total"]["amount"] == pytest.approx(900)


def test_meters_in_a_circle_and_wrong_units_are_refused() -> None:
    with pytest.raises(InputError, match="upstream"):
        contributions(
            [make_meter("x", parent="y"), make_meter("y", parent="z"), make_meter("z", parent="y")], CATALOG.items
        )
    with pytest.raises(InputError, match="GJ"):
        Chain(month_of({"m": 1}), [make_meter(unit="m**3", item="04000")])
    with pytest.raises(UnknownNameError, match="01E00"):
        Chain(month_of({"m": 1}), [make_meter(item="01E00")])
    with pytest.raises(InputError, match="called m"):
        Chain(month_of({"m": 1}), [make_meter(), make_meter()])


def city(policy: RatePolicy = POLICY) -> tuple[pl.DataFrame, list]:
    """Return a city of two districts and a zone: electricity 1000 and 500, gas 100, one building silent."""
    buildings = [
        Building(id="b", name="b", place="qingdao-shinan", building_class="public", gross_area=1000.0),
        Building(id="c", name="c", place="qingdao-sino-german", building_class="residential", gross_area=2000.0),
        Building(id="d", name="d", place="qingdao-shinan", building_class="public", gross_area=7000.0),
    ]
    meters = [
        make_meter("main"),
        make_meter("light", item="01A00"),
        make_meter("gas", building="c", item="03000", carrier="natural_gas", unit="m**3"),
        make_meter("home", building="c"),
        make_meter("silent", building="d"),
        make_meter("pv", building="b", item="13A00", carrier="solar_pv"),
    ]
    readings = month_of({"main": 1000, "light": 300, "gas": 100, "home": 500, "pv": 70})
    chain = Chain(readings, meters, last=LAST)
    uses = pl.DataFrame({"place": ["qingdao-shinan", "qingdao-sino-german"]}).join(
        pl.DataFrame({"carrier": ["electricity", "natural_gas", "renewable"], "period": [JANUARY] * 3}), how="cross"
    )
    rates, findings = conversion_rates(uses, CATALOG, policy=policy, as_of=TODAY)
    tables = (
        building_frame(buildings),
        place_closure(CATALOG.places, [one.place for one in buildings]),
        item_frame(CATALOG.items),
        rates,
    )
    totals = place_totals(chain.item_table("month"), *(ENGINE.frame(frame) for frame in tables))
    keys = ["place", "building_class", "carrier", "end_use"]
    return ENGINE.collect(totals, PLACE_SCHEMA).sort(keys), findings


CITY, FINDINGS = city()


def at(place: str, carrier: str = "electricity", end_use: str = "all", cls: str = "all") -> dict:
    return CITY.filter(
        (pl.col("place") == place)
        & (pl.col("carrier") == carrier)
        & (pl.col("end_use") == end_use)
        & (pl.col("building_class") == cls)
    ).row(0, named=True)


def test_a_city_is_the_sum_of_what_is_there_with_count_and_coverage() -> None:
    whole = at("qingdao")
    assert whole["amount"] == pytest.approx(1500)
    assert (whole["buildings"], whole["reporting"]) == (3, 2)
    assert whole["covered"] / whole["expected"] == pytest.approx(2 / 3)
    assert (whole["area"], whole["area_covered"]) == (10000, pytest.approx(3000))
    assert at("qingdao-shinan")["amount"] == pytest.approx(1000)
    assert at("qingdao-huangdao")["amount"] == pytest.approx(500)
    zone = at("qingdao-sino-german")
    assert (zone["place_kind"], zone["amount"]) == ("zone", pytest.approx(500))
    assert at("qingdao", cls="public")["amount"] == pytest.approx(1000)


def test_end_uses_and_what_is_not_attributed_add_up() -> None:
    assert at("qingdao", end_use="lighting_sockets")["amount"] == pytest.approx(300)
    assert at("qingdao", end_use="unattributed")["amount"] == pytest.approx(1200)


def test_standard_coal_and_carbon_by_the_factors_of_the_month() -> None:
    assert at("qingdao")["tce"] == pytest.approx(1500 * 0.1229e-3)
    assert at("qingdao")["tce_generation"] == pytest.approx(1500 * 0.3e-3)
    assert at("qingdao")["co2"] == pytest.approx(1500 * 0.6191e-3)
    gas = at("qingdao", "natural_gas")
    assert gas["co2"] == pytest.approx(100 * 38.931e-3 * 0.05554, rel=1e-6)
    everything = at("qingdao", "all")
    assert everything["amount"] is None
    assert everything["tce"] == pytest.approx(at("qingdao")["tce"] + gas["tce"])
    assert at("qingdao", "renewable")["amount"] == pytest.approx(70)
    assert at("qingdao", "renewable")["tce"] is None
    assert "grid-province-shandong" in at("qingdao")["factors"]


def test_a_factor_changed_afterwards_gives_a_new_result_with_both_known() -> None:
    own = Factor.model_validate(
        {
            "id": "own-grid", "zh": "自备", "en": "own", "family": "grid_province", "subject": "electricity",
            "place": "shandong", "unit": "kgCO2/kWh", "checked_on": TODAY,
            "values": [{"from": date(2024, 1, 1), "to": date(2025, 1, 1), "value": 1.0, "published_on": TODAY, "source": "K", "grade": "C"}],
        }
    )  # fmt: skip
    after, _ = city(RatePolicy(rules=(Rule.user_series("own", (own,)), Rule.exact(), Rule.hold_last(3))))
    keys = ["place", "period", "building_class", "carrier", "end_use"]
    found = changes(CITY, after, keys, because="factor own-grid", columns=["amount", "co2", "factors"])
    assert set(found["column"]) == {"co2", "factors"}
    qingdao = found.filter(
        (pl.col("place") == "qingdao") & (pl.col("carrier") == "electricity") & (pl.col("building_class") == "all") & (pl.col("end_use") == "all")
    )  # fmt: skip
    emission, note = (qingdao.filter(column=name).row(0, named=True) for name in ("co2", "factors"))
    assert (float(emission["before"]), float(emission["after"])) == (pytest.approx(0.92865), pytest.approx(1.5))
    assert "0.6191" in note["before"]
    assert "own-grid" in note["after"]


def test_totals_leave_as_observations_with_coverage_and_lineage() -> None:
    published = publish(CITY, CATALOG, by="month", recorded_at=NOW, made_from={"readings": "v7"})
    frame = published.observations
    assert check_observations(frame) == []
    assert frame.select(pl.struct(frame.columns[:12]).is_duplicated().any()).item() is False
    assert set(frame["lineage"]) == set(published.lineage["id"])
    chosen = frame.filter(
        (pl.col("indicator") == "monitored_electricity") & (pl.col("place") == "qingdao") & (pl.col("building_class") == "all") & (pl.col("end_use") == "all")
    )  # fmt: skip
    row = chosen.row(0, named=True)
    assert (row["value"], row["coverage"], row["period"], row["kind"]) == (
        pytest.approx(1500),
        pytest.approx(2 / 3),
        "2024-01",
        "computed",
    )
    detail = published.lineage.filter(pl.col("id") == row["lineage"])["detail"].item()
    assert '"readings": "v7"' in detail
    assert '"reporting":2' in detail
    assert published.findings == []


def test_a_total_without_a_factor_has_no_value() -> None:
    blind = CITY.with_columns(
        without_co2=pl.when(pl.col("carrier") == "all").then(1).otherwise("without_co2").cast(pl.Int64)
    )
    published = publish(blind, CATALOG, by="month", recorded_at=NOW, made_from={})
    row = published.observations.filter(
        (pl.col("indicator") == "monitored_co2") & (pl.col("carrier") == "all") & (pl.col("place") == "qingdao")
    ).row(0, named=True)
    assert (row["value"], row["missing_reason"]) == (None, "not_available")
    assert published.findings[0].name == "meter.total.incomplete"


def test_carriers_without_factors_are_named() -> None:
    uses = pl.DataFrame({"place": ["qingdao"], "carrier": ["cooling"], "period": [JANUARY]})
    rates, findings = conversion_rates(uses, CATALOG, policy=POLICY, as_of=TODAY)
    assert rates.schema == RATE_SCHEMA
    assert rates["tce"].to_list() == [None]
    assert {finding.name for finding in findings} == {"meter.rate.missing"}


def test_years_of_items_are_sums_of_months() -> None:
    rows = [(f"2024-{month:02d}-01 00:00", float(month)) for month in range(1, 13)] + [("2025-01-01 00:00", 13.0)]
    chain = Chain(make_readings(rows), last=date(2025, 1, 1))
    years = ENGINE.collect(item_years(chain.item_table("month")), ITEM_SCHEMA)
    assert years.select("amount", "covered", "basis").row(0) == (pytest.approx(12), 366 * 86400, "main")


def test_years_of_places_are_sums_of_months_each_with_its_own_factors() -> None:
    second = CITY.with_columns(
        period=pl.lit(date(2024, 2, 1)), co2=pl.col("co2") * 2, factors=pl.lit("[2]"), expected=pl.col("expected") * 3
    )
    years = ENGINE.collect(place_years(ENGINE.frame(pl.concat([CITY, second]))), PLACE_SCHEMA)
    row = years.filter(place="qingdao", carrier="electricity", end_use="all", building_class="all").row(0, named=True)
    assert (row["period"], row["amount"], row["buildings"]) == (JANUARY, pytest.approx(3000), 3)
    assert row["co2"] == pytest.approx(3 * 1500 * 0.6191e-3)
    assert row["covered"] / row["expected"] == pytest.approx(2 * 2 / 3 / 4)
    assert "[2]" in row["factors"]
    assert "grid-province-shandong" in row["factors"]
    published = publish(years, CATALOG, by="year", recorded_at=NOW, made_from={})
    assert check_observations(published.observations) == []
    assert published.observations["period"].unique().to_list() == ["2024"]
