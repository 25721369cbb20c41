"""Indicators computed from facts: added up, by formula, explained, published; what cannot be computed names what is missing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

import polars as pl

from dafeng.base.errors import UnknownNameError, UsageError
from dafeng.base.finding import Finding
from dafeng.base.lineage import LINEAGE_SCHEMA, LineageKind
from dafeng.base.observation import BREAKDOWNS, FACT_KINDS, KEY, SCHEMA, ObservationKind
from dafeng.base.period import read_period
from dafeng.catalog import Catalog
from dafeng.catalog.expression import expression_names
from dafeng.lake import ObservationLake, Published, Snapshot, content_digest
from dafeng.methods import Computed, add_up_breakdown, add_up_periods, add_up_places, compute_formulas
from dafeng.methods.computed import DATASET
from dafeng.methods.formula_explanation import Explanation, explain
from dafeng.methods.formula_solving import FactorSetting
from dafeng.workflow.accounting import DEFAULT_RULES, read_policy
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.setting import Setting

__all__ = ["ComputeRun", "compute_indicators", "explain_indicator", "explanation_text", "publish_computed"]

_BREAKDOWN_GROUP: Final = {"boundary": "boundary"}


@dataclass(frozen=True)
class ComputeRun:
    """Computed indicators.

    Parameters
    ----------
    observations, lineage : DataFrame
        Results of `SCHEMA`, and where they come from.
    gaps : DataFrame
        What could not be computed for want of what, columns of `dafeng.methods.formula_gaps.GAPS_SCHEMA`.
    inputs : DataFrame
        Facts from which they were computed.
    findings : tuple of Finding
    asked : tuple of str
        Indicators that were asked for.
    places : tuple of str, or None
        Places that were asked for; all where None.
    known_at : date, optional
        Facts recorded later did not count.
    """

    observations: pl.DataFrame
    lineage: pl.DataFrame
    gaps: pl.DataFrame
    inputs: pl.DataFrame
    findings: tuple[Finding, ...]
    asked: tuple[str, ...] = ()
    places: tuple[str, ...] | None = None
    known_at: date | None = None

    def of_periods(self, periods: Sequence[str]) -> ComputeRun:
        """Return the run with the results and gaps of some periods."""
        here = pl.col("period").is_in([read_period(text).text for text in periods])
        return replace(
            self,
            observations=self.observations.filter(here),
            gaps=self.gaps.filter(here) if self.gaps.width else self.gaps,
        )


def compute_indicators(
    setting: Setting,
    *,
    indicators: Sequence[str] | None = None,
    places: Sequence[str] | None = None,
    as_of: date,
    known_at: date | None = None,
    add_up: bool = False,
    rules: str = DEFAULT_RULES,
) -> ComputeRun:
    """Compute every indicator that has a formula from the facts of the lake, wherever its inputs are known.

    Parameters
    ----------
    setting : Setting
    indicators : sequence of str, optional
        Only these, and what they need; all with a formula where None.
    places : sequence of str, optional
        Only these.
    as_of : date
        Facts and coefficients published later are not known.
    known_at : date, optional
        Facts recorded later do not count.
    add_up : bool
        Whether parts, months and divisions are added up first, as each indicator declares; coverage says how much was there.
    rules : str
        By which rules a coefficient is chosen where its own year has none, as for carbon accounts.

    Raises
    ------
    NoWorkspaceError
        There is no workspace.
    UnknownNameError
        An indicator is unknown, or has no formula.
    """
    catalog = setting.catalog
    wanted = _with_formula(catalog, indicators)
    needed = _closure(catalog, wanted)
    _, lake = need_workspace(setting)
    snapshot = lake.snapshot()
    kinds = [kind.value for kind in FACT_KINDS] + [ObservationKind.DEMONSTRATION.value]
    held = snapshot.read(as_of=known_at, published_by=as_of, places=places, indicators=sorted(needed), kinds=kinds)
    inputs = held.join(_own(snapshot, held), on="version", how="anti").select(list(SCHEMA))
    chosen = {name: catalog.indicators[name] for name in needed}
    steps: list[Computed] = []
    if add_up:
        inputs, steps = _added_up(setting, inputs, as_of)
    computed = compute_formulas(
        inputs, chosen, catalog.indicator_types(), setting=_factors(catalog, as_of, rules), gaps=True
    )
    results = [step.observations for step in steps] + [computed.observations]
    lineage = pl.concat([*(step.lineage for step in steps), computed.lineage]).unique("id", maintain_order=True)
    observations = pl.concat(results).filter(pl.col("indicator").is_in(sorted(wanted)) | pl.lit(add_up))
    gaps = computed.gaps
    return ComputeRun(
        observations=observations,
        lineage=lineage if lineage.height else pl.DataFrame(schema=LINEAGE_SCHEMA),
        gaps=gaps.filter(pl.col("indicator").is_in(sorted(wanted))) if gaps.width else gaps,
        inputs=inputs,
        findings=tuple(finding for step in (*steps, computed) for finding in step.findings),
        asked=tuple(sorted(needed if add_up else wanted)),
        places=None if places is None else tuple(places),
        known_at=known_at,
    )


def explain_indicator(
    setting: Setting, run: ComputeRun, *, as_of: date, rules: str = DEFAULT_RULES, most: int = 20
) -> tuple[Explanation, ...]:
    """Explain the first results of a run: formula in words, what entered, coefficients, what is missing.

    See `explanation_text` for one as sentences.
    """
    catalog = setting.catalog
    columns = [name for name in KEY if name != "dataset"]
    results = run.observations.filter(
        pl.col("indicator").is_in([one.id for one in catalog.indicators.values() if one.expressions])
    )
    rows = [*results.select(columns).head(most).to_dicts()]
    if run.gaps.width:
        missing = run.gaps.head(max(most - len(rows), 0))
        of_facts = pl.col("world") == "fact"
        rows += missing.with_columns(
            kind=pl.when(of_facts).then(pl.lit(ObservationKind.COMPUTED.value)).otherwise("world")
        ).to_dicts()
    factors, types = _factors(catalog, as_of, rules), catalog.indicator_types()
    return tuple(explain(row, run.inputs, catalog.indicators, types, setting=factors) for row in rows)


def explanation_text(setting: Setting, one: Explanation) -> str:
    """Return an explanation in Chinese sentences, with place and basis by their names."""
    basis = setting.catalog.term("basis", one.basis) if one.basis else ""
    return one.model_copy(update={"place": setting.catalog.place_name(one.place), "basis": basis}).text


def publish_computed(setting: Setting, run: ComputeRun, *, recorded_at: datetime) -> tuple[Published | None, int]:
    """Publish the results of a run, and take back earlier results of the same indicators that it no longer yields.

    Returns
    -------
    published : Published or None
        None where nothing was computed.
    withdrawn : int

    Raises
    ------
    UsageError
        The run does not know all facts: results of an earlier day would replace those of today.
    """
    if run.known_at is not None and run.known_at < recorded_at.date():
        raise UsageError(
            f"只用了 {run.known_at} 前入库的数，不能入库 / computed as known on an earlier day",
            doing="publish computed indicators",
            expected="results from all facts of the lake",
            next_step="去掉 --publish，或加 --known-at all",
        )
    _, lake = need_workspace(setting)
    stamped = run.observations.with_columns(recorded_at=pl.lit(recorded_at).cast(pl.Datetime("us", "UTC")))
    published = None
    if stamped.height:
        batch = f"compute-{hashlib.sha256(f'{content_digest(stamped)} {recorded_at.isoformat()}'.encode()).hexdigest()[:32]}"
        published = lake.publish(stamped, batch=batch, lineage=run.lineage)
    return published, _withdraw_stale(lake, stamped, run, recorded_at)


def _withdraw_stale(lake: ObservationLake, results: pl.DataFrame, run: ComputeRun, recorded_at: datetime) -> int:
    """Take back what was published before and is yielded no more, of the indicators and places that were asked for."""
    snapshot = lake.snapshot()
    held = snapshot.read(indicators=run.asked, places=run.places)
    stale = held.join(_own(snapshot, held), on="version", how="semi").join(results, on=list(KEY), how="anti")
    if stale.is_empty():
        return 0
    versions = stale["version"].sort().to_list()
    name = hashlib.sha256(repr((versions, recorded_at.isoformat())).encode()).hexdigest()[:32]
    lake.withdraw(versions, reason="数据更正后不再能算出", recorded_at=recorded_at, batch=f"compute-stale-{name}")
    return len(versions)


def _own(snapshot: Snapshot, held: pl.DataFrame) -> pl.DataFrame:
    """Return the versions of facts that were published as results of formulas and sums, whatever kind they took from their inputs."""
    computed = held.filter(dataset=DATASET)
    sources = snapshot.lineage(computed["lineage"].drop_nulls().to_list())
    formulas = sources.filter(pl.col("kind") == LineageKind.FORMULA.value).select(pl.col("id").alias("lineage"))
    return computed.join(formulas, on="lineage", how="semi").select("version")


def _with_formula(catalog: Catalog, indicators: Sequence[str] | None) -> set[str]:
    with_formula = {one.id for one in catalog.indicators.values() if one.expressions}
    for name in indicators or ():
        if catalog.indicator(name).id not in with_formula:
            raise UnknownNameError(
                f"{name} has no formula",
                doing="compute indicators",
                expected="an indicator with a formula",
                next_step="report it, or add a formula in the workspace's catalog/indicators",
            )
    return with_formula if indicators is None else set(indicators)


def _closure(catalog: Catalog, wanted: set[str]) -> set[str]:
    found, waiting = set(wanted), sorted(wanted)
    while waiting:
        indicator = catalog.indicators[waiting.pop()]
        inputs = {name for text in indicator.expressions.values() for name in expression_names(text)}
        inputs |= {name for name in (indicator.numerator, indicator.denominator, indicator.weight) if name}
        fresh = {name for name in inputs if name in catalog.indicators} - found
        found |= fresh
        waiting += sorted(fresh)
    return found


def _factors(catalog: Catalog, as_of: date, rules: str) -> FactorSetting:
    return FactorSetting(factors=catalog.factors, places=catalog.places, policy=read_policy(rules), as_of=as_of)


def _added_up(setting: Setting, inputs: pl.DataFrame, as_of: date) -> tuple[pl.DataFrame, list[Computed]]:
    """Add up breakdowns, periods, and divisions to the places above them; what is stated goes before what is added up."""
    catalog = setting.catalog
    steps: list[Computed] = []
    frame = inputs
    for column in BREAKDOWNS:
        group = _BREAKDOWN_GROUP.get(column, column)
        parents = {term.code: term.parent for term in catalog.terms[group].values() if term.parent}
        steps.append(add_up_breakdown(frame, catalog.indicators, column, parents))
        frame = _under(frame, steps[-1])
    steps.append(add_up_periods(frame, catalog.indicators))
    frame = _under(frame, steps[-1])
    for place in _parents(catalog, frame):
        steps.append(add_up_places(frame, catalog.indicators, catalog.places, place=place, day=as_of))
        frame = _under(frame, steps[-1])
    return frame, steps


def _parents(catalog: Catalog, frame: pl.DataFrame) -> list[str]:
    """Return the places above those of a frame, the lowest first."""
    above = {
        place for one in frame["place"].unique() if one in catalog.places for place in catalog.places.ancestor_ids(one)
    }
    return sorted(above, key=lambda place: (-len(list(catalog.places.ancestor_ids(place))), place))


def _under(frame: pl.DataFrame, step: Computed) -> pl.DataFrame:
    same = [name for name in KEY if name != "kind"]
    fresh = step.observations.select(list(SCHEMA)).join(frame.select(same), on=same, how="anti", nulls_equal=True)
    return pl.concat([frame, fresh])
