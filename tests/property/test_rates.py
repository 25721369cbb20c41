"""Laws of choosing dated values."""

from datetime import date, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from dafeng.base.place import Place, PlaceTree
from dafeng.catalog.carbon_schemas import Factor
from dafeng.methods.rates import QUERY, RatePolicy, Rule, choose_rates

TREE = PlaceTree([
    Place.model_validate({"id": name, "name": name, "name_en": name, "level": level, "parent": parent})
    for name, level, parent in (
        ("nation", "nation", None), ("north", "province", "nation"), ("town", "prefecture", "north"),
        ("south", "province", "nation"),
    )
])  # fmt: skip
FAMILIES, SUBJECTS = ("grid_province", "heat_default"), ("electricity", "heat")
YEARS = st.integers(2015, 2025)
FIRST, LAST = date(2015, 1, 1), date(2027, 1, 1)


@st.composite
def catalogs(draw: st.DrawFn) -> dict[str, Factor]:
    """Draw factors of which each family, subject and place has one value a year at most."""
    factors = {}
    for family in FAMILIES:
        for subject in SUBJECTS:
            for place in draw(st.lists(st.sampled_from(["nation", "north", "town", "south"]), unique=True)):
                values = [
                    {
                        "from": date(year, 1, 1),
                        "to": date(year + 1, 1, 1),
                        "value": draw(st.integers(1, 999)) / 1000,
                        "published_on": date(year + 1, 1, 1) + timedelta(days=draw(st.integers(0, 900))),
                        "source": "case",
                        "grade": draw(st.sampled_from("ABC")),
                    }
                    for year in draw(st.lists(YEARS, unique=True, min_size=1, max_size=4))
                ]
                name = f"{family}-{subject}-{place}"
                factors[name] = Factor.model_validate({
                    "id": name, "zh": name, "en": name, "family": family, "subject": subject, "place": place,
                    "unit": "tCO2/kWh" if family == "grid_province" else "tCO2/GJ", "values": values,
                    "checked_on": LAST,
                })  # fmt: skip
    return factors


QUERIES = st.lists(
    st.tuples(
        st.sampled_from(FAMILIES),
        st.sampled_from(SUBJECTS),
        st.sampled_from(["town", "north", "south"]),
        YEARS.map(str),
    ),
    min_size=1,
    max_size=30,
)
POLICIES = st.sampled_from(
    [
        RatePolicy(),
        RatePolicy(rules=(Rule.exact(), Rule.hold_last(2))),
        RatePolicy(rules=(Rule.exact(), Rule.hold_last(4), Rule.back_cast())),
        RatePolicy(rules=(Rule.back_cast(3), Rule.exact())),
    ]
)
DAYS = st.dates(FIRST, LAST)


def frame(queries: list[tuple[str, str, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(queries, schema=list(QUERY), orient="row")


@given(catalogs(), QUERIES, POLICIES, DAYS)
def test_a_chosen_value_is_of_the_family_known_by_then_and_serves_by_its_rule(
    factors: dict[str, Factor], queries: list[tuple[str, str, str, str]], policy: RatePolicy, as_of: date
) -> None:
    rates = choose_rates(frame(queries), factors, TREE, policy=policy, as_of=as_of)
    assert rates.frame.height == len(queries)
    for row in rates.frame.iter_rows(named=True):
        if row["factor"] is None:
            continue
        chosen = factors[row["factor"]]
        year = int(row["period"])
        assert (chosen.family, chosen.subject) == (row["family"], row["subject"])
        assert chosen.place in (row["place"], *TREE.ancestor_ids(row["place"]))
        assert row["published_on"] <= as_of
        assert row["low"] is None or row["low"] <= row["value"] <= row["high"]
        gap = year - row["data_from"].year
        assert (row["rule"], row["years"]) == (
            ("exact", 0) if gap == 0 else ("hold_last", gap) if gap > 0 else ("back_cast", -gap)
        )
        assert row["rule"] in {rule.code for rule in policy.rules}


@given(catalogs(), QUERIES, POLICIES, DAYS)
def test_each_query_is_answered_or_named_in_a_finding(
    factors: dict[str, Factor], queries: list[tuple[str, str, str, str]], policy: RatePolicy, as_of: date
) -> None:
    rates = choose_rates(frame(queries), factors, TREE, policy=policy, as_of=as_of)
    empty = rates.frame.filter(pl.col("value").is_null()).select(QUERY).unique().height
    assert sum(int(finding.evidence["queries"] or 0) for finding in rates.errors) == empty
    assert (not rates.errors) == (empty == 0)


@given(catalogs(), QUERIES, POLICIES, DAYS, st.randoms(use_true_random=False))
def test_neither_the_order_of_queries_nor_that_of_factors_matters(
    factors: dict[str, Factor],
    queries: list[tuple[str, str, str, str]],
    policy: RatePolicy,
    as_of: date,
    random: object,
) -> None:
    order = list(range(len(queries)))
    names = list(factors)
    random.shuffle(order)  # type: ignore[attr-defined]
    random.shuffle(names)  # type: ignore[attr-defined]
    first = choose_rates(frame(queries), factors, TREE, policy=policy, as_of=as_of)
    second = choose_rates(
        frame([queries[index] for index in order]), {n: factors[n] for n in names}, TREE, policy=policy, as_of=as_of
    )
    assert_frame_equal(first.frame[order], second.frame)
    assert first.findings == second.findings


@given(catalogs(), QUERIES, DAYS)
def test_a_policy_with_more_rules_keeps_every_exact_answer_of_the_same_place(
    factors: dict[str, Factor], queries: list[tuple[str, str, str, str]], as_of: date
) -> None:
    few = choose_rates(frame(queries), factors, TREE, policy=RatePolicy(), as_of=as_of)
    policy = RatePolicy(rules=(Rule.exact(), Rule.hold_last(5), Rule.back_cast()))
    many = choose_rates(frame(queries), factors, TREE, policy=policy, as_of=as_of)
    for before, after in zip(few.frame.iter_rows(named=True), many.frame.iter_rows(named=True), strict=True):
        if before["value"] is not None:
            nearer = TREE.ancestor_ids(before["place"])
            chain = [before["place"], *nearer]
            assert chain.index(after["rate_place"]) <= chain.index(before["rate_place"])
            assert after["rule"] in ("exact", "hold_last")
            if after["rate_place"] == before["rate_place"]:
                assert after["factor"] == before["factor"]
                assert after["value"] == before["value"]
