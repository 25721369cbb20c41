"""What the cells of a ledger's column say: numbers in canonical units, yes or no, choices, dates, places; whole columns at once.

Each reader returns a frame of the column's length: ``value``, ``problem`` (null where there is none, else the end of a name in
`dafeng.intake.ledger_kinds`), ``detail``, and ``remark`` for what is taken with reservation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache, lru_cache
from typing import Any, Final

import polars as pl

from dafeng.base.errors import PeriodError, UnitError, close_names
from dafeng.base.period import PeriodKind, read_period
from dafeng.base.place import Place, PlaceKind, PlaceTree
from dafeng.base.quantity import conversion_factor, dimension_of, fold_width
from dafeng.catalog.schemas import ProjectField
from dafeng.intake.numbers import read_numbers
from dafeng.intake.resolve import joined

__all__ = [
    "choice_words",
    "read_choices",
    "read_day",
    "read_days",
    "read_places",
    "read_quantities",
    "read_texts",
    "read_yes_no",
]

_NOTHING: Final = ("", "-", "--", "---", "—", "——", "–", "/", "\\", "n/a", "na", "null", "none", "不详", "暂无", "未填", "未知",
                   "待定", "空", "#n/a", "?", "？")  # fmt: skip
_YES: Final = (
    "是",
    "√",
    "✓",
    "✔",
    "有",
    "y",
    "yes",
    "true",
    "t",
    "1",
    "1.0",
    "对",
    "已",
    "已完成",
    "是的",
    "☑",
    "属于",
    "采用",
    "实施",
)
_NO: Final = ("否", "×", "✗", "✘", "x", "无", "n", "no", "false", "f", "0", "0.0", "错", "未", "未完成", "不是", "没有", "☐", "非", "不属于",
              "未采用", "未实施")  # fmt: skip
_ANSWER: Final[dict[str, pl.DataType]] = {"problem": pl.String(), "detail": pl.String(), "remark": pl.String()}
_AREA: Final = {"[length] ** 2"}
_SERIAL: Final = range(18_264, 73_051)
"""Serial days of workbooks for 1950 to 2099."""


def _folded(texts: pl.Series) -> pl.Expr:
    return pl.lit(texts.str.normalize("NFKC").str.replace_all(r"[\s\u200b-\u200d\ufeff]+", "").str.to_lowercase())


def read_texts(texts: pl.Series) -> pl.DataFrame:
    """Return texts without surrounding blanks; a dash and the like say that nothing is known.

    Examples
    --------
    >>> read_texts(pl.Series([" 幸福里 ", "—", None]))["value"].to_list()
    ['幸福里', None, None]
    """
    bare = texts.str.strip_chars()
    blank = _folded(texts).is_in(list(_NOTHING))
    frame = pl.select(value=pl.when(~blank).then(pl.lit(bare)))
    return frame.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in _ANSWER.items())


def read_yes_no(texts: pl.Series) -> pl.DataFrame:
    """Return what each text answers.

    Examples
    --------
    >>> read_yes_no(pl.Series(["是", "×", "√", "0", "有", "也许", None])).select("value", "problem").rows()[-3:]
    [(True, None), (None, 'yes-no.unknown'), (None, None)]
    """
    plain = pl.col("plain")
    frame = pl.select(plain=_folded(texts), text=pl.lit(texts))
    return frame.select(
        value=pl.when(plain.is_in(list(_YES))).then(True).when(plain.is_in(list(_NO))).then(False),
        problem=pl.when(plain.is_not_null() & ~plain.is_in([*_YES, *_NO, *_NOTHING])).then(pl.lit("yes-no.unknown")),
        detail=pl.lit(None, pl.String()),
        remark=pl.lit(None, pl.String()),
    )


def choice_words(field: ProjectField) -> dict[str, str]:
    """Return the words for the options of a choice with their codes: code, name, name without brackets, its beginning.

    Examples
    --------
    >>> field = ProjectField(id="investor", zh="投资", en="investor", type="choice",
    ...                      options=[{"code": "government", "zh": "政府投资或以政府投资为主"}])
    >>> choice_words(field)["政府投资"]
    'government'
    """
    exact: dict[str, str] = {}
    loose: dict[str, set[str]] = {}
    for option in field.options:
        name = fold_width(option.zh).casefold()
        aliases = (fold_width(alias).casefold() for alias in option.aliases)
        for word in (fold_width(option.code).casefold(), name, *aliases):
            exact.setdefault(word, option.code)
        bare = re.sub(r"\(.*?\)", "", name)
        parts = [
            bare,
            *re.split(r"[或、/及和]", bare),
            *([bare[:-2]] if bare.endswith(("建筑", "工程", "项目")) else []),
        ]
        for word in parts:
            if len(word) >= 2:
                loose.setdefault(word, set()).add(option.code)
    return {word: next(iter(codes)) for word, codes in loose.items() if len(codes) == 1} | exact


def read_choices(texts: pl.Series, field: ProjectField) -> pl.DataFrame:
    """Return the option code that each text names."""
    words = choice_words(field)
    if field.id == "stage":
        words |= {f"{word}阶段": code for word, code in words.items()}

    def look_up(text: str | None) -> Sequence[Any]:
        folded = fold_width(text or "").casefold()
        if folded in words:
            return [words[folded], None, None, None]
        if folded in _NOTHING:
            return [None, None, None, None]
        close = close_names(folded, [name for name in words if name != words[name]])
        listed = close or [option.zh for option in field.options][:12]
        return [None, "choice.unknown", "、".join(listed), None]

    frame = pl.DataFrame({"text": texts.cast(pl.String())})
    return joined(frame, ["text"], look_up, {"value": pl.String(), **_ANSWER}).drop("text")


@lru_cache(maxsize=65536)
def read_day(text: str) -> tuple[date | None, str]:
    """Return the day of a text and how exact it is: day, month, year; empty where it is no date.

    Examples
    --------
    >>> [str(read_day(text)[0]) for text in ("2024.5", "2024年5月", "20240501", "45413", "2024/5/1 08:00")]
    ['2024-05-01', '2024-05-01', '2024-05-01', '2024-05-01', '2024-05-01']
    >>> read_day("2024年"), read_day("五月")
    ((datetime.date(2024, 1, 1), 'year'), (None, ''))
    """
    folded = re.sub(r"T?\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?$", "", fold_width(text)).removesuffix(".0")
    parts = re.fullmatch(r"(\d{4})[-./年](\d{1,2})(?:[-./月](\d{1,2})日?号?|月)?[.]?", folded)
    parts = parts or re.fullmatch(r"((?:19|20)\d{2})(0[1-9]|1[0-2])(\d{2})?", folded)
    try:
        if parts is not None:
            return date(int(parts[1]), int(parts[2]), int(parts[3] or 1)), "day" if parts[3] else "month"
        if re.fullmatch(r"\d{5}(\.\d+)?", folded) and int(float(folded)) in _SERIAL:
            return date(1899, 12, 30) + timedelta(days=int(float(folded))), "day"
        period = read_period(folded)
    except (ValueError, PeriodError):
        return None, ""
    if period.kind not in (PeriodKind.YEAR, PeriodKind.MONTH, PeriodKind.DAY):
        return None, ""
    return period.start, str(period.kind)


def read_days(texts: pl.Series, *, today: date) -> pl.DataFrame:
    """Return the day that each text names; a month is its first day, a bare year too, with a remark."""

    def look_up(text: str | None) -> Sequence[Any]:
        if text is None or fold_width(text).casefold() in _NOTHING:
            return [None, None, None, None]
        day, exactness = read_day(text)
        if day is None:
            return [None, "date.unknown", None, None]
        if day.year < 1900 or day.year > 2999:
            return [None, "date.too-early", None, None]
        return [day, None, None, "date.year-only" if exactness == "year" else "date.future" if day > today else None]

    frame = pl.DataFrame({"text": texts.cast(pl.String())})
    return joined(frame, ["text"], look_up, {"value": pl.Date(), **_ANSWER}).drop("text")


def _stars(texts: pl.Series) -> pl.Series:
    """Return texts with 二星级, ★★ and 基本级 as numbers."""
    plain = texts.str.normalize("NFKC").str.replace_all(r"[\s]+", "").str.replace(r"^绿色建筑", "")
    star = plain.str.extract(r"^([一二三123])星级?(?:标识)?$").replace({"一": "1", "二": "2", "三": "3"})
    return pl.select(
        pl.coalesce(
            pl.lit(star),
            pl.when(pl.lit(plain.str.contains("^[★*☆]{1,3}$"))).then(pl.lit(plain.str.len_chars().cast(pl.String))),
            pl.when(pl.lit(plain.str.contains("^基本级$|^无星级?$"))).then(pl.lit("0")),
            pl.lit(texts),
        )
    ).to_series()


def read_quantities(texts: pl.Series, field: ProjectField, *, unit: str = "", required: bool = False) -> pl.DataFrame:
    """Return numbers in the field's canonical unit.

    Parameters
    ----------
    texts : Series
    field : ProjectField
        Of type number.
    unit : str
        Unit that head or book states; the canonical one where empty.
    required : bool
        Whether the field must be filled; an area of 0 is then none.

    Examples
    --------
    >>> field = ProjectField(id="gross_area", zh="面积", en="area", type="number", unit="m**2")
    >>> read_quantities(pl.Series(["1.2", "12000平方米", "1,2", "-1"]), field, unit="万平方米").select("value", "problem").rows()
    [(12000.0, None), (12000.0, None), (None, 'number.not-a-number'), (None, 'number.negative')]
    """
    canonical = field.unit or "ratio"
    readings = read_numbers(_stars(texts) if field.unit is None else texts)
    head_unit = unit or canonical
    share = canonical == "percent"

    def factor(cell_unit: str, scaled: bool) -> Sequence[Any]:
        try:
            if cell_unit == "yes_no":
                return [None, "number.not-a-number"]
            if scaled and fold_width(head_unit)[:1] in ("万", "亿"):
                return [None, "number.doubled-scale"]
            stated = cell_unit or head_unit
            if dimension_of(stated) != dimension_of(canonical):
                return [None, "number.unknown-unit"]
            return [conversion_factor(stated, canonical), None]
        except UnitError:
            return [None, "number.unknown-unit"]

    frame = readings.with_columns(known=pl.col("value").is_not_null())
    frame = joined(frame, ["unit", "scaled"], factor, {"factor": pl.Float64(), "unit_problem": pl.String()})
    number = pl.col("value")
    converted = pl.when(pl.col("factor") == 1.0).then(number).otherwise((number * pl.col("factor")).round_sig_figs(15))
    problem = pl.when(pl.col("problem") != "").then(pl.lit("number.") + pl.col("problem"))
    frame = frame.with_columns(
        value=converted,
        problem=pl.coalesce(problem, pl.when(pl.col("known")).then(pl.col("unit_problem"))),
        remark=pl.when(pl.col("remark").str.contains("estimate"))
        .then(pl.lit("number.estimate"))
        .when(pl.col("remark") != "")
        .then(pl.lit("number.footnote-mark")),
        bare=pl.col("known") & (pl.col("unit") == ""),
        detail=pl.lit(None, pl.String()),
    )
    frame = _shares(frame, stated=bool(unit)) if share else _amounts(frame, canonical, required=required)
    value = pl.when(pl.col("problem").is_null() & pl.col("value").is_finite()).then("value")
    return frame.select(value=value, problem="problem", detail="detail", remark="remark")


def _shares(frame: pl.DataFrame, *, stated: bool) -> pl.DataFrame:
    """Read bare numbers of a column of percentages: 0.35 throughout is 35 %, among percentages it is nobody's guess."""
    bare = frame.filter(pl.col("bare") & pl.col("problem").is_null())["value"]
    small = pl.col("bare") & (pl.col("value") > 0) & (pl.col("value") < 1)
    value, problem = pl.col("value"), pl.col("problem")
    largest = float(bare.max() or 0)  # type: ignore[arg-type]
    if not stated and bare.len() and 0 < largest <= 1 and bare.filter(bare < 1).len():
        value = pl.when("bare").then((value * 100).round_sig_figs(15)).otherwise(value)
    elif not stated and largest > 1:
        problem = pl.coalesce(problem, pl.when(small).then(pl.lit("number.fraction-among-percent")))
    frame = frame.with_columns(value=value, problem=problem)
    beyond = (pl.col("value") > 100) | (pl.col("value") < 0)
    return frame.with_columns(
        remark=pl.coalesce("remark", pl.when(beyond).then(pl.lit("number.share-above-100"))),
    )


def _amounts(frame: pl.DataFrame, canonical: str, *, required: bool) -> pl.DataFrame:
    value = pl.col("value")
    problem = pl.coalesce("problem", pl.when(value < 0).then(pl.lit("number.negative")))
    remark = pl.col("remark")
    if dimension_of(canonical) in _AREA:
        if required:
            problem = pl.coalesce(problem, pl.when(value == 0).then(pl.lit("number.zero-area")))
        positive = frame.filter(pl.col("value") > 0)["value"]
        middle = float(positive.median() or 0) if positive.len() >= 5 else 0.0  # type: ignore[arg-type]
        near = middle / 50, middle * 50
        odd = (value * 1000 <= middle) & (value * 1e4).is_between(*near)
        odd |= (value >= middle * 1000) & (value / 1e4).is_between(*near)
        if required:
            odd |= value < 10
        odd &= value > 0
        remark = pl.coalesce(pl.when(odd).then(pl.lit("number.scale-10000")), remark)
    if canonical == "year":
        remark = pl.coalesce(remark, pl.when(~value.is_between(1800, 2100)).then(pl.lit("number.unusual-year")))
    return frame.with_columns(problem=problem, remark=remark)


def read_places(texts: pl.Series, zones: pl.Series | None, tree: PlaceTree, home: str | None) -> pl.DataFrame:
    """Return the division (`value`) and the zone (`zone`) of each row.

    Parameters
    ----------
    texts : Series
        Texts of the place column: a division, a zone, or both.
    zones : Series or None
        Texts of the zone column.
    tree : PlaceTree
    home : str or None
        Place id within which names are looked for first.

    Returns
    -------
    DataFrame
        As for other readers, with ``zone``: the zone's id, or its name as it stands where the catalog has none.
    """

    @cache
    def found(text: str) -> list[Place]:
        near = tree.candidates(text, within=home) if home is not None else []
        return near if len(near) == 1 else tree.candidates(text)

    def look_up(text: str | None, zone_text: str | None) -> Sequence[Any]:
        text = None if text is None or fold_width(text).casefold() in _NOTHING else text.strip()
        zone_name = (
            None if zone_text is None or fold_width(zone_text).casefold() in (*_NOTHING, "无") else zone_text.strip()
        )
        answers = found(text) if text else []
        zone = next((place for place in found(zone_name) if place.kind is PlaceKind.ZONE), None) if zone_name else None
        if text and not answers:
            pieces = [found(piece) for piece in re.split(r"[、,，/；;()（）\s]+", text) if piece]
            if pieces and all(len(piece) == 1 for piece in pieces):
                named = [piece[0] for piece in pieces]
                zone = zone or next((place for place in named if place.kind is PlaceKind.ZONE), None)
                answers = [place for place in named if place.kind is PlaceKind.DIVISION][-1:] or named[:1]
        shown = zone.id if zone else zone_name
        if not text:
            return [None, None, None, None, shown]
        if not answers:
            names = [name for place in tree for name in (place.name, *place.aliases)]
            return [None, "place.unknown", "、".join(close_names(text, names)), None, shown]
        if len(answers) > 1:
            return [None, "place.ambiguous", "、".join(f"{place.name}（{place.id}）" for place in answers), None, shown]
        place = answers[0]
        if place.kind is PlaceKind.ZONE:
            return [*_of_zone(place, tree), place.id]
        if zone is not None and zone.overlaps and not _overlap(place, zone, tree):
            lies = "、".join(tree.get(one).name for one in zone.overlaps if one in tree)
            return [place.id, None, f"{zone.name} 位于 {lies}", "place.zone-elsewhere", shown]
        if home is not None and not _ever_within(place, home, tree):
            return [place.id, None, tree.get(home).name, "place.outside", shown]
        if place.valid_to is not None:
            return [place.id, None, f"{place.valid_to} 撤并", "place.not-then", shown]
        return [place.id, None, None, None, shown]

    frame = pl.DataFrame({"text": texts.cast(pl.String())})
    frame = frame.with_columns(zone_text=pl.lit(None, pl.String()) if zones is None else zones.cast(pl.String()))
    schema = {"value": pl.String(), **_ANSWER, "zone": pl.String()}
    return joined(frame, ["text", "zone_text"], look_up, schema).drop("text", "zone_text")


def _ever_within(place: Place, home: str, tree: PlaceTree) -> bool:
    days = [None, *(former.until - timedelta(days=1) for former in place.was)]
    return place.id == home or any(home in tree.ancestor_ids(place.id, day) for day in days)


def _overlap(place: Place, zone: Place, tree: PlaceTree) -> bool:
    below = {one for one in zone.overlaps if one in tree}
    return place.id in below or any(place.id in tree.ancestor_ids(one) for one in below) or place.id == zone.parent


def _of_zone(zone: Place, tree: PlaceTree) -> list[Any]:
    """Return the division that is known of a thing of which only the zone is: the one on whose ground it lies, or its city."""
    if len(zone.overlaps) == 1:
        name = tree.get(zone.overlaps[0]).name if zone.overlaps[0] in tree else zone.overlaps[0]
        return [zone.overlaps[0], None, f"该功能区只在 {name}，按此记入", "place.only-zone"]
    above = zone.parent
    name = tree.get(above).name if above is not None and above in tree else ""
    return [above, None, f"只能计入 {name or '上级'} 全域，不计入任何区县", "place.only-zone"]
