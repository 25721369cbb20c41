"""From the texts of cells to ids and codes: each distinct text is looked up once and joined back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from dafeng.base.errors import DafengError, PeriodError, close_names
from dafeng.base.observation import BREAKDOWNS, FACT_KINDS, MissingReason, ObservationKind, Review
from dafeng.base.period import Period, read_period
from dafeng.base.place import Place, PlaceLevel, PlaceTree
from dafeng.base.quantity import fold_width
from dafeng.intake.headers import Names
from dafeng.intake.problems import Ledger

__all__ = ["joined", "resolve_cells"]

_KIND_WORDS: Final = {
    "上报": "reported", "上报值": "reported", "统计": "reported", "计算": "computed", "计算值": "computed", "估算": "estimated",
    "估算值": "estimated", "估计": "estimated", "预测": "projected", "预测值": "projected", "演示": "demonstration",
    "演示数据": "demonstration",
}  # fmt: skip
_REVIEW_WORDS: Final = {
    "草稿": "draft",
    "已提交": "submitted",
    "已审核": "approved",
    "已封存": "sealed",
    "已撤回": "withdrawn",
}
_REASON_WORDS: Final = {
    "未报": "not_reported", "不适用": "not_applicable", "没有数据": "not_available", "无数据": "not_available",
    "不公开": "confidential", "保密": "confidential", "低于精度": "below_precision", "已撤回": "withdrawn",
}  # fmt: skip

_EARLIEST: Final = date(1949, 1, 1)
"""First day of figures: a year that is shown as a date (2024 becomes 1905-07-16) lies before."""


def joined(
    cells: pl.DataFrame, on: Sequence[str], look_up: Callable[..., Sequence[Any]], schema: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    """Return cells with the answer of `look_up` for each distinct combination of `on`.

    Examples
    --------
    >>> frame = pl.DataFrame({"text": ["a", "b", "a"]})
    >>> joined(frame, ["text"], lambda text: [len(text)], {"size": pl.Int64()})["size"].to_list()
    [1, 1, 1]
    """
    keys = cells.select(on).unique(maintain_order=True)
    answers = pl.DataFrame([list(look_up(*row)) for row in keys.iter_rows()], schema=dict(schema), orient="row")
    if keys.height == 1:
        row = answers.row(0, named=True)
        return cells.with_columns(pl.lit(row[name], dtype=kind).alias(name) for name, kind in schema.items())
    return cells.join(
        pl.concat([keys, answers], how="horizontal"), on=on, how="left", nulls_equal=True, maintain_order="left"
    )


def located(name: str) -> pl.Expr:
    """Return the cell where a dimension's text stands: letters of a column are completed by the row."""
    where = pl.col(f"w_{name}")
    return (
        pl.when(where.str.contains(r"\d$"))
        .then(where)
        .when(where == "")
        .then("cell")
        .otherwise(where + pl.col("row").cast(pl.String()))
    )


def resolve_cells(cells: pl.DataFrame, names: Names, ledger: Ledger, *, today: date) -> pl.DataFrame:
    """Return cells with ids and codes of every dimension; what does not resolve is null and stands in the ledger.

    Parameters
    ----------
    cells : DataFrame
        As `gather_cells` gives them, with id; totals already taken out.
    names : Names
    ledger : Ledger
    today : date
        Day of the import: no reported period begins after it.
    """
    cells = _indicators(cells, names, ledger)
    cells = _periods(cells, ledger)
    cells = _places(cells, names, ledger)
    cells = _extents_and_bases(cells, names, ledger)
    for breakdown in BREAKDOWNS:
        cells = _breakdown(cells, breakdown, names, ledger)
    kinds = _KIND_WORDS | {kind.value: kind.value for kind in ObservationKind}
    reviews = _REVIEW_WORDS | {review.value: review.value for review in Review}
    reasons = _REASON_WORDS | {reason.value: reason.value for reason in MissingReason}
    for group, words in (("kind", kinds), ("review", reviews), ("missing_reason", reasons)):
        codes = set(words.values())
        named = {word: code for word, code in names.codes(group).items() if code in codes}
        cells = _words(cells, group, words | named, ledger)
    cells = _published(cells, ledger)
    future = cells.filter(
        pl.col("kind").is_in([kind.value for kind in FACT_KINDS]) & (pl.col("period_start") > pl.lit(today))
    )
    ledger.add("intake.period.future", future, value="d_period", where=located("period"))
    early = cells.filter(pl.col("period_start") < pl.lit(_EARLIEST))
    ledger.add("intake.period.too-early", early, value="d_period", where=located("period"))
    ledger.add(
        "intake.dataset.missing", cells.filter(pl.col("d_dataset").is_null()), value=pl.lit(""), where=pl.lit("")
    )
    return cells.with_columns(
        pl.col("d_dataset").alias("dataset"),
        pl.col("d_scenario").fill_null("").alias("scenario"),
        pl.col("d_member").fill_null("").alias("member"),
    ).drop("d_dataset", "d_scenario", "d_member", "d_period", "w_period", "period_start", "period_last")


def _indicators(cells: pl.DataFrame, names: Names, ledger: Ledger) -> pl.DataFrame:
    indicators = names.catalog.indicators

    def look_up(text: str | None) -> Sequence[Any]:
        if text is None:
            return [None] * 12 + [""]
        header = names.header(text)
        if not header.indicator:
            return [None] * 12 + ["、".join(names.close(text))]
        indicator = indicators[header.indicator]
        breakdowns = dict(header.breakdowns)
        return [
            indicator.id,
            indicator.unit,
            indicator.shown_unit,
            indicator.extent.value,
            header.unit or None,
            header.extent or None,
            header.basis or None,
            "、".join(indicator.bases) or None,
            *(breakdowns.get(name) for name in BREAKDOWNS),
            "",
        ]

    columns = [
        "indicator",
        "canonical",
        "shown_unit",
        "own_extent",
        "header_unit",
        "header_extent",
        "header_basis",
        "bases",
    ]
    columns += [f"header_{name}" for name in BREAKDOWNS] + ["close"]
    cells = joined(cells, ["d_indicator"], look_up, dict.fromkeys(columns, pl.String()))
    unknown = cells.filter(pl.col("indicator").is_null())
    ledger.add("intake.indicator.missing", unknown.filter(pl.col("d_indicator").is_null()), where=located("indicator"))
    ledger.add(
        "intake.indicator.unknown",
        unknown.filter(pl.col("d_indicator").is_not_null()),
        value="d_indicator",
        detail=pl.col("close"),
        where=located("indicator"),
    )
    return cells.drop("d_indicator", "w_indicator", "close")


def _periods(cells: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    def look_up(text: str | None) -> Sequence[Any]:
        try:
            period = read_period(text) if text is not None else None
        except PeriodError:
            period = None
        if period is None:
            return [None, None, None]
        return [period.text, period.start, period.end - timedelta(days=1)]

    schema = {"period": pl.String(), "period_start": pl.Date(), "period_last": pl.Date()}
    cells = joined(cells, ["d_period"], look_up, schema)
    unknown = cells.filter(pl.col("period").is_null())
    missing = pl.col("d_period").is_null()
    ledger.add("intake.period.missing", unknown.filter(missing), where=located("period"))
    ledger.add("intake.period.unknown", unknown.filter(~missing), value="d_period", where=located("period"))
    return cells


def _places(cells: pl.DataFrame, names: Names, ledger: Ledger) -> pl.DataFrame:
    tree = names.catalog.places

    def candidates(text: str, within: str | None, level: str | None, day: date | None) -> list[Place]:
        found = tree.candidates(text, within=within, day=day)
        if len(found) > 1 and level is not None:
            return [place for place in found if place.level is PlaceLevel(level)] or found
        return found

    def look_up(
        first: str | None, second: str | None, within: str | None, level: str | None, day: date | None
    ) -> Sequence[Any]:
        if first is None and second is None:
            return [None, "intake.place.missing", "", None, None, None, None]
        above = _above(within, tree.candidates(within.strip(), day=day) if within else [])
        answers = [candidates(text.strip(), above, level, day) if text is not None else [] for text in (first, second)]
        if above is None and names.home is not None:
            near = [
                candidates(text.strip(), names.home, level, day) if text is not None else [] for text in (first, second)
            ]
            answers = [own if len(own) == 1 else found for own, found in zip(near, answers, strict=True)]
        chosen = next((found[0] for found in answers if len(found) == 1), None)
        if chosen is None:
            several = next((found for found in answers if found), [])
            if several:
                listed = "、".join(f"{place.name}（{place.id}）" for place in several)
                return [None, "intake.place.ambiguous", listed, None, None, None, None]
            close = close_names(
                first or second or "", [name for place in tree for name in (place.name, *place.aliases)]
            )
            return [None, "intake.place.unknown", "、".join(close), None, None, None, None]
        others = {found[0].id for found in answers if len(found) == 1}
        differing = f"{first}、{second}" if len(others) > 1 else None
        text = first if len(answers[0]) == 1 else second
        renamed = (
            f"{chosen.name}（{chosen.id}）" if text is not None and _is_other_name(text.strip(), chosen, day) else None
        )
        bare = above is None and text is not None and _is_bare_county(text.strip(), chosen, tree, names.home)
        parent = "" if chosen.parent is None else f"{tree.get(chosen.parent).name}{chosen.name}（{chosen.id}）"
        return [chosen.id, None, "", renamed, differing, _existence(chosen, day), parent if bare else None]

    answers = ("place", "place_problem", "place_detail", "renamed", "differing", "existence", "bare")
    schema = dict.fromkeys(answers, pl.String())
    cells = joined(cells, ["d_place", "d_place_2", "d_within", "d_level", "period_last"], look_up, schema)
    shown = pl.coalesce("d_place", "d_place_2")
    wrong = cells.filter(pl.col("place_problem").is_not_null())
    ledger.add(pl.col("place_problem"), wrong, value=shown, detail=pl.col("place_detail"), where=located("place"))
    renamed = cells.filter(pl.col("renamed").is_not_null())
    ledger.add("intake.place.renamed", renamed, value=shown, detail=pl.col("renamed"), where=located("place"))
    never = cells.filter(pl.col("existence").is_not_null())
    ledger.add("intake.place.not-then", never, value=shown, detail=pl.col("existence"), where=located("place"))
    differing = cells.filter(pl.col("differing").is_not_null())
    ledger.add(
        "intake.place.columns-disagree", differing, value=shown, detail=pl.col("differing"), where=located("place")
    )
    bare = cells.filter(pl.col("bare").is_not_null())
    ledger.add("intake.place.bare-county", bare, value=shown, detail=pl.col("bare"), where=located("place"))
    return cells


def _is_bare_county(text: str, place: Place, tree: PlaceTree, home: str | None) -> bool:
    """Return whether a county was found by a name alone that counties elsewhere, unknown to the catalog, may have too."""
    if place.level is not PlaceLevel.COUNTY or text not in (place.name, *place.aliases):
        return False
    return home is None or home not in tree.ancestor_ids(place.id)


def _above(within: str | None, found: Sequence[Place]) -> str | None:
    """Return the id of the enclosing place; of several the widest, since 吉林 in an upper column is the province."""
    if within is None or not found:
        return None
    return min(found, key=lambda place: place.level.rank).id


def _existence(place: Place, day: date | None) -> str | None:
    """Return when a place exists, where that is not on `day`."""
    if day is None or place.exists_on(day):
        return None
    spans = (f"{place.valid_from} 设立" if place.valid_from else "", f"{place.valid_to} 撤销" if place.valid_to else "")
    return f"{place.name} " + "，".join(span for span in spans if span)


def _is_other_name(text: str, place: Place, day: date | None) -> bool:
    """Return whether a text is a former name or code rather than a short form of the present one."""
    if text == place.id or place.level is PlaceLevel.NATION:
        return False
    for code in place.codes:
        if code.code == text:
            return code.valid_to is not None and day is not None and day >= code.valid_to
    if text not in place.aliases or not any("\u4e00" <= letter <= "\u9fff" for letter in text):
        return False
    stem = text[:-1] if len(text) > 2 and text[-1] in "省市区县州盟旗" else text
    return not all(letter in place.name for letter in stem)


def _extents_and_bases(cells: pl.DataFrame, names: Names, ledger: Ledger) -> pl.DataFrame:
    extents, bases = names.extents, names.bases

    def extent_of(text: str | None) -> Sequence[Any]:
        return [None if text is None else extents.get(fold_width(text))]

    def basis_of(text: str | None, allowed: str | None) -> Sequence[Any]:
        codes = allowed.split("、") if allowed else []
        listed = (
            "、".join(f"{names.catalog.term('basis', code)}（{code}）" for code in codes) or "这个指标不分口径，应留空"
        )
        if text is None:
            return [None if codes else "", "intake.basis.missing" if codes else None, listed]
        code = bases.get(fold_width(text).casefold(), fold_width(text).casefold())
        return [code, None, ""] if code in codes else [None, "intake.basis.unknown", listed]

    cells = joined(cells, ["d_extent"], extent_of, {"stated_extent": pl.String()})
    unknown = cells.filter(pl.col("d_extent").is_not_null() & pl.col("stated_extent").is_null())
    ledger.add("intake.extent.unknown", unknown, value="d_extent")
    cells = cells.with_columns(
        pl.coalesce("stated_extent", "header_extent", "own_extent").alias("extent"),
        pl.coalesce("d_basis", "header_basis").alias("d_basis"),
    )
    schema = dict.fromkeys(("basis", "basis_problem", "basis_detail"), pl.String())
    cells = joined(cells, ["d_basis", "bases"], basis_of, schema)
    wrong = cells.filter(pl.col("basis_problem").is_not_null() & pl.col("indicator").is_not_null())
    ledger.add(pl.col("basis_problem"), wrong, value=pl.col("d_basis").fill_null(""), detail=pl.col("basis_detail"))
    used = ["d_extent", "stated_extent", "header_extent", "own_extent", "d_basis", "header_basis", "bases"]
    return cells.drop(*used, "basis_problem", "basis_detail")


def _breakdown(cells: pl.DataFrame, name: str, names: Names, ledger: Ledger) -> pl.DataFrame:
    codes = names.codes(name)
    indicators = names.catalog.indicators

    def look_up(text: str | None, indicator: str | None) -> Sequence[Any]:
        if text is None:
            return ["all", None, ""]
        code = codes.get(fold_width(text).casefold())
        if code is None:
            return [None, "intake.breakdown.unknown", "、".join(close_names(fold_width(text).casefold(), codes))]
        if code != "all" and indicator is not None and name not in indicators[indicator].breakdowns:
            allowed = "、".join(indicators[indicator].breakdowns)
            return [None, "intake.breakdown.not-allowed", f"{indicator} 可分：{allowed or '无'}"]
        return [code, None, ""]

    column = f"d_{name}"
    cells = cells.with_columns(pl.coalesce(column, f"header_{name}").alias(column))
    schema = dict.fromkeys((name, "problem", "problem_detail"), pl.String())
    cells = joined(cells, [column, "indicator"], look_up, schema)
    wrong = cells.filter(pl.col("problem").is_not_null())
    ledger.add(pl.col("problem"), wrong, value=column, detail=pl.col("problem_detail"))
    return cells.drop("problem", "problem_detail", column, f"header_{name}")


def _words(cells: pl.DataFrame, name: str, words: Mapping[str, str], ledger: Ledger) -> pl.DataFrame:
    column, result = f"d_{name}", "stated_reason" if name == "missing_reason" else name
    cells = joined(
        cells,
        [column],
        lambda text: [None if text is None else words.get(fold_width(text).casefold(), "?")],
        {result: pl.String()},
    )
    problem = {"kind": "intake.kind.unknown", "review": "intake.review.unknown"}.get(
        name, "intake.missing-reason.unknown"
    )
    ledger.add(problem, cells.filter(pl.col(result) == "?"), value=column)
    defaults = {"kind": ObservationKind.REPORTED.value, "review": Review.APPROVED.value}
    cells = cells.drop(column)
    return cells.with_columns(pl.col(result).fill_null(defaults[name])) if name in defaults else cells


def _published(cells: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    def look_up(text: str | None, last: date | None) -> Sequence[Any]:
        if text is None:
            return [None, False]
        if text.startswith("+"):  # months after the period's end, as an adapter states them
            return [None if last is None else _months_after(last, int(text[1:])), False]
        try:
            period = read_period(text)
        except DafengError:
            return [None, True]
        return [period.start, False] if _is_day(period) else [None, True]

    schema = {"published_on": pl.Date(), "published_wrong": pl.Boolean()}
    cells = joined(cells, ["d_published_on", "period_last"], look_up, schema)
    ledger.add("intake.published.unknown", cells.filter(pl.col("published_wrong")), value="d_published_on")
    return cells.drop("d_published_on", "published_wrong")


def _is_day(period: Period) -> bool:
    return (period.end - period.start).days == 1


def _months_after(day: date, months: int) -> date:
    """Return the first day of the month that lies `months` after the month of `day`."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)
