"""Laws of quotas, peers, matching and masking that hold for all inputs."""

from datetime import date
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.catalog import load_catalog
from dafeng.metering.account_links import AccountLink, attribute_accounts
from dafeng.metering.peers import peer_standing
from dafeng.metering.quota import USE_SCHEMA, judge_quota
from dafeng.reports.energy_disclosure import disclosure_rows

CATALOG = load_catalog()
Building = dict[str, Any]
RANK = {"guide": 0, "constraint": 1, "over": 2}
offices = st.fixed_dictionaries({
    "building_type": st.sampled_from(["office", "government_office", "hotel", "commerce", "mixed_use", None]),
    "ventilation_class": st.sampled_from(["A", "B", None]),
    "climate_zone": st.sampled_from(["cold_a", "severe_cold_c", "hot_summer_cold_winter_a", "mild_b", None]),
    "heating_kind": st.sampled_from(["radiator", "electric", None]),
    "operating_hours": st.sampled_from([None, 0.0, 1500.0, 2500.0, 5000.0]),
    "employees": st.sampled_from([None, 100.0, 1000.0]),
    "hotel_stars": st.sampled_from([None, 3.0, 4.0, 5.0]),
    "shop_kind": st.sampled_from([None, "shop", "department_store"]),
    "occupancy_rate": st.sampled_from([None, 30.0, 90.0]),
    "garage_area": st.sampled_from([None, 0.0, 2000.0]),
    "garage_electricity": st.sampled_from([None, 15000.0]),
    "data_room_area": st.sampled_from([None, 0.0, 100.0]),
})  # fmt: skip
amounts = st.floats(0, 5e6, allow_nan=False)


def judged(buildings: list[Building], rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    frame = pl.DataFrame(
        [{"place": "qingdao-shinan", "building_class": "public", "gross_area": 10000.0, **one} for one in buildings],
        infer_schema_length=None,
    )
    use = pl.DataFrame(rows, schema=USE_SCHEMA, orient="row")
    return judge_quota(frame, use, CATALOG, year=2024).verdicts.filter(
        (pl.col("measure") == "non_heating") & (pl.col("part") == "main")
    )


@settings(max_examples=6)
@given(
    buildings=st.lists(offices, min_size=10, max_size=20),
    uses=st.lists(amounts, min_size=4, max_size=8, unique=True),
    gas=st.sampled_from([0.0, 1e4]),
    coverage=st.sampled_from([0.92, 1.0]),
)
def test_more_use_never_gets_a_better_verdict(
    buildings: list[Building], uses: list[float], gas: float, coverage: float
) -> None:
    rows = []
    things: list[Building] = []
    for number, building in enumerate(buildings):
        for order, amount in enumerate(sorted(uses)):
            name = f"{number:02d}-{order}"
            things.append({**building, "building": name})
            rows += [
                (name, "01000", "2024", amount, 0.0, 0.0, coverage),
                (name, "03000", "2024", gas, 0.0, 0.0, coverage),
            ]
    found = judged(things, rows).with_columns(
        own=pl.col("building").str.slice(0, 2), rank=pl.col("verdict").replace_strict(RANK, default=None)
    )
    for one in found.sort("building").partition_by("own"):
        assert one["rank"].drop_nulls().is_sorted(), one  # between two verdicts it may be open which of them
        assert one["already_over"].is_sorted()
        assert one["corrected_low"].drop_nulls().is_sorted()
        assert one["corrected_high"].drop_nulls().is_sorted()


@settings(max_examples=6)
@given(buildings=st.lists(offices, min_size=10, max_size=40), amount=amounts, coverage=st.floats(0, 0.8999))
def test_a_part_of_a_year_never_passes_nor_fails(buildings: list[Building], amount: float, coverage: float) -> None:
    things = [{**building, "building": str(number)} for number, building in enumerate(buildings)]
    found = judged(things, [(one["building"], "01000", "2024", amount, 0.0, 0.0, coverage) for one in things])
    assert found["verdict"].unique().to_list() == ["unknown"]
    assert (found["reason"] != "").all()


@settings(max_examples=6)
@given(buildings=st.lists(offices, min_size=10, max_size=20), uses=st.lists(amounts, min_size=20, max_size=20))
def test_knowing_less_never_turns_a_verdict_into_another(buildings: list[Building], uses: list[float]) -> None:
    blanks = ("", "ventilation_class", "climate_zone", "building_type", "hotel_stars", "heating_kind")
    things: list[Building] = []
    rows = []
    for number, building in enumerate(buildings):
        for order, blank in enumerate(blanks):
            name = f"{number:02d}-{order}"
            things.append({**building, blank or "building_class": "public" if not blank else None, "building": name})
            rows.append((name, "01000", "2024", uses[number], 0.0, 0.0, 1.0))
    found = judged(things, rows).sort("building")
    for one in found.with_columns(own=pl.col("building").str.slice(0, 2)).partition_by("own"):
        full, *less = one["verdict"]
        assert full in ("unknown", "depends") or {*less} <= {full, "unknown", "depends"}, one


def test_every_guide_value_is_at_most_its_constraint_value() -> None:
    assert all(quota.guide is None or 0 < quota.guide <= quota.constraint for quota in CATALOG.quotas.values())


@given(values=st.lists(st.floats(0.1, 1000), min_size=3, max_size=40))
def test_percentiles_keep_the_order_of_use_and_lie_in_the_middle(values: list[float]) -> None:
    frame = pl.DataFrame(
        {"building": [str(number) for number in range(len(values))], "building_type": "x", "intensity": values}
    )
    found = peer_standing(frame, group_by=["building_type"], least=3).sort("intensity", "percentile")
    assert found["percentile"].is_sorted()
    assert found["percentile"].is_between(0, 100, closed="none").all()
    assert abs(sum(found["percentile"].to_list()) / found.height - 50) < 1e-9


@given(shares=st.lists(st.floats(0.01, 0.3), max_size=3), uses=st.lists(st.floats(0, 1e6), min_size=1, max_size=5))
def test_no_energy_of_an_account_is_lost_or_doubled(shares: list[float], uses: list[float]) -> None:
    links = [
        AccountLink(account="1", building=f"b{number}", share=share, by="张三", decided_on=date(2026, 11, 20))
        for number, share in enumerate(shares)
    ]
    use = pl.DataFrame({"account": "1", "carrier": "heat", "start": date(2024, 1, 1), "amount": uses})
    found = attribute_accounts(use, links)
    assert abs(sum(found["amount"].to_list()) - sum(uses)) <= 1e-9 * max(1.0, sum(uses))


@settings(max_examples=12)
@given(
    kinds=st.lists(
        st.tuples(st.sampled_from(["office", "hotel", None]), st.sampled_from(["obliged", "refused", None])),
        max_size=14,
    ),
    least=st.integers(2, 4),
)
def test_masked_rows_are_counted_and_never_stand_for_too_few(
    kinds: list[tuple[str | None, str | None]], least: int
) -> None:
    frame = pl.DataFrame(
        [{"building": f"b{number}", "building_name": f"n{number}", "building_type": kind, "gross_area": 100.0, "publication": leave}
         for number, (kind, leave) in enumerate(kinds)],
        schema={"building": pl.String, "building_name": pl.String, "building_type": pl.String, "gross_area": pl.Float64, "publication": pl.String},
    )  # fmt: skip
    use = pl.DataFrame(
        [(f"b{number}", "01000", "2024", 7.0, 0.0, 0.0, 1.0) for number in range(len(kinds))],
        schema=USE_SCHEMA,
        orient="row",
    )
    rows = disclosure_rows(
        frame,
        use,
        judge_quota(frame.with_columns(place=pl.lit("cn")), use, CATALOG, year=2024).verdicts,
        CATALOG,
        year=2024,
        least=least,
    )
    assert rows["buildings"].sum() == len(kinds)
    secret = {f"b{number}" for number, (_, leave) in enumerate(kinds) if leave != "obliged"}
    assert not secret & set(rows["building"].drop_nulls())
    masked = rows.filter(pl.col("kind") != "named")
    assert (
        masked.filter(pl.col("buildings") < least)["electricity"].null_count()
        == masked.filter(pl.col("buildings") < least).height
    )
