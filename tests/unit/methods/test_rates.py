"""Dated values are chosen by the declared rules, and what cannot be chosen is named."""

import time
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from pydantic import ValidationError

from dafeng.base.errors import InputError
from dafeng.base.finding import Severity
from dafeng.base.place import Place, PlaceTree
from dafeng.catalog import load_catalog
from dafeng.catalog.carbon_schemas import Factor
from dafeng.methods.rates import QUERY, RateError, RatePolicy, Rates, Rule, choose_rates, factor_values

TABLE = yaml.safe_load((Path(__file__).parents[2] / "cases" / "rates.yaml").read_text(encoding="utf-8"))
AS_OF = date(2026, 11, 20)
FORWARD = RatePolicy(rules=(Rule.exact(), Rule.hold_last(3)))


def factor(entry: dict[str, Any]) -> Factor:
    values = [{"source": "case", **value} for value in entry["values"]]
    return Factor.model_validate({
        "zh": entry["id"], "en": entry["id"], "checked_on": AS_OF, **entry, "values": values
    })  # fmt: skip


PLACES = PlaceTree([Place.model_validate(place) for place in TABLE["places"]])
FACTORS = {entry["id"]: factor(entry) for entry in TABLE["factors"]}
OWN = tuple(factor(entry) for entry in TABLE["own"])


def policy(words: list[str]) -> RatePolicy:
    rules = []
    for word in words:
        kind, _, detail = word.partition(" ")
        if kind == "hold_last":
            rules.append(Rule.hold_last(int(detail)))
        elif kind in ("user_series", "projected_path"):
            rules.append(getattr(Rule, kind)(detail, OWN))
        else:
            rules.append(getattr(Rule, kind)())
    return RatePolicy(rules=tuple(rules))


def ask(*queries: tuple[str, str, str, str], rules: RatePolicy = FORWARD, as_of: date = AS_OF) -> Rates:
    catalog = load_catalog()
    frame = pl.DataFrame(list(queries), schema=list(QUERY), orient="row")
    return choose_rates(frame, catalog.factors, catalog.places, policy=rules, as_of=as_of)


@pytest.mark.parametrize("name", TABLE["cases"])
def test_a_case_gives_the_value_or_the_error_that_it_states(name: str) -> None:
    case = TABLE["cases"][name]
    queries = pl.DataFrame([case["ask"]], schema=list(QUERY), orient="row")
    rates = choose_rates(queries, FACTORS, PLACES, policy=policy(case["rules"]), as_of=case["as_of"])
    row = rates.frame.row(0, named=True)
    if "error" in case:
        assert [finding.name for finding in rates.errors] == [f"methods.rates.{case['error']}"]
        (finding,) = rates.errors
        assert row["value"] is None
        assert row["rule"] is None
        assert finding.next_step
        assert finding.expected
        assert case.get("says", "") in finding.expected
        assert all(part in finding.sentence for part in case.get("names", ()))
        with pytest.raises(RateError):
            rates.require()
        return
    assert rates.errors == []
    for field, expected in case["gives"].items():
        assert row[field] == (pytest.approx(expected, rel=1e-12) if isinstance(expected, float) else expected), field
    assert (f"methods.rates.{case['finding']}" if "finding" in case else None) in (
        None,
        *(finding.name for finding in rates.findings),
    )


def test_carried_values_are_always_a_finding_and_back_cast_ones_a_warning() -> None:
    rules = RatePolicy(rules=(Rule.exact(), Rule.hold_last(3), Rule.back_cast()))
    rates = ask(*(("grid_province", "electricity", "jilin", str(year)) for year in range(2005, 2027)), rules=rules)
    found = {(finding.name, finding.severity) for finding in rates.findings if "jilin" in finding.sentence}
    assert found == {
        ("methods.rates.back-cast", Severity.WARNING),
        ("methods.rates.hold-last", Severity.INFO),
        ("methods.rates.pending", Severity.INFO),
    }
    by_rule = dict(rates.frame.group_by("rule").agg(pl.len()).iter_rows())
    assert by_rule == {"back_cast": 16, "exact": 3, "hold_last": 3}
    assert set(rates.frame.filter(pl.col("rule") == "back_cast")["grade"]) == {"C"}


def test_every_column_of_the_queries_is_kept_in_their_order() -> None:
    catalog = load_catalog()
    queries = pl.DataFrame({
        "mark": [3, 1, 2], "family": "grid_province", "subject": "electricity", "place": ["qingdao", "jilin", "qingdao"],
        "period": ["2023", "2021", "2023"],
    })  # fmt: skip
    rates = choose_rates(queries, catalog.factors, catalog.places, policy=FORWARD, as_of=AS_OF)
    assert rates.frame.select("mark", "stated_value").rows() == [(3, 0.6191), (1, 0.5629), (2, 0.6191)]
    assert rates.frame.columns[: queries.width] == queries.columns


def test_no_queries_give_an_empty_frame() -> None:
    frame = choose_rates(
        pl.DataFrame(schema=dict.fromkeys(QUERY, pl.String)), FACTORS, PLACES, policy=FORWARD, as_of=AS_OF
    )
    assert frame.findings == []
    assert frame.frame.height == 0
    assert "value" in frame.frame.columns


def test_a_missing_query_column_is_refused() -> None:
    with pytest.raises(InputError, match="period"):
        choose_rates(pl.DataFrame({"family": [], "subject": [], "place": []}), {}, PLACES, policy=FORWARD, as_of=AS_OF)


def test_a_policy_refuses_rules_that_are_incomplete_or_stand_twice() -> None:
    for wrong in ({"kind": "user_series"}, {"kind": "exact", "years": 3}, {"kind": "exact", "name": "x"}):
        with pytest.raises(ValidationError):
            Rule.model_validate(wrong)
    with pytest.raises(ValidationError):
        RatePolicy(rules=())
    with pytest.raises(ValidationError, match="exact"):
        RatePolicy(rules=(Rule.exact(), Rule.exact()))


def test_inner_mongolia_lies_in_two_grids_and_its_prefectures_in_one() -> None:
    rates = ask(*(("grid_region", "electricity", place, "2023") for place in ("neimenggu", "chifeng", "baotou")))
    assert rates.frame["factor"].to_list() == [None, "grid-region-northeast", "grid-region-north"]
    (finding,) = rates.errors
    assert "grid-region-northeast" in finding.sentence
    assert "grid-region-north（" in finding.sentence


def test_the_unresolved_value_of_beijing_says_so_and_spans_both_readings() -> None:
    rates = ask(("grid_province", "electricity", "beijing", "2021"))
    row = rates.frame.row(0, named=True)
    assert (row["grade"], row["low"], row["high"]) == ("C", pytest.approx(0.0005688), pytest.approx(0.0005834))
    assert any("0.5834" in finding.sentence for finding in rates.findings if finding.name.endswith("unresolved"))


def test_standard_coal_of_electricity_has_two_bases() -> None:
    rates = ask(
        *((f"coal_equivalent_{basis}", "electricity", "qingdao", "2024") for basis in ("calorific", "generation"))
    )
    assert rates.frame["value"].to_list() == pytest.approx([0.0001229, 0.0003])
    assert rates.frame["unit"].to_list() == ["tce/kWh"] * 2
    assert rates.frame["grade"].to_list() == ["A", "C"]


def test_a_factor_of_the_guideline_is_carbon_content_times_oxidation() -> None:
    rates = ask(("fuel_guideline", "anthracite", "jilin", "2020"), ("calorific_value", "anthracite", "jilin", "2020"))
    factor_of_energy, heat = rates.frame["value"]
    assert factor_of_energy == pytest.approx(0.02749 * 0.94 * 44 / 12, rel=1e-6)
    assert factor_of_energy * heat == pytest.approx(2.3228, abs=1e-4)


def test_published_figures_are_carried_over_without_a_slip(shared: Path) -> None:
    facts = pl.read_csv(shared / "domain" / "facts" / "grid_factors.csv").filter(pl.col("scope") == "province")
    catalog = load_catalog()
    values = factor_values(catalog.factors.values()).filter(pl.col("family") == "grid_province")
    codes = {place.id: code.code for place in catalog.places for code in place.codes}
    ours = {(codes[row["holder"]], row["starts"].year): row["stated_value"] for row in values.iter_rows(named=True)}
    theirs = {(str(row["adcode"]), row["data_year"]): row["factor"] for row in facts.iter_rows(named=True)}
    assert ours.keys() == theirs.keys()
    assert len(ours) == 90
    assert {key for key in ours if ours[key] != theirs[key]} == {("110000", 2021)}
    for name, family in (("gbt51366_materials", "material_gbt51366"), ("gbt51366_transport", "transport_gbt51366")):
        stated = pl.read_csv(shared / "domain" / "facts" / f"{name}.csv")["factor"].cast(pl.Float64).to_list()
        shipped = factor_values(item for item in catalog.factors.values() if item.family == family)
        assert shipped["stated_value"].to_list() == stated


def test_two_hundred_thousand_queries_take_well_under_a_second() -> None:
    catalog = load_catalog()
    places = [place.id for place in catalog.places if place.parent is not None][:500]
    fuels = [item.subject for item in catalog.factors.values() if item.family == "fuel_gbt51366"][:10]
    queries = (
        pl.DataFrame({"place": places})
        .join(pl.DataFrame({"period": [str(year) for year in range(1985, 2025)]}), how="cross")
        .join(pl.DataFrame({"subject": fuels, "family": "fuel_gbt51366"}), how="cross")
    )
    assert queries.height == 200_000
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        rates = choose_rates(queries, catalog.factors, catalog.places, policy=FORWARD, as_of=AS_OF)
        taken.append(time.perf_counter() - started)
    assert min(taken) < 1.5, "typically 0.2 s; the bound allows for a busy machine"
    assert rates.errors == []
    assert rates.frame["value"].null_count() == 0
