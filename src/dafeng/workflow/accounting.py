"""Carbon accounts of a workspace: made, explained, restated, and looked at for a peak."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import polars as pl

from dafeng.base.errors import InputError, UnknownNameError, UsageError, close_names
from dafeng.base.finding import Finding, Severity
from dafeng.base.place import Extent
from dafeng.base.record import Record
from dafeng.carbon import Inventory, Restatement, account, restate
from dafeng.catalog.carbon_schemas import Boundary
from dafeng.catalog.tables import peak_critical_values
from dafeng.lake import Snapshot
from dafeng.methods.breaks import Break, find_breaks
from dafeng.methods.peak import PeakVerdict, peak_verdict
from dafeng.methods.rate_policy import RatePolicy, Rule
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.setting import Setting

__all__ = [
    "DEFAULT_RULES",
    "PeakLook",
    "account_carbon",
    "boundary_of",
    "explain_account",
    "look_for_peak",
    "publish_account",
    "read_policy",
    "restate_carbon",
]

DEFAULT_RULES: Final = "exact,hold-last:3,back-cast"
"""Rules that are tried unless others are named; every value says by which it was taken."""


class PeakLook(Record):
    """A series looked at for its peak, under one reading of a split."""

    place: str
    """Place id."""
    boundary: str
    """Component or view that was summed."""
    split: tuple[str, ...]
    """Splits that were on."""
    years: tuple[int, ...]
    """Years with a value."""
    values: tuple[float, ...]
    """Values, tCO2."""
    status: str
    """peaked, plateau, rising or undetermined."""
    peak_year: int
    """Year of the maximum."""
    words: str
    """The verdict in Chinese, with what it rests on; single wrong values and years before the last shift are left out."""
    whole_series: str
    """The verdict on all years as they stand; empty where the source has no break."""
    breaks: tuple[str, ...]
    """Breaks of the source, found before the verdict, in Chinese."""


def read_policy(text: str) -> RatePolicy:
    """Return the rules of a text such as ``exact,hold-last:3,back-cast``.

    Raises
    ------
    UsageError
        A rule is unknown.

    Examples
    --------
    >>> [rule.code for rule in read_policy("exact,hold-last:3").rules]
    ['exact', 'hold_last']
    """
    rules = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, _, years = word.partition(":")
        count = int(years) if years.isdigit() and int(years) > 0 else None
        match name.replace("_", "-"):
            case "exact" if not years:
                rules.append(Rule.exact())
            case "hold-last" if count is not None:
                rules.append(Rule.hold_last(count))
            case "back-cast" if not years or count is not None:
                rules.append(Rule.back_cast(count))
            case _:
                raise UsageError(
                    f"规则 {word!r} 不认识 / unknown rule",
                    doing="read the rules for choosing factors",
                    expected="exact, hold-last:年数, back-cast 或 back-cast:年数，用逗号分隔",
                    next_step=f"例如 --rules {DEFAULT_RULES}",
                )
    return RatePolicy(rules=tuple(rules))


def boundary_of(setting: Setting, name: str) -> Boundary:
    """Return a boundary of the catalog.

    Raises
    ------
    UnknownNameError
        There is none of that name.
    """
    known = setting.catalog.boundaries
    if name not in known:
        raise UnknownNameError(
            f"没有边界表 {name!r} / no such boundary",
            doing="choose a boundary",
            expected=", ".join(close_names(name, known) or sorted(known)),
            next_step="dafeng carbon boundaries",
        )
    return known[name]


def _activities(
    setting: Setting,
    snapshot: Snapshot,
    boundary: Boundary,
    places: Sequence[str] | None,
    *,
    as_of: date,
    known_at: date | None,
) -> pl.DataFrame:
    indicators = sorted({flow.indicator for flow in boundary.flows})
    return snapshot.read(as_of=known_at, published_by=as_of, indicators=indicators, places=places)


def account_carbon(
    setting: Setting,
    name: str,
    *,
    places: Sequence[str] | None = None,
    policy: RatePolicy,
    as_of: date,
    known_at: date | None,
    recorded_at: datetime,
    split: Collection[str] | None = None,
    gross_purchases: bool = False,
) -> Inventory:
    """Account for the emissions of places by the facts of a workspace.

    Parameters
    ----------
    setting : Setting
    name : str
        Boundary id.
    places : sequence of str, optional
        Place ids; every place with activity data where None.
    policy : RatePolicy
    as_of : date
        Neither facts nor factors published later are known.
    known_at : date or None
        Nor facts recorded later; None for all.
    recorded_at : datetime
    split : collection of str, optional
        Splits that are on; the boundary's own where None.
    gross_purchases : bool
        Purchases are stated gross of photovoltaics used on site.
    """
    _, lake = need_workspace(setting)
    boundary = boundary_of(setting, name)
    facts = _activities(setting, lake.snapshot(), boundary, places, as_of=as_of, known_at=known_at)
    return account(
        facts,
        setting.catalog,
        boundary.id,
        policy=policy,
        as_of=as_of,
        recorded_at=recorded_at,
        split=split,
        gross_purchases=gross_purchases,
    )


def publish_account(setting: Setting, inventory: Inventory) -> int:
    """Publish an account into the lake as computed observations; return the number of facts stored.

    A batch is named after the lineage of its figures, which holds every amount, factor and rule: the same account twice is one.
    """
    _, lake = need_workspace(setting)
    stored = 0
    for observations, lineage in inventory.batches():
        named = "".join([inventory.settings.boundary.id, *observations["lineage"].drop_nulls().unique().sort()])
        batch = f"account-{hashlib.sha256(named.encode()).hexdigest()[:32]}"
        published = lake.publish(observations, batch=batch, lineage=lineage)
        stored += 0 if published.already else published.appended
    return stored


def explain_account(
    inventory: Inventory, *, place: str, year: int, component: str, extent: str | None = None
) -> pl.DataFrame:
    """Return every term of one component: activity, amount, factor, its value and the rule by which it was taken.

    Parameters
    ----------
    inventory : Inventory
    place, year, component
        What is to be explained.
    extent : str, optional
        Extent; the widest that the account has where None.

    Returns
    -------
    DataFrame
        Columns extent, basis, activity, amount, flow, factor, factor_value, factor_unit, rule, data_from, published_on, grade,
        value (tCO2): amount × factor with its sign, so that the values of a basis add up to the component.
    """
    totals = inventory.observations.filter(
        (pl.col("place") == place)
        & (pl.col("period") == str(year))
        & (pl.col("boundary") == component)
        & (pl.col("building_class") == "all")
        & (pl.col("carrier") == "all")
    )
    wanted = _widest(totals["extent"].unique().to_list()) if extent is None else extent
    details = dict(inventory.lineage.select("id", "detail").iter_rows())
    rows: list[dict[str, Any]] = []
    for row in totals.filter(pl.col("extent") == wanted).iter_rows(named=True):
        members = [component, *inventory.settings.boundary.views.get(component, ())]
        for term in _terms(row["lineage"], details, [f"{member} {row['basis']}" for member in members]):
            amount, factor = term.get("amount"), term.get("value")
            known = amount is not None and factor is not None
            rows.append(
                {
                    "extent": row["extent"],
                    "basis": row["basis"],
                    "activity": term.get("activity"),
                    "amount": amount,
                    "flow": term.get("flow"),
                    "factor": term.get("factor"),
                    "factor_value": factor,
                    "factor_unit": term.get("unit"),
                    "rule": term.get("rule"),
                    "data_from": term.get("data_from"),
                    "published_on": term.get("published_on"),
                    "grade": term.get("grade"),
                    "value": term.get("sign", 1) * amount * factor if known else amount,
                }
            )
    return pl.DataFrame(rows, infer_schema_length=None)


def _terms(lineage: str | None, details: Mapping[str, str], sums: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the terms behind a lineage id, following the sums of the given names to their parts."""
    told = json.loads(details.get(lineage or "", "{}"))
    yield from told.get("terms", [])
    parts = told.get("sum_of", {})
    for name in sums:
        for part in parts.get(name, ()):
            yield from _terms(part, details, sums)


def _widest(extents: Collection[str]) -> str:
    """Return the first extent in the order of the vocabulary: the whole area before its parts."""
    return next((extent.value for extent in Extent if extent.value in extents), Extent.WHOLE.value)


def restate_carbon(
    setting: Setting,
    name: str,
    *,
    places: Sequence[str] | None = None,
    policy: RatePolicy,
    before: date,
    after: date,
    recorded_at: datetime,
    split: Collection[str] | None = None,
) -> Restatement:
    """Restate an account: as known on one day, then as known on a later one; what changed, by how much, and why.

    Facts recorded and factors published between the two days are what can change it.
    """
    _, lake = need_workspace(setting)
    boundary, snapshot = boundary_of(setting, name), lake.snapshot()
    old = _activities(setting, snapshot, boundary, places, as_of=before, known_at=before)
    new = _activities(setting, snapshot, boundary, places, as_of=after, known_at=after)
    if old.is_empty():
        raise InputError(
            f"截至 {before.isoformat()} 没有活动数据 / no activity data known by then",
            doing="restate an account",
            expected="a day by which facts were recorded",
            next_step="dafeng data show --versions 查看入库时间",
        )
    first = account(
        old, setting.catalog, boundary.id, policy=policy, as_of=before, recorded_at=recorded_at, split=split
    )
    changed = new.join(old.select("version"), on="version", how="anti")
    return restate(first, recorded_at=recorded_at, changes=changed, as_of=after)


def look_for_peak(
    setting: Setting,
    name: str,
    place: str,
    *,
    of: str,
    policy: RatePolicy,
    as_of: date,
    known_at: date | None,
    recorded_at: datetime,
) -> tuple[list[PeakLook], list[Finding]]:
    """Say whether a component or view of a place's account has peaked, with and without the boundary's splits.

    Breaks of the source are found first and stated; the verdict rests on the years since the last of them, and that on all
    years stands beside it.
    """
    _, lake = need_workspace(setting)
    boundary = boundary_of(setting, name)
    facts = _activities(setting, lake.snapshot(), boundary, [place], as_of=as_of, known_at=known_at)
    default = tuple(split.id for split in boundary.splits if split.default)
    looks: list[PeakLook] = []
    findings: list[Finding] = []
    table = peak_critical_values()
    for chosen in dict.fromkeys((default, ())):
        inventory = account(
            facts,
            setting.catalog,
            boundary.id,
            policy=policy,
            as_of=as_of,
            recorded_at=recorded_at,
            split=chosen,
        )
        totals = inventory.totals().filter(
            (pl.col("basis") == "location_based")
            & (pl.col("boundary") == of)
            & (pl.col("value") > 0)
            & pl.col("complete")
        )
        series = totals.filter(pl.col("extent") == _widest(totals["extent"].unique().to_list())).sort("period")
        if series.is_empty():
            findings.append(
                Finding(
                    name="workflow.peak.no-series",
                    severity=Severity.WARNING,
                    sentence=f"{setting.catalog.place_name(place)}没有“{setting.catalog.term('boundary', of)}”的年度核算结果",
                    next_step="先导入活动数据或排放清单，再重试",
                )
            )
            continue
        years, values = [int(year) for year in series["period"]], series["value"].to_list()
        breaks: tuple[Break, ...] = find_breaks(years, values, table=table)
        verdict: PeakVerdict = peak_verdict(years, values, table=table, breaks=breaks)
        whole = peak_verdict(years, values, table=table).words if breaks else ""
        looks.append(
            PeakLook(
                place=place,
                boundary=of,
                split=chosen,
                years=tuple(years),
                values=tuple(values),
                status=verdict.status,
                peak_year=verdict.peak_year,
                words=verdict.words,
                whole_series=whole,
                breaks=tuple(found.finding(setting.catalog.place_name(place)).sentence for found in breaks),
            )
        )
    return looks, findings
