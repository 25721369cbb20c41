"""Which records may be one thing: candidates by likeness of name, place, address, size and dates, for a person to decide.

Records with equal keys are one thing; that is settled by the register's identity (`dafeng.base.ledger.code_key`,
`name_key`) and by decisions (`RecordLink`). What is left is proposed here and never merged by itself: two records that differ
in phase (一期, 二期), building number or section are never proposed, nor yearly records of different years.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import polars as pl
from rapidfuzz import fuzz
from rapidfuzz.process import cpdist

from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.place import PlaceLevel, PlaceTree
from dafeng.catalog import Catalog
from dafeng.catalog.ledger_schemas import RecordLink, Register

__all__ = ["CANDIDATE_SCHEMA", "HIGH", "LOW", "MATCH_SCHEMA", "candidate_findings", "find_candidates", "matching_view"]

MATCH_SCHEMA: Final[dict[str, pl.DataType]] = {
    "register": pl.String(),
    "key": pl.String(),
    "name": pl.String(),
    "place": pl.String(),
    "address": pl.String(),
    "area": pl.Float64(),
    "day": pl.Date(),
    "year": pl.Int64(),
    "sheet": pl.String(),
    "row": pl.Int64(),
}
"""Columns of what is compared: one row a thing of a register; the year only of yearly records."""
CANDIDATE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "first_register": pl.String(),
    "first": pl.String(),
    "first_name": pl.String(),
    "second_register": pl.String(),
    "second": pl.String(),
    "second_name": pl.String(),
    "place": pl.String(),
    "score": pl.Float64(),
    "reasons": pl.String(),
    "sheet": pl.String(),
    "row": pl.Int64(),
}
"""Columns of candidates: two things, how alike they are (0 to 1), and why."""
HIGH: Final = 0.9
"""Likeness from which a person is asked."""
LOW: Final = 0.75
"""Likeness from which a pair is listed."""
_COMMON: Final = 60
"""A pair of letters that more things of one place have than this tells nothing."""
_RARE_PAIRS: Final = 6
_ENOUGH: Final = 3
_DIVISIONS: Final = ("特别行政区", "自治区", "自治州", "自治县", "新区", "省", "市", "区", "县", "盟", "旗")
_LETTERS: Final = 40
_WORDS: Final = r"项目|工程|建设|小区|住宅|商品房|新建|改造|地块|及|配套|设施|等|的"
_DIGITS: Final = {"一": "1", "二": "2", "三": "3", "四": "4", "五": "5", "六": "6", "七": "7", "八": "8", "九": "9", "十": "10",
                  "ⅰ": "1", "ⅱ": "2", "ⅲ": "3", "ⅳ": "4"}  # fmt: skip
_PARTS: Final = r"(?:第?(?:\d+)(?:#|号楼|号|栋|幢|座|期|标段|标|地块|区|组团|批))|[a-z](?:区|地块|座|栋|标段|\d+)|(?:南|北|东|西)(?:区|地块|组团)|\d+"


def matching_view(things: pl.DataFrame, register: Register) -> pl.DataFrame:
    """Return what is compared of the things of a register, in the columns of `MATCH_SCHEMA`.

    Parameters
    ----------
    things : DataFrame
        One row a thing, as `dafeng.buildings.things.current_things` gives it.
    register : Register
    """
    columns = set(things.columns)
    areas = [
        name for name in ("gross_area", "floor_area", "above_ground_area", "retrofit_floor_area") if name in columns
    ]
    days = [name for name in ("start_date", "permit_date", "approval_date", "completion_date") if name in columns]

    def own(name: str, kind: pl.DataType) -> pl.Expr:
        return pl.col(name).cast(kind) if name in columns else pl.lit(None, kind)

    return things.select(
        register=pl.lit(register.id),
        key="key",
        name=own(register.name_field, pl.String()),
        place=own(register.place_field, pl.String()),
        address=own("address", pl.String()),
        area=pl.coalesce(areas) if areas else pl.lit(None, pl.Float64),
        day=pl.coalesce(days) if days else pl.lit(None, pl.Date),
        year=own("record_year", pl.Int64()),
        sheet=own("sheet", pl.String()),
        row=own("row", pl.Int64()),
    )


def _plain(name: pl.Expr) -> pl.Expr:
    """Return names in one form: letters small, numerals of phases as digits, marks of punctuation gone."""
    plain = name.str.normalize("NFKC").str.to_lowercase().str.replace_all(r"[^0-9a-z\p{Han}#ⅰⅱⅲⅳ]", "")
    for sign, digit in _DIGITS.items():
        plain = plain.str.replace_all(rf"{sign}(期|号|栋|幢|座|标|地块|区|组团|批)", f"{digit}${{1}}")
    return plain.str.replace_all(r"#楼?|号楼|栋|幢", "号").str.replace_all("标段", "标")


def find_candidates(
    things: pl.DataFrame,
    *,
    decided: Iterable[RecordLink] = (),
    low: float = LOW,
    places: PlaceTree | None = None,
) -> pl.DataFrame:
    """Return pairs of things with different keys that may be one.

    Parameters
    ----------
    things : DataFrame of `MATCH_SCHEMA`
        Of one register or of several of one subject.
    decided : iterable of RecordLink
        Pairs that a person looked at are not proposed again.
    low : float
        Least likeness that is listed.
    places : PlaceTree, optional
        Names at the beginning that say no more than where the thing lies are then left aside (青岛市市南区幸福里: 幸福里).

    Returns
    -------
    DataFrame of `CANDIDATE_SCHEMA`
        Most alike first; the order of `things` changes nothing.

    Examples
    --------
    >>> rows = [("p", "a", "幸福里小区一期", "d", 12000.0), ("p", "b", "幸福里一期项目", "d", 12000.0),
    ...         ("p", "c", "幸福里小区二期", "d", 12000.0)]
    >>> schema = ["register", "key", "name", "place", "area"]
    >>> things = pl.DataFrame(rows, schema=schema, orient="row")
    >>> find_candidates(things).select("first", "second").rows()
    [('a', 'b')]
    """
    blank = [pl.lit(None, kind).alias(name) for name, kind in MATCH_SCHEMA.items() if name not in things.columns]
    frame = things.with_columns(blank).select(pl.col(name).cast(kind) for name, kind in MATCH_SCHEMA.items())
    frame = frame.filter(pl.col("name").is_not_null()).unique(["register", "key"], keep="first").sort("register", "key")
    frame = frame.with_columns(plain=_plain(pl.col("name")))
    if places is not None:
        frame = pl.concat([_without_places(part, places) for part in frame.partition_by("place", maintain_order=True)])
        frame = frame.sort("register", "key")
    plain = pl.col("plain")
    frame = frame.with_columns(
        core=plain.str.replace_all(_PARTS, "").str.replace_all(_WORDS, ""),
        part=plain.str.extract_all(_PARTS).list.eval(pl.element().str.replace_all("第", "")).list.sort().list.join("|"),
    ).with_row_index("id")
    pairs = _blocked(frame)
    if pairs.is_empty():
        return pl.DataFrame(schema=CANDIDATE_SCHEMA)
    columns = [name for name in frame.columns if name != "id"]
    pairs = pairs.join(frame.rename({name: f"a_{name}" for name in columns}), left_on="a", right_on="id")
    pairs = pairs.join(frame.rename({name: f"b_{name}" for name in columns}), left_on="b", right_on="id")
    apart = (pl.col("a_year") != pl.col("b_year")).fill_null(value=False)
    pairs = pairs.filter((pl.col("a_key") != pl.col("b_key")) & (pl.col("a_part") == pl.col("b_part")) & ~apart)
    return (
        _scored(pairs, low)
        .join(_settled(decided), on=["first", "second"], how="anti")
        .sort("score", "first", "second", descending=[True, False, False])
    )


def _without_places(frame: pl.DataFrame, places: PlaceTree) -> pl.DataFrame:
    """Return things of one place with plain names that do not begin with it or with what it lies in.

    A short name (青岛) goes only where enough of a name is left: 青岛花园 keeps it.
    """
    place = frame["place"][0]
    if place is None or place not in places:
        return frame
    own = [places.get(place), *(one for one in places.ancestors(place) if one.level is not PlaceLevel.NATION)]
    full = {name for one in own for name in (one.name, *one.aliases) if name.endswith(_DIVISIONS)}
    short = {name for one in own for name in (one.name, *one.aliases)}
    short |= {name.removesuffix(end) for name in full for end in _DIVISIONS if name.endswith(end)}
    plain = pl.col("plain")

    def begin(names: Iterable[str]) -> str:
        said = sorted({name for name in names if len(name) > 1}, key=lambda name: (-len(name), name))
        folded = pl.select(_plain(pl.lit(pl.Series(said, dtype=pl.String)))).to_series()
        return rf"^(?:{'|'.join(re.escape(name) for name in folded if name) or '$^'})+"

    bare = plain.str.replace(begin(full), "")
    shorter = plain.str.replace(begin(full | short), "")
    left = shorter.str.replace_all(_WORDS, "").str.len_chars()
    chosen = pl.when(left >= _ENOUGH).then(shorter).when(bare != "").then(bare).otherwise(plain)
    return frame.with_columns(plain=chosen)


def _blocked(frame: pl.DataFrame) -> pl.DataFrame:
    """Return pairs of ids of one place that share one of their rarest pairs of letters, or their whole core."""
    cores = frame.select("id", "core", place=pl.col("place").fill_null(""))
    grams = pl.concat(
        [cores.select("id", "place", gram="core")]
        + [
            cores.filter(pl.col("core").str.len_chars() > start + 1).select(
                "id", "place", gram=pl.col("core").str.slice(start, 2)
            )
            for start in range(_LETTERS)
        ]
    )
    grams = grams.filter(pl.col("gram").str.len_chars() >= 2).unique()
    grams = grams.with_columns(count=pl.len().over("place", "gram")).filter(pl.col("count").is_between(2, _COMMON))
    grams = grams.with_columns(rank=pl.struct("count", "gram").rank("ordinal").over("id")).filter(
        pl.col("rank") <= _RARE_PAIRS
    )
    joined = grams.select("id", "place", "gram").join(grams.select("id", "place", "gram"), on=["place", "gram"])
    return joined.filter(pl.col("id") < pl.col("id_right")).select(a="id", b="id_right").unique()


def _scored(pairs: pl.DataFrame, low: float) -> pl.DataFrame:
    """Return candidates with their likeness: mostly the name, then what else both records tell."""

    def likeness(first: str, second: str) -> pl.Series:
        return pl.Series(cpdist(pairs[first].to_list(), pairs[second].to_list(), scorer=fuzz.ratio) / 100.0)

    cores, names = likeness("a_core", "b_core"), likeness("a_plain", "b_plain")
    blank = pairs.with_columns(pl.col("a_address", "b_address").fill_null(""))
    addresses = pl.Series(cpdist(blank["a_address"].to_list(), blank["b_address"].to_list(), scorer=fuzz.ratio) / 100.0)
    area = pl.min_horizontal("a_area", "b_area") / pl.max_horizontal("a_area", "b_area")
    apart = (pl.col("a_day") - pl.col("b_day")).dt.total_days().abs()
    scored = pairs.with_columns(
        name=0.7 * pl.lit(cores) + 0.3 * pl.lit(names),
        address=pl.when(pl.col("a_address").is_not_null() & pl.col("b_address").is_not_null()).then(pl.lit(addresses)),
        size=pl.when(pl.max_horizontal("a_area", "b_area") > 0).then(area),
        time=pl.when(apart.is_not_null()).then((1 - apart / 730).clip(0, 1)),
    )
    weights = {"name": 0.7, "address": 0.1, "size": 0.15, "time": 0.05}
    total = pl.sum_horizontal(pl.col(part).fill_null(0.0) * weight for part, weight in weights.items())
    known = pl.sum_horizontal(pl.col(part).is_not_null().cast(pl.Float64) * weight for part, weight in weights.items())
    reasons = pl.concat_str(
        pl.format("名称相似 {}%", (pl.col("name") * 100).round(0).cast(pl.Int64)),
        pl.when(pl.col("size") > 0.98).then(pl.lit("面积相同")),
        pl.when(pl.col("address") > 0.9).then(pl.lit("地址相同")),
        pl.when(pl.col("time") > 0.96).then(pl.lit("日期相近")),
        separator="、",
        ignore_nulls=True,
    )
    return (
        scored.with_columns(score=(total / known).round(4), reasons=reasons)
        .filter((pl.col("score") >= low) & (pl.col("name") >= low))
        .select(
            first_register="a_register",
            first="a_key",
            first_name="a_name",
            second_register="b_register",
            second="b_key",
            second_name="b_name",
            place="a_place",
            score="score",
            reasons="reasons",
            sheet="b_sheet",
            row="b_row",
        )
        .select(pl.col(name).cast(kind) for name, kind in CANDIDATE_SCHEMA.items())
    )


def _settled(decided: Iterable[RecordLink]) -> pl.DataFrame:
    pairs = {
        pair
        for link in decided
        for first in (*link.former, *link.present)
        for second in (*link.former, *link.present)
        if first != second
        for pair in ((first, second),)
    }
    return pl.DataFrame(sorted(pairs), schema={"first": pl.String(), "second": pl.String()}, orient="row")


def candidate_findings(
    candidates: pl.DataFrame, catalog: Catalog, *, high: float = HIGH, most: int = 200
) -> list[Finding]:
    """Return a question to a person for each pair that is very much alike; the rest is counted.

    Parameters
    ----------
    candidates : DataFrame of `CANDIDATE_SCHEMA`
    catalog : Catalog
    high : float
        Likeness from which a person is asked.
    most : int
        Questions asked one by one.
    """
    asked = candidates.filter(pl.col("score") >= high)
    findings = [
        Finding(
            name="buildings.identity.maybe-one",
            sentence=f"可能是同一对象：{row['first_name']}（{row['first']}）与 {row['second_name']}（{row['second']}），"
            f"{row['reasons']}；目前分别计数",
            severity=Severity.WARNING,
            value=row["second"],
            expected="同一对象只计一次",
            next_step=f"是同一个：dafeng ledger link same {row['first']} {row['second']}；不是：改用 different",
            where=Location(sheet=row["sheet"] or "", cell=f"A{row['row']}" if row["row"] else ""),
            evidence={"score": row["score"], "place": catalog.place_name(row["place"]) if row["place"] else ""},
        )
        for row in asked.head(most).iter_rows(named=True)
    ]
    if asked.height > most:
        findings.append(
            Finding(
                name="buildings.identity.maybe-one",
                sentence=f"另有 {asked.height - most} 对可能是同一对象，未逐一列出",
                severity=Severity.WARNING,
                next_step="用 dafeng ledger candidates 查看全部",
                evidence={"more": asked.height - most},
            )
        )
    return findings
