"""Roll-ups: what ledgers say of places and years, as observations that can be traced to the things behind them.

The rules, in the order in which they are asked:

- **One thing counts once.** In several registers of one subject it is one thing: each field has the value of the first
  register that knows it, and where two registers by themselves give different answers a finding names both.
- **The statistic date decides the year.** A date after `as_of` is not counted. A missing date leaves the thing open in every
  year that it may belong to; where the stage that it has reached comes before that date is due, it has not come to it yet.
- **Three answers.** A thing for which the condition, the value or the weight is unknown is open: it does not count and lowers
  the coverage. Where every thing is open there is no value; an unknown is never a zero. Whether a condition holds for all is
  not put in doubt by a thing that fulfils it, whatever year it belongs to; one that fails it, without a date, leaves every
  year that it may belong to open.
- **Zero is said where the ledger speaks.** A division of which the ledger has a row of that year or an earlier one has zero
  where nothing counts; a division without any row, and the years before its first, have no value (not reported). Of a
  division with parts the coverage is also the share of its parts of which the ledger says anything; `complete` declares
  ledgers complete, so that a division without a row, or before its first, has none of the things from the first row of all on.
- **Places.** A thing counts for its own division and those above it, up to `home`, by the parents of each period's end; a
  zone is a view that passes nothing upwards. A thing without a district counts above, with a finding.
- **Breakdowns.** ``all`` is the sum of the classes and of what has none, which a finding shows; wider classes are summed too.
- **Part years** are shown as such: the year that is not over is reckoned to its last whole month.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, Final

import polars as pl

from dafeng.base.errors import InputError, UnknownNameError, UsageError, close_names
from dafeng.base.finding import Finding, Severity
from dafeng.base.lineage import LINEAGE_SCHEMA, LineageKind
from dafeng.base.observation import BREAKDOWNS, KEY, SCHEMA, MissingReason, ObservationKind, Review
from dafeng.base.quantity import root_factor
from dafeng.buildings.counting import OTHER, Answers, answer, cohorts, coverage_of, disputed, spread, value_of
from dafeng.buildings.joined import Ledger, join_registers, marks_of
from dafeng.buildings.rollup_findings import beyond_bounds, date_findings, dispute_findings, gap_findings
from dafeng.buildings.whereabouts import Span, parts_below, reckoned_periods
from dafeng.catalog import Catalog
from dafeng.catalog.expression import expression_names
from dafeng.catalog.ledger_schemas import Rollup
from dafeng.methods import compute_formulas

__all__ = ["MEMBERS_SCHEMA", "RolledUp", "members_of", "roll_up", "yielded_by"]

_SHOWN: Final = 5

MEMBERS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "rollup": pl.String(),
    "place": pl.String(),
    "zone": pl.String(),
    "building_class": pl.String(),
    "carrier": pl.String(),
    "end_use": pl.String(),
    "boundary": pl.String(),
    "key": pl.String(),
    "register": pl.String(),
    "first": pl.String(),
    "last": pl.String(),
    "counted": pl.Boolean(),
    "value": pl.Float64(),
    "weight": pl.Float64(),
}
"""Columns of members: roll-up, own division and zone, classes (null where there is none), key, register, first and last period
in which the thing counts, whether it counts or is open, value in the indicator's unit, weight."""


@dataclass(frozen=True)
class _Counted:
    rollup: Rollup
    ledger: Ledger
    answers: Answers
    wider: Mapping[str, Mapping[str, list[str]]]


@dataclass(frozen=True)
class RolledUp:
    """What ledgers yield.

    Parameters
    ----------
    observations : DataFrame of `dafeng.base.observation.SCHEMA`
        Dataset ``ledger-`` and the first register of the roll-up.
    lineage : DataFrame of `dafeng.base.lineage.LINEAGE_SCHEMA`
        One row of kind query an observation; its detail is JSON: roll-up, registers, expressions, place, period, breakdown,
        count, open, coverage, ``members`` (a digest of the keys of the counted things, whatever their order) and the ``first``
        keys. Indicators by formula have a row of kind formula that names the lineage of what entered.
    findings : tuple of Finding
    """

    observations: pl.DataFrame
    lineage: pl.DataFrame
    findings: tuple[Finding, ...]
    _counted: Mapping[str, _Counted] = field(repr=False, default_factory=dict)
    _spans: Sequence[Span] = field(repr=False, default=())

    @cached_property
    def members(self) -> pl.DataFrame:
        """Every thing that counts or is open in any roll-up, of `MEMBERS_SCHEMA`; made when first asked for."""
        frames = [self.members_in(name) for name in self._counted]
        return pl.concat([pl.DataFrame(schema=MEMBERS_SCHEMA), *frames])

    def members_in(self, rollup: str) -> pl.DataFrame:
        """Return the things that count or are open in one roll-up, of `MEMBERS_SCHEMA`.

        Raises
        ------
        UnknownNameError
            The roll-up is not among those that were counted.
        """
        if rollup not in self._counted:
            raise UnknownNameError(
                f"roll-up {rollup!r} was not counted",
                doing="list the things of a roll-up",
                expected=f"one of {', '.join(sorted(self._counted)[:8])}",
                next_step="name a roll-up of the catalog whose ledgers have rows",
            )
        return _members(self._counted[rollup], self._spans)


def roll_up(
    things: Mapping[str, pl.DataFrame],
    catalog: Catalog,
    *,
    years: range,
    recorded_at: datetime,
    as_of: date | None = None,
    rollups: Iterable[str] | None = None,
    home: str | None = None,
    complete: Collection[str] = (),
    kind: ObservationKind | None = None,
) -> RolledUp:
    """Count ledgers up to observations by place, year and class.

    Parameters
    ----------
    things : mapping from register id to DataFrame
        Current views, of `dafeng.buildings.things.current_things`.
    catalog : Catalog
    years : range
        Years that are wanted; those that are not over on `as_of` are left out but for its own, which is reckoned to its
        last whole month.
    recorded_at : datetime
        When the results are learned.
    as_of : date, optional
        Day of the reckoning; the day of `recorded_at` where None.
    rollups : iterable of str, optional
        Ids of roll-ups; every one of the catalog whose registers have rows where None.
    home : str, optional
        Place whose ledgers these are (the workspace's place). Nothing is summed above it; a thing without a place is
        somewhere in it. The lowest place that has all of them within where None.
    complete : collection of str
        Places of which every ledger is complete: a division in them without a row has none of the things.
    kind : ObservationKind, optional
        Kind of all observations in place of the roll-ups' own: demonstration for invented ledgers.

    Returns
    -------
    RolledUp

    Raises
    ------
    UnknownNameError
        A roll-up, its indicator or register, or `home` is not in the catalog.
    UsageError
        No period of `years` is over.
    InputError
        A frame lacks a column of things.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> roll_up({}, load_catalog(), years=range(2020, 2026), recorded_at=datetime(2026, 11, 20, tzinfo=UTC)).observations.height
    0
    """
    as_of = as_of or recorded_at.date()
    spans = reckoned_periods(years, as_of)
    if not spans:
        raise UsageError(
            f"no year of {years.start} to {years.stop - 1} is over on {as_of}",
            doing="roll ledgers up",
            expected="years up to the day of the reckoning",
            next_step="name earlier years or a later day",
        )
    if home is not None:
        catalog.places.get(home)
    chosen, findings = _chosen(things, catalog, rollups)
    types = catalog.field_types()
    below = parts_below(catalog.places, spans)
    wider = {name: _wider(catalog, name) for name in BREAKDOWNS}
    groups: dict[tuple[str, ...], list[Rollup]] = defaultdict(list)
    for rollup in chosen:
        groups[tuple(name for name in rollup.registers if name in things and things[name].height)].append(rollup)
    counted: dict[str, _Counted] = {}
    marks: dict[str, pl.DataFrame] = {}
    frames = [pl.DataFrame(schema=SCHEMA)]
    lineages = [pl.DataFrame(schema=LINEAGE_SCHEMA)]
    for registers, members in groups.items():
        present = {name: things[name] for name in registers}
        marks |= {
            name: marks_of(frame, catalog.registers[name].subject)
            for name, frame in present.items()
            if name not in marks
        }
        ledger = join_registers(present, marks, members, catalog, types, spans, home, complete, below)
        findings += ledger.spots.findings
        asked = []
        for rollup in members:
            unit = catalog.indicator(rollup.indicator).unit
            due = rollup.due or catalog.fields[rollup.dated].stage
            answers = answer(rollup, ledger.base, types, spans, unit=unit, due=due, as_of=as_of, codes=wider)
            counted[rollup.id] = _Counted(rollup, ledger, answers, wider)
            asked.append(counted[rollup.id])
            rows = _results(counted[rollup.id], len(spans))
            observations, lineage = _observed(rows, counted[rollup.id], catalog, spans, recorded_at, kind)
            frames.append(observations)
            lineages.append(lineage)
            if ledger.rows.height:
                things_of = disputed(rollup, ledger.rows, types, unit=unit, codes=wider)
                findings += dispute_findings(rollup, ledger, things_of, catalog)
        asked_of = [(one.rollup, one.answers) for one in asked]
        findings += date_findings(ledger, asked_of, catalog, as_of)
        findings += [found for one in asked for found in gap_findings(one.rollup, ledger, one.answers, catalog)]
    observations, twice = _once(pl.concat(frames))
    ratios, lineage, more = _ratios(observations, chosen, catalog)
    observations = pl.concat([observations, ratios]).sort(KEY)
    findings += twice + more + beyond_bounds(observations, catalog)
    used = pl.concat([*lineages, lineage]).unique("id", keep="first", maintain_order=True)
    return RolledUp(
        observations,
        used.filter(pl.col("id").is_in(observations["lineage"].drop_nulls().implode())),
        tuple(findings),
        counted,
        spans,
    )


def members_of(rolled: RolledUp, lineage: str) -> pl.DataFrame:
    """Return the things behind an observation: those that count, and those that are open.

    Parameters
    ----------
    rolled : RolledUp
    lineage : str
        Id that the observation carries, of kind query.

    Returns
    -------
    DataFrame of `MEMBERS_SCHEMA`
        Sorted by key.

    Raises
    ------
    InputError
        No such lineage, or one of a formula, whose detail names the lineage of what entered.
    """
    row = rolled.lineage.filter((pl.col("id") == lineage) & (pl.col("kind") == LineageKind.QUERY.value))
    if not row.height:
        raise InputError(
            f"{lineage!r} is the lineage of no roll-up here",
            doing="list the things behind a figure",
            expected="the lineage id of an observation that was counted from ledgers",
            next_step="for a share, name the lineage of its numerator or denominator",
        )
    detail = json.loads(row["detail"][0])
    counted = rolled._counted[detail["rollup"]]
    at = next(number for number, span in enumerate(rolled._spans) if span.text == detail["period"])
    spots = counted.ledger.spots.targets.filter((pl.col("place") == detail["place"]) & (pl.col("at") == at))["spot"]
    things = counted.answers.things.filter(
        pl.col("spot").is_in(spots.implode()) & pl.lit(at).is_between("enter", "leave")
    )
    for name, code in detail["breakdown"].items():
        column = pl.col(f"class_{name}")
        narrower = [one for one, chain in counted.wider[name].items() if code in chain]
        things = things.filter(column.is_in(narrower) | column.is_null())
        things = things.with_columns(known=pl.col("known") & column.is_not_null())
    return _members(replace(counted, answers=counted.answers._replace(things=things)), rolled._spans)


def _chosen(
    things: Mapping[str, pl.DataFrame], catalog: Catalog, rollups: Iterable[str] | None
) -> tuple[list[Rollup], list[Finding]]:
    wanted = sorted(catalog.rollups) if rollups is None else list(rollups)
    unknown = [name for name in wanted if name not in catalog.rollups]
    if unknown:
        raise UnknownNameError(
            f"no roll-up is called {unknown[0]!r}",
            doing="roll ledgers up",
            expected=f"one of {', '.join(close_names(unknown[0], catalog.rollups) or sorted(catalog.rollups)[:8])}",
            next_step="look into catalog/rollups",
        )
    full = {name for name, frame in things.items() if frame.height}
    chosen = [catalog.rollups[name] for name in wanted if full & set(catalog.rollups[name].registers)]
    idle = [catalog.rollups[name] for name in wanted if not full & set(catalog.rollups[name].registers)]
    if not idle:
        return chosen, []
    registers = sorted({register for rollup in idle for register in rollup.registers})
    return chosen, [
        Finding(
            name="buildings.rollup.no-ledger",
            sentence=f"{len(idle)} 项汇总没有台账可算：{'、'.join(rollup.id for rollup in idle[:_SHOWN])}"
            + ("等" if len(idle) > _SHOWN else ""),
            severity=Severity.INFO,
            next_step=f"导入台账：{'、'.join(registers[:_SHOWN])}{'等' if len(registers) > _SHOWN else ''}",
            evidence={"rollups": "、".join(rollup.id for rollup in idle), "registers": "、".join(registers)},
        )
    ]


def _wider(catalog: Catalog, name: str) -> dict[str, list[str]]:
    """Return each code of a breakdown with itself, the wider ones and ``all``."""
    codes = catalog.breakdown_codes(name) - {"all"}
    parents = {
        term.code: term.parent for group in catalog.terms.values() for term in group.values() if term.code in codes
    }
    chains = {}
    for code in codes:
        chain = [code]
        while (above := parents.get(chain[-1])) is not None and above in codes and above not in chain:
            chain.append(above)
        chains[code] = [*chain, "all"]
    return chains


def _results(counted: _Counted, periods: int) -> pl.DataFrame:
    """Return sums for every place, period and class of which the ledger speaks, and the gaps where it does not."""
    rollup, ledger = counted.rollup, counted.ledger
    classes = [f"class_{name}" for name in rollup.breakdowns]
    parts = cohorts(counted.answers.things, rollup, ledger.marks)
    sums = spread(parts, rollup, ledger.spots.targets, periods, counted.wider)
    grid = ledger.shares.lazy()
    for column in classes:
        codes = sorted({"all", *sums[column].unique()})
        grid = grid.join(pl.LazyFrame({column: codes}, schema={column: pl.String}), how="cross")
    total = pl.all_horizontal([pl.lit(True), *(pl.col(column) == "all" for column in classes)])
    grid = grid.filter((pl.col("share") > 0) | total)
    return (
        grid.join(sums.lazy(), on=["place", "view", "at", *classes], how="left")
        .with_columns(
            pl.col("n", "open", "idle", "open_weighed").fill_null(0),
            pl.col("total", "mass", "open_mass").fill_null(0.0),
        )
        .with_columns(open=pl.when(pl.col("n") == 0).then(pl.col("open") + pl.col("idle")).otherwise("open"))
        .with_columns(pl.col("mark_a", "mark_b").fill_null(0))
        .sort("place", "at", *classes)
        .collect()
    )


def _observed(
    rows: pl.DataFrame,
    counted: _Counted,
    catalog: Catalog,
    spans: Sequence[Span],
    recorded_at: datetime,
    kind: ObservationKind | None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    rollup = counted.rollup
    indicator = catalog.indicator(rollup.indicator)
    value, reason = value_of(rollup, root_factor(indicator.unit))
    kept = pl.col("share") > 0
    rows = rows.with_columns(
        value=pl.when(kept).then(value),
        missing_reason=pl.when(kept).then(reason).otherwise(pl.lit(MissingReason.NOT_REPORTED.value)),
        coverage=(pl.when(kept).then(coverage_of(rollup)).otherwise(0.0) * pl.col("share")).clip(0.0, 1.0).round(12),
        period=pl.lit(pl.Series([span.text for span in spans], dtype=pl.String)).gather("at"),
    )
    details = _details(rows, rollup, counted.ledger)
    ids = [hashlib.sha256(detail.encode()).hexdigest()[:32] for detail in details]
    fixed: dict[str, Any] = {
        "indicator": indicator.id,
        "extent": rollup.extent or indicator.extent.value,
        "basis": rollup.basis,
        "kind": (kind or rollup.kind).value,
        "scenario": "",
        "member": "",
        "dataset": f"ledger-{rollup.registers[0]}",
        "recorded_at": recorded_at.astimezone(UTC),
        "review": Review.APPROVED.value,
    }
    observations = rows.select(
        *(pl.lit(given).alias(name) for name, given in fixed.items()),
        *(pl.lit(None).alias(name) for name in ("low", "high", "published_on", "supersedes")),
        *("place", "period", "value", "missing_reason", "coverage"),
        *(
            pl.col(f"class_{name}").alias(name) if name in rollup.breakdowns else pl.lit("all").alias(name)
            for name in BREAKDOWNS
        ),
        lineage=pl.Series(ids, dtype=pl.String),
    ).select([pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()])
    lineage = pl.DataFrame({"id": ids, "detail": details}, schema={"id": pl.String, "detail": pl.String}).select(
        "id",
        kind=pl.lit(LineageKind.QUERY.value),
        **{name: pl.lit("") for name in ("document", "file", "sheet", "cell")},
        text=pl.lit(f"roll_up {rollup.id}"),
        detail="detail",
    )
    return observations, lineage.select(list(LINEAGE_SCHEMA))


def _details(rows: pl.DataFrame, rollup: Rollup, ledger: Ledger) -> list[str]:
    rule = {
        "rollup": rollup.id,
        "registers": list(rollup.registers),
        **rollup.model_dump(
            mode="json", include={"aggregate", "value", "weight", "when", "dated", "span", "since", "until", "done"}
        ),
    }
    opening = json.dumps({name: given for name, given in rule.items() if given is not None}, ensure_ascii=False)[:-1]
    keys = ledger.base["key"]
    classes = [f"class_{name}" for name in rollup.breakdowns]
    first = rows["first"].to_list()
    used = sorted({thing for some in first if some for thing in some})
    shown = dict(zip(used, map(_quoted, keys.gather(used).to_list()), strict=True))
    broken: dict[tuple[str, ...], str] = {}
    details = []
    columns = ["place", "period", "n", "open", "coverage", "mark_a", "mark_b", *classes]
    for (place, period, n, unsettled, coverage, one, two, *codes), some in zip(
        rows.select(columns).iter_rows(), first, strict=True
    ):
        if (breakdown := broken.get(tuple(codes))) is None:
            chosen = {name: code for name, code in zip(rollup.breakdowns, codes, strict=True) if code != "all"}
            breakdown = broken[tuple(codes)] = json.dumps(chosen)
        details.append(
            f'{opening}, "place": "{place}", "period": "{period}", "breakdown": {breakdown}, "count": {n}, '
            f'"open": {unsettled}, "coverage": {coverage!r}, "members": "{one:016x}{two:016x}", '
            f'"first": [{", ".join([shown[thing] for thing in some or ()])}]}}'
        )
    return details


def _quoted(key: str) -> str:
    """Return a key as JSON writes it."""
    plain = key.isprintable() and '"' not in key and "\\" not in key
    return f'"{key}"' if plain else json.dumps(key, ensure_ascii=False)


def _members(counted: _Counted, spans: Sequence[Span]) -> pl.DataFrame:
    things, base = counted.answers.things, counted.ledger.base
    texts = pl.Series([span.text for span in spans], dtype=pl.String)
    spots = things["spot"]
    columns = {
        "rollup": pl.repeat(counted.rollup.id, things.height, dtype=pl.String, eager=True),
        "place": pl.Series(counted.ledger.spots.own, dtype=pl.String).gather(spots),
        "zone": pl.Series(counted.ledger.zones, dtype=pl.String).gather(spots),
        **{
            name: things[f"class_{name}"].replace(OTHER, None)
            if name in counted.rollup.breakdowns
            else pl.repeat(None, things.height, dtype=pl.String, eager=True)
            for name in BREAKDOWNS
        },
        "key": base["key"].gather(things["row"]),
        "register": base["_register"].gather(things["row"]),
        "first": texts.gather(things["enter"]),
        "last": texts.gather(things["leave"]),
        "counted": things["known"],
        "value": things["value"],
        "weight": things["weight"],
    }
    return pl.DataFrame([series.alias(name) for name, series in columns.items()], schema=MEMBERS_SCHEMA)


def _once(observations: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Return one row a key: two roll-ups that say the same thing twice are a fault of the catalog."""
    twice = observations.filter(pl.struct(KEY).is_duplicated())
    if not twice.height:
        return observations, []
    names = sorted(twice["indicator"].unique())
    return observations.unique(KEY, keep="none", maintain_order=True), [
        Finding(
            name="buildings.rollup.counted-twice",
            sentence=f"指标 {'、'.join(names)} 有两条汇总给出同一个数（口径、台账、类别都相同），都未采用",
            expected="一个指标同一口径只有一条汇总",
            next_step="在目录 rollups 中改口径（basis、extent）或删去一条",
            evidence={"rows": twice.height, "indicators": "、".join(names)},
        )
    ]


def _datasets(rollups: Iterable[Rollup], catalog: Catalog) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the dataset of each indicator that roll-ups count, and the inputs of those that follow from them by formula."""
    datasets = {rollup.indicator: f"ledger-{rollup.registers[0]}" for rollup in reversed(list(rollups))}
    inputs = {
        one.id: expression_names(one.formula)
        for one in catalog.indicators.values()
        if one.formula is not None and one.id not in datasets and set(expression_names(one.formula)) <= set(datasets)
    }
    return datasets, inputs


def yielded_by(catalog: Catalog) -> set[tuple[str, str]]:
    """Return every indicator with dataset that the roll-ups of a catalog yield, directly or by formula.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> ("new_building_area", "ledger-projects") in yielded_by(load_catalog())
    True
    """
    datasets, inputs = _datasets(catalog.rollups.values(), catalog)
    own = {(rollup.indicator, f"ledger-{rollup.registers[0]}") for rollup in catalog.rollups.values()}
    return own | {(name, datasets[names[0]]) for name, names in inputs.items()}


def _ratios(
    observations: pl.DataFrame, rollups: Sequence[Rollup], catalog: Catalog
) -> tuple[pl.DataFrame, pl.DataFrame, list[Finding]]:
    """Return the indicators by formula whose every input was rolled up, under the dataset of their first input."""
    datasets, inputs = _datasets(rollups, catalog)
    wanted = {name: catalog.indicators[name] for name in (*inputs, *datasets)}
    plain = {
        name: one if name in inputs or one.formula is None else one.model_copy(update={"formula": None})
        for name, one in wanted.items()
    }
    used = {name for names in inputs.values() for name in names}
    computed = compute_formulas(
        observations.filter(pl.col("indicator").is_in(sorted(used))).with_columns(dataset=pl.lit("ledger")),
        plain,
        catalog.indicator_types(),
    )
    first = {name: datasets[names[0]] for name, names in inputs.items()}
    results = computed.observations.with_columns(
        dataset=pl.col("indicator").replace_strict(first, default=None, return_dtype=pl.String)
    )
    return results, computed.lineage, computed.findings
