"""The table by which the energy use of public buildings is made public (能耗公示表), and the ten grouping tables.

A building is named only where it must be published or has agreed; what is not named stays counted, in rows that never stand
for fewer buildings than the least number. Sums that would give a single building away by subtraction are not printed either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import polars as pl

from dafeng.base.ledger import FIELD_DTYPES
from dafeng.catalog.catalog import Catalog
from dafeng.metering.grouping import DIMENSIONS
from dafeng.metering.quota import QUOTA_VERDICTS
from dafeng.reports.document import Align, Annex, Block, Cell, Column, Note, Report, Row, Table
from dafeng.reports.wording import number_zh

__all__ = ["DISCLOSURE_SCHEMA", "disclosure_report", "disclosure_rows", "grouping_report"]

_NUMBERS: Final = (
    "area", "electricity", "electricity_area", "electricity_person", "water", "water_area", "water_person", "coal_area",
    "lighting", "cooling", "power", "special", "constraint", "guide", "change", "coverage",
)  # fmt: skip
DISCLOSURE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "kind": pl.String(),
    "building": pl.String(),
    "name": pl.String(),
    "building_type": pl.String(),
    "buildings": pl.Int64(),
    **dict.fromkeys(_NUMBERS, pl.Float64()),
    "verdict": pl.String(),
    "reason": pl.String(),
}
"""Columns of what is made public. kind: named (a building), masked (several buildings that are not named, of one type or of several)
or suppressed (too few to say more than their number). electricity in kWh, water in m³, per m² and per person; coal_area: kgce a m²
on the basis that the caller names; change: percent against the year before where both years are complete; coverage: share."""
_PERSON: Final = ("office", "government_office")
_ITEMS: Final = {
    "electricity": "01000",
    "water": "02000",
    "lighting": "01A00",
    "cooling": "01B00",
    "power": "01C00",
    "special": "01D00",
}
_OPEN: Final = ("obliged", "consented")
_STATES: Final = {
    "guide": "met_early",
    "constraint": "met",
    "over": "missed",
    "depends": "depends_on_definition",
    "unknown": "unknown",
}
_TOTALS: Final = (
    Column(key="number", title="序号", width=9, align=Align.CENTER),
    Column(key="building", title="建筑编码", width=22),
    Column(key="name", title="建筑名称", width=36),
    Column(key="area", title="建筑面积（m²）", width=20, align=Align.RIGHT),
    Column(key="electricity", title="总用电量（kWh）", width=24, align=Align.RIGHT),
    Column(key="electricity_area", title="单位面积用电量（kWh/m²）", width=20, align=Align.RIGHT),
    Column(key="electricity_person", title="人均用电量（kWh/人）", width=20, align=Align.RIGHT),
    Column(key="water", title="总用水量（m³）", width=20, align=Align.RIGHT),
    Column(key="water_area", title="单位面积用水量（m³/m²）", width=20, align=Align.RIGHT),
    Column(key="water_person", title="人均用水量（m³/人）", width=18, align=Align.RIGHT),
    Column(key="coal_area", title="单位面积能耗（kgce/m²）", width=20, align=Align.RIGHT),
    Column(key="quota", title="约束值／引导值（kWh/m²）", width=21, align=Align.CENTER),
    Column(key="verdict", title="评价", width=22, align=Align.CENTER),
    Column(key="change", title="用电同比（%）", width=16, align=Align.RIGHT),
    Column(key="coverage", title="数据完整率（%）", width=17, align=Align.RIGHT),
)
_BY_ITEM: Final = (
    Column(key="number", title="序号", width=12, align=Align.CENTER),
    Column(key="building", title="建筑编码", width=32),
    Column(key="name", title="建筑名称", width=60),
    Column(key="lighting", title="照明插座用电（kWh）", width=32, align=Align.RIGHT),
    Column(key="cooling", title="空调用电（kWh）", width=32, align=Align.RIGHT),
    Column(key="power", title="动力用电（kWh）", width=32, align=Align.RIGHT),
    Column(key="special", title="特殊用电（kWh）", width=32, align=Align.RIGHT),
)


_BY_USE: Final = ("lighting", "cooling", "power", "special")


def disclosure_rows(
    buildings: pl.DataFrame,
    use: pl.DataFrame,
    verdicts: pl.DataFrame,
    catalog: Catalog,
    *,
    year: int,
    least: int = 3,
    equivalents: Mapping[str, float] | None = None,
    minimum_coverage: float = 0.9,
) -> pl.DataFrame:
    """Return what may be made public of the energy use of a year.

    Parameters
    ----------
    buildings : DataFrame
        `building` or `building_code` and fields of the register of buildings. `publication` (obliged, consented, refused)
        decides whether a building is named; unknown is as refused.
    use : DataFrame
        building, item, period (year as text), amount, coverage; the year before for the change.
    verdicts : DataFrame of `dafeng.metering.quota.VERDICT_SCHEMA`
    catalog : Catalog
    year : int
    least : int
        Buildings for which a masked row must stand.
    equivalents : mapping, optional
        Energy item to kgce a unit, on one basis; without it `coal_area` is null.
    minimum_coverage : float
        Coverage that both years need for a change.

    Returns
    -------
    DataFrame of `DISCLOSURE_SCHEMA`
        Named buildings by type and use per area, then the masked rows; the counts of all rows add up to the buildings.

    Raises
    ------
    ValueError
        `least` is below 2.
    """
    if least < 2:
        raise ValueError(f"least is {least}; a masked row of one building is no mask, expected 2 or more")
    frame = _facts(buildings, use, verdicts, catalog, year, equivalents, minimum_coverage)
    open_ = pl.col("publication").is_in(_OPEN).fill_null(False)
    named = frame.filter(open_).with_columns(kind=pl.lit("named"), buildings=pl.lit(1, pl.Int64))
    order = {one.code: number for number, one in enumerate(catalog.fields["building_type"].options)}
    ranked = named.with_columns(_type=pl.col("building_type").replace_strict(order, default=99)).sort(
        "_type", "electricity_area", "building", descending=[False, True, False], nulls_last=True
    )
    parts = [ranked, *_masked(frame.filter(~open_), least)]
    return pl.concat([_shaped(part) for part in parts])


def _shaped(frame: pl.DataFrame) -> pl.DataFrame:
    blank = [pl.lit(None, kind).alias(name) for name, kind in DISCLOSURE_SCHEMA.items() if name not in frame.columns]
    return frame.with_columns(blank).select(pl.col(name).cast(kind) for name, kind in DISCLOSURE_SCHEMA.items())


def _facts(
    buildings: pl.DataFrame,
    use: pl.DataFrame,
    verdicts: pl.DataFrame,
    catalog: Catalog,
    year: int,
    equivalents: Mapping[str, float] | None,
    minimum: float,
) -> pl.DataFrame:
    frame = buildings if "building" in buildings.columns else buildings.rename({"building_code": "building"})
    fields = ("building_name", "building_type", "gross_area", "employees", "publication")
    kinds = {name: FIELD_DTYPES[catalog.fields[name].type] for name in fields}
    blank = [pl.lit(None, kind).alias(name) for name, kind in kinds.items() if name not in frame.columns]
    frame = frame.with_columns(blank).select(
        "building", name="building_name", building_type="building_type",
        area=pl.when(pl.col("gross_area") > 0).then(pl.col("gross_area")),
        people=pl.when(pl.col("employees") > 0).then(pl.col("employees")), publication="publication",
    )  # fmt: skip
    now, before = (use.filter(pl.col("period") == str(which)) for which in (year, year - 1))
    for name, item in _ITEMS.items():
        own = now.filter(pl.col("item") == item).group_by("building").agg(pl.col("amount").sum().alias(name))
        frame = frame.join(own, on="building", how="left")
    power = pl.col("item") == _ITEMS["electricity"]
    covered = now.filter(power).group_by("building").agg(coverage=pl.col("coverage").min())
    earlier = (
        before.filter(power)
        .group_by("building")
        .agg(earlier=pl.col("amount").sum(), earlier_coverage=pl.col("coverage").min())
    )
    factor = pl.col("item").replace_strict(dict(equivalents or {}), default=None, return_dtype=pl.Float64)
    coal = now.with_columns(kgce=pl.col("amount") * factor).filter(pl.col("kgce").is_not_null())
    judged = verdicts.filter(
        (pl.col("measure") == "non_heating") & (pl.col("part") == "main") & (pl.col("year") == year)
    )
    frame = (
        frame.join(covered, on="building", how="left")
        .join(earlier, on="building", how="left")
        .join(coal.group_by("building").agg(pl.col("kgce").sum()), on="building", how="left")
        .join(judged.select("building", "constraint", "guide", "verdict", "reason"), on="building", how="left")
    )
    whole = (pl.col("coverage") >= minimum) & (pl.col("earlier_coverage") >= minimum) & (pl.col("earlier") > 0)
    person = pl.when(pl.col("building_type").is_in(_PERSON)).then(pl.col("people"))
    return frame.with_columns(
        electricity_area=pl.col("electricity") / pl.col("area"),
        electricity_person=pl.col("electricity") / person,
        water_area=pl.col("water") / pl.col("area"),
        water_person=pl.col("water") / person,
        coal_area=pl.col("kgce") / pl.col("area"),
        change=pl.when(whole).then((pl.col("electricity") / pl.col("earlier") - 1) * 100),
    )


def _masked(frame: pl.DataFrame, least: int) -> list[pl.DataFrame]:
    """Return buildings that are not named in rows of at least `least`, by type where there are enough of it."""
    if frame.is_empty():
        return []
    many = pl.len().over("building_type")
    groups = (
        pl.when((many >= least) & pl.col("building_type").is_not_null()).then(pl.col("building_type")).fill_null("")
    )
    frame = frame.with_columns(group=groups)
    mixed = frame.filter(pl.col("group") == "").height
    if 0 < mixed < least:  # too few are left over: the smallest type joins them
        sizes = frame.filter(pl.col("group") != "").group_by("group").len().sort("len", "group")
        if sizes.height:
            smallest = sizes["group"][0]
            frame = frame.with_columns(group=pl.when(pl.col("group") == smallest).then(pl.lit("")).otherwise("group"))
    enough = frame.with_columns(size=pl.len().over("group"))
    sums = ("electricity", "water", *_BY_USE)
    fine = enough.filter(pl.col("size") >= least)
    has = {name: pl.col(name).is_not_null() for name in ("area", "kgce", *sums)}
    both = {name: has[name] & has["area"] for name in ("electricity", "water", "kgce")}

    def said(expression: pl.Expr, there: pl.Expr, beside: Sequence[str] = ()) -> pl.Expr:
        """Print what enough buildings have, and what differs from the columns beside it by no or by enough buildings."""
        apart = [(there != has[name]).sum() for name in beside]
        safe = [(count == 0) | (count >= least) for count in apart]
        return pl.when(pl.all_horizontal(there.sum() >= least, *safe)).then(expression)

    rows = fine.group_by("group").agg(
        pl.len().alias("buildings"),
        *(said(pl.col(name).sum(), has[name]).alias(name) for name in ("area", "electricity", "water")),
        *(said(pl.col(name).sum(), has[name], ("electricity",)).alias(name) for name in _BY_USE),
        *(
            said(
                pl.col(name).filter(there).sum() / pl.col("area").filter(there).sum(),
                there,
                ("area", "electricity") if name == "kgce" else ("area", name),
            ).alias({"kgce": "coal_area"}.get(name, f"{name}_area"))
            for name, there in both.items()
        ),
        coverage=said(pl.col("coverage").mean(), pl.col("coverage").is_not_null()),
    )
    few = enough.filter(pl.col("size") < least)
    result = [
        rows.sort(pl.col("group") == "", "group").with_columns(
            kind=pl.lit("masked"),
            building_type=pl.when(pl.col("group") != "").then(pl.col("group")),
            reason=pl.lit("未公示的建筑合并列出"),
        )
    ]
    if few.height:
        result.append(
            pl.DataFrame({"kind": ["suppressed"], "buildings": [few.height], "reason": [f"不足{least}栋，只计栋数"]})
        )
    return result


def disclosure_report(
    rows: pl.DataFrame, catalog: Catalog, *, place: str, year: int, as_of: date, coal_basis: str | None = None
) -> Report:
    """Return the disclosure table: totals with quota and verdict, then electricity by item.

    Parameters
    ----------
    rows : DataFrame of `DISCLOSURE_SCHEMA`
    catalog : Catalog
    place : str
        Place id, for the title.
    year : int
    as_of : date
    coal_basis : str, optional
        Basis of the coal equivalents in words; needed where `coal_area` is given.

    Raises
    ------
    ValueError
        Coal equivalents without their basis.
    """
    if coal_basis is None and rows["coal_area"].count():
        raise ValueError("coal_basis is missing; expected the basis of the coal equivalents in words (当量口径 …)")
    types = {one.code: one.zh for one in catalog.fields["building_type"].options}
    totals, items = _tables(rows, types)
    title = f"{catalog.place_name(place)}{year}年公共建筑能耗公示表"
    named = rows.filter(pl.col("kind") == "named").height
    count = int(rows["buildings"].sum())
    return Report(
        id=f"energy-disclosure-{year}",
        title=title,
        as_of=as_of,
        basis=(
            ("公示", "依法应公示或同意公示的建筑列名；其余合并，每行不少于规定栋数，不足的只计栋数。"),
            ("评价", "非供暖能耗按修正后的实测值与约束值、引导值比较；类别或数据不明的为待定。"),
            ("人均", "只列办公建筑。"),
            ("同比", "两年数据完整率都达到要求的才列。"),
            ("标煤", coal_basis or "未给折标煤口径，不列。"),
        ),
        blocks=(
            Annex(label="附件1", title=title, landscape=True),
            Table(id="totals", title="总量", columns=_TOTALS, rows=totals, size=7.5),
            Note(
                text=f"共{count}栋，列名{named}栋，合并或只计栋数{count - named}栋。同类建筑内按单位面积用电量由高到低。"
            ),
            Annex(label="附件2", title=f"{year}年公共建筑分项用电公示表", landscape=True),
            Table(id="items", title="分项", columns=_BY_ITEM, rows=items, size=9.0),
        ),
    )


def _tables(rows: pl.DataFrame, types: Mapping[str, str]) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    totals: list[Row] = []
    items: list[Row] = []
    group = None
    for number, row in enumerate(rows.iter_rows(named=True), start=1):
        label = types.get(row["building_type"] or "", "类型未填") if row["kind"] == "named" else "未列名的建筑"
        if label != group:
            group = label
            totals.append(Row(group=label))
            items.append(Row(group=label))
        head = _head(number, row, types)
        totals.append(Row(cells=(
            *head,
            _cell(row["area"], 1),
            *(_cell(row[name]) for name in ("electricity", "electricity_area")),
            _cell(row["electricity_person"], blank="--"),
            *(_cell(row[name]) for name in ("water", "water_area")),
            _cell(row["water_person"], blank="--"),
            _cell(row["coal_area"]),
            _quota(row),
            _verdict(row),
            _cell(row["change"]),
            _cell(None if row["coverage"] is None else 100 * row["coverage"], 1),
        )))  # fmt: skip
        items.append(Row(cells=(*head, *(_cell(row[name]) for name in ("lighting", "cooling", "power", "special")))))
    return tuple(totals), tuple(items)


def _head(number: int, row: Mapping[str, Any], types: Mapping[str, str]) -> tuple[Cell, Cell, Cell]:
    if row["kind"] == "named":
        name = row["name"] or ""
    else:
        of = types.get(row["building_type"] or "", "各类")
        name = f"{of}{row['buildings']}栋" if row["kind"] == "masked" else f"{row['buildings']}栋（{row['reason']}）"
    return Cell(text=str(number), number=number, digits=0), Cell(text=row["building"] or "—"), Cell(text=name)


def _cell(value: float | None, digits: int = 2, *, blank: str = "—") -> Cell:
    return (
        Cell(text=blank)
        if value is None
        else Cell(text=number_zh(value, digits, keep=True), number=value, digits=digits)
    )


def _quota(row: Mapping[str, Any]) -> Cell:
    if row["constraint"] is None:
        return Cell(text="—")
    guide = "—" if row["guide"] is None else number_zh(row["guide"], 1)
    return Cell(text=f"{number_zh(row['constraint'], 1)}／{guide}")


def _verdict(row: Mapping[str, Any]) -> Cell:
    code = row["verdict"]
    return Cell(text="—") if code is None else Cell(text=QUOTA_VERDICTS[code], state=_STATES[code])


_GROUPED: Final = (
    Column(key="name", title="类别", width=38),
    Column(key="buildings", title="栋数", width=14, align=Align.RIGHT),
    Column(key="area", title="面积（m²）", width=24, align=Align.RIGHT),
    Column(key="cooled_area", title="空调面积（m²）", width=24, align=Align.RIGHT),
    Column(key="heated_area", title="采暖面积（m²）", width=24, align=Align.RIGHT),
    Column(key="energy", title="总能耗（kgce）", width=26, align=Align.RIGHT),
    Column(key="electricity", title="总电耗（kWh）", width=28, align=Align.RIGHT),
    Column(key="lighting", title="照明插座（kWh）", width=26, align=Align.RIGHT),
    Column(key="cooling", title="空调（kWh）", width=26, align=Align.RIGHT),
    Column(key="power", title="动力（kWh）", width=26, align=Align.RIGHT),
    Column(key="special", title="特殊（kWh）", width=26, align=Align.RIGHT),
    Column(key="metered", title="有数据栋数", width=18, align=Align.RIGHT),
)


def grouping_report(
    groups: pl.DataFrame, catalog: Catalog, *, place: str, year: int, as_of: date, coal_basis: str | None = None
) -> Report:
    """Return the ten grouping tables of the upper-level report, one under the other, unknown classes shown.

    Parameters
    ----------
    groups : DataFrame of `dafeng.metering.grouping.GROUP_SCHEMA`
    catalog : Catalog
    place : str
    year : int
    as_of : date
    coal_basis : str, optional
        Basis of the total energy in words.
    """
    numbers: Sequence[tuple[str, int]] = [
        ("buildings", 0),
        *((column.key, 1) for column in _GROUPED[2:-1]),
        ("metered", 0),
    ]
    rows: list[Row] = []
    for dimension, (title, _) in DIMENSIONS.items():
        rows.append(Row(group=title))
        for row in groups.filter(pl.col("dimension") == dimension).iter_rows(named=True):
            cells = [_cell(row[name], digits) for name, digits in numbers]
            rows.append(Row(cells=(Cell(text=row["name"]), *cells)))
    title = f"{catalog.place_name(place)}{year}年建筑能耗分组汇总表"
    blocks: tuple[Block, ...] = (
        Annex(label="附件", title=title, landscape=True),
        Table(id="groups", title="分组汇总", columns=_GROUPED, rows=tuple(rows), size=7.5),
        Note(text="各维度是同一批建筑的不同分法，合计相同；类别未填的列“未知”。合计只含有数据的建筑。"),
    )
    basis = (("总能耗", coal_basis or "未给折标煤口径，不列。"), ("未知", "台账未填该项的建筑，不归入其他。"))
    return Report(id=f"energy-groups-{year}", title=title, as_of=as_of, basis=basis, blocks=blocks)
