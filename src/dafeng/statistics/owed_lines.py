"""Lines of forms: an indicator as it is asked, with unit, bounds, meaning in words and the value of one period earlier."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import polars as pl

from dafeng.base.form import FormIssue, FormLine, issue_id, line_id
from dafeng.base.observation import BREAKDOWNS, FACT_KINDS
from dafeng.base.period import Period, PeriodKind
from dafeng.base.quantity import conversion_factor
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.expression import expression_names
from dafeng.catalog.schemas import Indicator, OverPlaces

__all__ = ["Asked", "LastValues", "inputs_of", "line_of", "period_before", "sealed"]

_KEY: Final = ("indicator", "place", "extent", *BREAKDOWNS, "basis")


class Asked(NamedTuple):
    """A quantity that is asked, without its place."""

    indicator: str
    extent: str
    building_class: str = "all"
    carrier: str = "all"
    end_use: str = "all"
    boundary: str = "all"
    basis: str = ""


def period_before(period: str) -> str | None:
    """Return the same period one year earlier, None for a plan period.

    Examples
    --------
    >>> [period_before(text) for text in ("2024", "2024-01..09", "2024-Q3", "2021..2025")]
    ['2023', '2023-01..09', '2023-Q3', None]
    """
    found = Period.parse(period)
    if found.kind is PeriodKind.PLAN or period.endswith("02-29"):
        return None
    return f"{found.year - 1}{period[4:]}"


def inputs_of(indicator: Indicator, catalog: Catalog) -> tuple[str, ...]:
    """Return the indicators from which one is computed, down to those that are not themselves computed.

    Parameters
    ----------
    indicator : Indicator
    catalog : Catalog

    Returns
    -------
    tuple of str
        Indicator ids in the order of the formulas; empty where it is not computed from others.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> inputs_of(catalog.indicators["water_leakage_rate"], catalog)[:2]
    ('water_supply_volume', 'registered_water_use')
    """
    found: list[str] = []

    def walk(one: Indicator, above: tuple[str, ...]) -> None:
        names = [name for text in one.expressions.values() for name in expression_names(text)]
        if not names and one.places is OverPlaces.RATIO:
            names = [one.numerator or "", one.denominator or ""]
        if one.places is OverPlaces.WEIGHTED:
            names.append(one.weight or "")
        for name in names:
            if name not in catalog.indicators or name in above:
                continue
            below = catalog.indicators[name]
            if below.expressions or below.places is OverPlaces.RATIO:
                walk(below, (*above, name))
            elif name not in found:
                found.append(name)

    walk(indicator, (indicator.id,))
    return tuple(found)


class LastValues:
    """Values of one period earlier, chosen by the precedence of each indicator.

    Parameters
    ----------
    facts : DataFrame or None
        Observations; None knows no values.
    period : str
        Period asked for.
    indicators : iterable of Indicator
        Indicators asked for.
    """

    def __init__(self, facts: pl.DataFrame | None, period: str, indicators: Iterable[Indicator]) -> None:
        self.period = period_before(period) or ""
        self._found: dict[tuple[str, ...], tuple[float, str]] = {}
        if facts is None or not self.period:
            return
        wanted = list(indicators)
        ranks = [(one.id, name, rank) for one in wanted for rank, name in enumerate(one.precedence)]
        schema = {"indicator": pl.String(), "dataset": pl.String(), "rank": pl.Int64()}
        kinds = pl.DataFrame({"kind": [str(kind) for kind in FACT_KINDS], "kind_rank": range(len(FACT_KINDS))})
        chosen = (
            facts.lazy()
            .filter(
                (pl.col("period") == self.period)
                & pl.col("indicator").is_in([one.id for one in wanted])
                & pl.col("value").is_not_null()
                & (pl.col("scenario") == "")
                & (pl.col("review") != "withdrawn")
            )
            .join(kinds.lazy(), on="kind")
            .join(pl.DataFrame(ranks, schema=schema, orient="row").lazy(), on=["indicator", "dataset"], how="left")
            .sort(
                [pl.col("rank").fill_null(len(ranks)), "kind_rank", "recorded_at", "dataset"],
                descending=[False, False, True, False],
            )
            .unique(list(_KEY), keep="first", maintain_order=True)
            .select(*_KEY, "value", "dataset")
            .collect()
        )
        self._found = {row[: len(_KEY)]: (row[-2], row[-1]) for row in chosen.iter_rows()}

    def of(self, asked: Asked, place: str) -> tuple[float, str] | None:
        """Return value in the canonical unit and dataset, None where unknown."""
        return self._found.get((asked.indicator, place, *asked[1:]))


def meaning_of(asked: Asked, catalog: Catalog) -> str:
    """Return extent, breakdowns and basis in words, joined by dots."""
    words = [catalog.term("extent", asked.extent)]
    for name, code in zip(BREAKDOWNS, asked[2:6], strict=True):
        if code != "all":
            groups = (name, "sector", "material", "transport_mode", "boundary_scope", "boundary_memo")
            words.append(
                next((catalog.terms[group][code].zh for group in groups if code in catalog.terms[group]), code)
            )
    return " · ".join([*words, *((catalog.term("basis", asked.basis),) if asked.basis else ())])


def line_of(asked: Asked, catalog: Catalog, *, unit: str | None = None) -> dict[str, Any]:
    """Return what a line says of an indicator, whatever body and place it is asked of: fields of `FormLine`.

    Parameters
    ----------
    asked : Asked
    catalog : Catalog
    unit : str, optional
        Unit printed on the form; the indicator's shown unit where None.
    """
    indicator = catalog.indicators[asked.indicator]
    shown = unit or indicator.shown_unit
    state = indicator.unit == "yes_no"
    factor = 1.0 if state else conversion_factor(indicator.unit, shown)

    def scaled(value: float | None) -> float | None:
        return None if value is None else float(f"{value * factor:.12g}")

    usual = None if indicator.usual is None else (scaled(indicator.usual[0]), scaled(indicator.usual[1]))
    return {
        "title": indicator.zh,
        **asked._asdict(),
        "meaning": meaning_of(asked, catalog),
        "unit": "" if state else shown,
        "canonical": indicator.unit,
        "type": "yes_no" if state else "number",
        "minimum": None if state else scaled(indicator.minimum),
        "maximum": None if state else scaled(indicator.maximum),
        "usual": usual,
        "note": indicator.definition,
    }


def with_last(line: dict[str, Any], asked: Asked, place: str, last: LastValues) -> dict[str, Any]:
    """Return a line with its place and the value of one period earlier, in the unit of the line."""
    found = last.of(asked, place)
    if found is None:
        return {**line, "place": place}
    factor = 1.0 if line["type"] == "yes_no" else conversion_factor(line["canonical"], line["unit"])
    value = float(f"{found[0] * factor:.12g}")
    return {**line, "place": place, "last_value": value, "last_period": last.period, "last_dataset": found[1]}


def sealed(lines: Sequence[Mapping[str, Any]], *, subject_code: str = "", **issue: Any) -> FormIssue:
    """Return an issue with ids for itself and its lines, and the version of what it asks.

    Parameters
    ----------
    lines : sequence of mappings
        Fields of `FormLine` but for the id.
    subject_code : str
        Code of the building or institution where the issue is about one.
    **issue
        Further fields of `FormIssue`.
    """
    own = issue_id(issue["form"], issue["body"], issue["place"], issue["period"], subject_code)
    made = []
    for number, line in enumerate(lines, start=1):
        key = [str(line.get(name, "")) for name in ("field", *_KEY)]
        made.append(FormLine(**{**line, "id": line_id(own, number, *key)}))
    text = partial("\x1f".join)
    asked = "\x1e".join(text((line.id, line.field, line.unit, line.type, *line.key)) for line in made)
    version = hashlib.sha256(asked.encode()).hexdigest()[:8]
    return FormIssue(**{**issue, "id": own, "version": version, "lines": tuple(made)})
