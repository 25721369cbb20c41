"""Account data of grid, gas and heat companies: one row an account and month, or one column a month.

Each account is a pseudo-meter `account:<company>:<number>`, so that its use goes the way of every reading; the table of accounts
(name, address, first and last month) is what accounts are matched to buildings by.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import polars as pl

from dafeng.base.errors import UnitError, UsageError
from dafeng.base.finding import Finding, Severity
from dafeng.base.quantity import conversion_factor, same_dimension
from dafeng.base.reading import READING_SCHEMA
from dafeng.intake.account_layout import ACCOUNT_FACTS, CARRIERS, sheet_bills
from dafeng.intake.meter_problems import FATE_SCHEMA, REASONS, note, refusal_findings
from dafeng.intake.meter_spans import add_instants, interval_spans
from dafeng.intake.meter_times import check_zone, fixed_offset
from dafeng.intake.reading import read_sheets
from dafeng.intake.sheets import Limits, file_digest

__all__ = ["ACCOUNT_SCHEMA", "AccountImport", "read_accounts"]

ACCOUNT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "meter": pl.String(),
    "company": pl.String(),
    "account": pl.String(),
    "name": pl.String(),
    "address": pl.String(),
    "place": pl.String(),
    "use": pl.String(),
    "carrier": pl.String(),
    "unit": pl.String(),
    "readings": pl.Int64(),
    "amount": pl.Float64(),
    "first": pl.Date(),
    "last": pl.Date(),
}
"""Accounts: pseudo-meter, company, account number, account holder, address, district as written, kind of use, carrier, unit, number of
bills, their sum, first day and first day after the last bill, local."""

_OWN: Final = {
    "account-blank": ("没有写明户号", "每行一个户号", "补上户号；合并单元格须取消合并并逐行填满"),
    "account-damaged": ("户号「{value}」被表格软件写成了科学计数，位数已丢失", "文本格式的户号", "把该列设为文本格式，从来源重新导出"),
    "bills-overlap": ("同一户同一账期有几行不同的数：{value}", "每户每个账期一行", "若是同一户的几块表或分时电量，用 parts='add' 相加；否则核对后只留正确的一行"),
}  # fmt: skip


@dataclass(frozen=True)
class AccountImport:
    """What became of account data.

    Parameters
    ----------
    file, document : str
    frame : DataFrame of `READING_SCHEMA`
        Use of each bill as an interval of the account's pseudo-meter.
    accounts : DataFrame of `ACCOUNT_SCHEMA`
    fates : DataFrame of `FATE_SCHEMA`
    counts : dict
        Bills by fate: accepted, added (part of an accepted bill), blank, refused, duplicate.
    findings : tuple of Finding
    """

    file: str
    document: str
    frame: pl.DataFrame
    accounts: pl.DataFrame
    fates: pl.DataFrame
    counts: dict[str, int]
    findings: tuple[Finding, ...]


def read_accounts(
    path: Path,
    *,
    company: str,
    received_at: datetime,
    carrier: str | None = None,
    unit: str = "",
    zone: str = "Asia/Shanghai",
    closing_day: int | None = None,
    parts: Literal["refuse", "add"] = "refuse",
    limits: Limits | None = None,
) -> AccountImport:
    r"""Read the bills of accounts.

    Parameters
    ----------
    path : Path
        CSV, XLSX, XLS or Parquet.
    company : str
        Slug of the company that keeps the accounts: part of every pseudo-meter.
    received_at : datetime
    carrier : str, optional
        Code of the vocabulary's group carrier; found from the header of the amount where None.
    unit : str
        Unit of amounts, where the file states none; the usual one of the carrier where empty.
    zone : str
        Zone in which days begin.
    closing_day : int, optional
        Day of the month on which meters are read (抄表例日) where the file gives months only: the bill of a month then ends with
        that day. Calendar months where None.
    parts : str
        What several rows of one account and span are: refuse them all, or add them up.
    limits : Limits, optional

    Raises
    ------
    InputError
        The file cannot be read at all.
    UsageError
        The closing day or zone is none.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import UTC
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.csv"
    ...     _ = path.write_text("户号,户名,用电地址,2024年1月,2024年2月\n0123,某公司,某路1号,100,120\n")
    ...     taken = read_accounts(path, company="grid", carrier="electricity", received_at=datetime(2026, 11, 20, tzinfo=UTC))
    >>> taken.frame["meter"].unique().to_list(), taken.frame["value"].to_list(), taken.accounts["name"].to_list()
    (['account:grid:0123'], [100.0, 120.0], ['某公司'])
    """
    limits = limits or Limits()
    check_zone(zone)
    if closing_day is not None and not 1 <= closing_day <= 28:
        raise UsageError(
            f"closing day {closing_day}",
            doing="read account data",
            expected="1 to 28; None for calendar months",
            next_step="import a table with reading dates where the day varies",
        )
    findings: list[Finding] = []
    pieces: list[pl.DataFrame] = []
    for sheet in read_sheets(path, limits=limits):
        findings += sheet.findings
        bills = sheet_bills(sheet, path.name, findings)
        if bills is not None:
            pieces.append(bills)
    document = file_digest(path)
    if not pieces:
        empty = pl.DataFrame(schema=READING_SCHEMA)
        return AccountImport(
            path.name,
            document,
            empty,
            pl.DataFrame(schema=ACCOUNT_SCHEMA),
            pl.DataFrame(schema=FATE_SCHEMA),
            {"accepted": 0},
            tuple(findings),
        )
    bills = pl.concat(pieces)
    filled = pl.col("value").is_not_null() | pl.col("problem").is_not_null()
    blank = bills.height - bills.filter(filled).height
    bills = _units(bills.filter(filled), carrier, unit)
    bills = _spans(bills, zone, closing_day, path.name, findings)
    bills = bills.with_columns(meter=pl.lit(f"account:{company}:") + pl.col("account"))
    damaged = pl.col("account").str.contains(r"^[0-9.]+[eE]\+?[0-9]+$")
    bills = bills.with_columns(
        reason=pl.when("total")
        .then(pl.lit("total-row"))
        .when(pl.col("account").is_null())
        .then(pl.lit("account-blank"))
        .when(damaged)
        .then(pl.lit("account-damaged"))
        .otherwise(pl.coalesce("time_problem", "problem", "unit_problem"))
    )
    shown = (
        pl.when("total").then(pl.coalesce("account", "name", pl.lit("合计"))).when(pl.col("account").is_null()).then(pl.lit(""))
        .when(damaged).then("account").when(pl.col("time_problem").is_not_null()).then("time_text")
        .when(pl.col("problem").is_not_null()).then("text").otherwise("unit")
    )  # fmt: skip
    refused = bills.filter(pl.col("reason").is_not_null()).with_columns(shown=shown)
    good, again, overlap = _repeats(bills.filter(pl.col("reason").is_null()), parts)
    fates = pl.concat([_left(refused, "refused"), _left(overlap, "refused"), _left(again, "duplicate")])
    added = good.height
    good = good.group_by("meter", "start", "at", maintain_order=True).agg(
        pl.col("value").sum(),
        *(pl.col(name).first() for name in ("sheet", "cell", *ACCOUNT_FACTS, "carrier", "stored")),
    )
    if carrier is None and (good["carrier"] == "").any():
        findings.append(
            note(
                "carrier-unknown",
                "没有写明是电、气、热还是水，用量按 kWh 存入",
                path.name,
                expected="列名中的能源（如 用气量），或 carrier 参数",
                next_step="用 carrier 参数写明后重新导入",
            )
        )
    accounts = _accounts(good, company, zone)
    findings += _remarks(accounts, good, path.name)
    findings += refusal_findings(fates, path.name, limits.listed, reasons=REASONS | _OWN)
    where = pl.when(pl.col("sheet") != "").then(pl.col("sheet") + "!").otherwise(pl.lit(""))
    frame = good.select(
        "meter",
        "at",
        "start",
        "value",
        pl.lit("").alias("sent_as"),
        pl.lit("account").alias("origin"),
        (pl.lit(f"{document[:16]}#") + where + pl.col("cell")).alias("lineage"),
        pl.lit(received_at).cast(pl.Datetime("us", "UTC")).alias("received_at"),
    ).sort("meter", "at")
    counts = {"accepted": frame.height, "added": added - good.height, "blank": blank}
    counts |= {"refused": refused.height + overlap.height, "duplicate": again.height}
    return AccountImport(path.name, document, frame, accounts, fates, counts, tuple(findings))


def _units(bills: pl.DataFrame, carrier: str | None, unit: str) -> pl.DataFrame:
    rows = []
    for head, here, stated in bills.select("head", "unit_here", "unit_head").unique().iter_rows():
        found = next((pair for word, pair in CARRIERS.items() if word in head), None)
        named = carrier or (found[0] if found else "")
        usual = dict(CARRIERS.values()).get(named) or (found[1] if found else "") or unit or "kWh"
        written = here or stated or unit or usual
        try:
            factor, problem = (
                (conversion_factor(written, usual), None) if same_dimension(written, usual) else (1.0, "unit-mismatch")
            )
        except UnitError:
            factor, problem = 1.0, "unit-unknown"
        rows.append((head, here, stated, named, written, usual, factor, problem))
    kinds: dict[str, pl.DataType] = dict.fromkeys(
        ("head", "unit_here", "unit_head", "carrier", "unit", "stored"), pl.String()
    )
    table = pl.DataFrame(rows, schema=kinds | {"factor": pl.Float64(), "unit_problem": pl.String()}, orient="row")
    bills = bills.join(
        table, on=["head", "unit_here", "unit_head"], how="left", nulls_equal=True, maintain_order="left"
    )
    return bills.with_columns(value=pl.col("value") * pl.col("factor"))


def _spans(bills: pl.DataFrame, zone: str, closing_day: int | None, file: str, findings: list[Finding]) -> pl.DataFrame:
    slots = bills.select(
        pl.col("account").fill_null("").alias("who"), pl.lit(zone).alias("zone"), "local", "offset", "span",
        pl.col("time_problem").alias("problem"), "s_local", "s_offset", "s_span", "s_problem",
    )  # fmt: skip
    stated = slots["s_local"].null_count() < slots.height
    months = (slots["span"] == "month").any()
    if not stated:
        slots = slots.drop("s_local", "s_offset", "s_span", "s_problem")
    if months and not stated:
        if closing_day is not None:
            shift = pl.duration(days=closing_day)
            slots = slots.with_columns(local=pl.col("local").dt.offset_by("-1mo") + shift)
        else:
            findings.append(
                note(
                    "calendar-month",
                    "只写了月份，按自然月计；实际抄表日可能不是月末",
                    file,
                    severity=Severity.INFO,
                    next_step="用 closing_day 参数写明抄表例日，或导入带抄表日期的表",
                )
            )
        slots = add_instants(slots, fold="first")
        moved = slots.select(
            "who", "zone", "offset", local=pl.col("local").dt.offset_by("1mo"), problem=pl.lit(None, pl.String)
        )
        if closing_day is not None:
            moved = moved.with_columns(
                local=(pl.col("local") - pl.duration(days=closing_day)).dt.truncate("1mo")
                + pl.duration(days=closing_day)
            )
        finish = add_instants(moved, fold="first")
        frame = slots.select(pl.col("at").alias("begin"), finish["at"].alias("finish"), "problem")
    elif stated:
        slots = add_instants(add_instants(slots, fold="first"), fold="first", prefix="s_")
        frame = interval_spans(slots, ends=True, step=None, fold="first").frame
    else:
        # Reading days alone: each bill begins where the one before it ended.
        slots = add_instants(slots, fold="first")
        order = (
            slots.with_row_index("_n")
            .filter(pl.col("at").is_not_null())
            .unique(["who", "at"], keep="first")
            .sort("who", "at")
        )
        order = order.with_columns(pl.col("at").shift(1).over("who").alias("begin"))
        known = slots.join(order.select("who", "at", "begin"), on=["who", "at"], how="left", maintain_order="left")
        lacking = pl.when(pl.col("begin").is_null()).then(pl.lit("no-step"))
        frame = known.select("begin", pl.col("at").alias("finish"), pl.coalesce("problem", lacking).alias("problem"))
    return bills.drop("time_problem").hstack(
        frame.rename({"begin": "start", "finish": "at", "problem": "time_problem"})
    )


def _repeats(bills: pl.DataFrame, parts: str) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return bills that count, that stand twice, and that contradict one another."""
    key = ["meter", "start", "at"]
    bills = bills.with_columns(shown=pl.col("value").cast(pl.String))
    if parts == "add":
        return (
            bills,
            bills.clear().with_columns(reason=pl.lit("same")),
            bills.clear().with_columns(reason=pl.lit("bills-overlap")),
        )
    # Equal amounts alone are not one bill: two meters or two tariffs of an account may come to the same.
    first = bills.unique([*key, "value", "twin"], keep="first", maintain_order=True)
    again = bills.join(first.select("sheet", "cell"), on=["sheet", "cell"], how="anti", maintain_order="left")
    clash = first.select(key).is_duplicated()
    return (
        first.filter(~clash),
        again.with_columns(reason=pl.lit("same")),
        first.filter(clash).with_columns(reason=pl.lit("bills-overlap")),
    )


def _left(bills: pl.DataFrame, fate: str) -> pl.DataFrame:
    return bills.select(
        "sheet",
        (pl.col("row").cast(pl.Int64) + 1).alias("row"),
        "column",
        "cell",
        pl.col("account").alias("meter"),
        pl.col("shown").fill_null("").alias("value"),
        pl.lit(fate).alias("fate"),
        "reason",
    )


def _accounts(good: pl.DataFrame, company: str, zone: str) -> pl.DataFrame:
    def local_day(name: str) -> pl.Expr:
        fixed = fixed_offset(zone)
        local = pl.col(name).dt.convert_time_zone(zone) if fixed is None else pl.col(name) + pl.duration(seconds=fixed)
        return local.dt.date()

    latest = [pl.col(name).sort_by("at").drop_nulls().last() for name in ("name", "address", "place", "use", "carrier")]
    return (
        good.group_by("meter", maintain_order=True)
        .agg(
            pl.lit(company).alias("company"),
            pl.col("account").first(),
            *latest,
            pl.col("stored").first().alias("unit"),
            pl.len().cast(pl.Int64).alias("readings"),
            pl.col("value").sum().alias("amount"),
            local_day("start").min().alias("first"),
            local_day("at").max().alias("last"),
        )
        .select(ACCOUNT_SCHEMA.keys())
        .sort("meter")
    )


def _remarks(accounts: pl.DataFrame, good: pl.DataFrame, file: str) -> list[Finding]:
    found = []
    lengths = accounts["account"].str.len_chars()
    if accounts.height and lengths.n_unique() > 1:
        usual = int(lengths.mode().cast(pl.Int64).sort()[-1])
        odd = accounts.filter(lengths != usual)["account"].to_list()
        found.append(
            note(
                "account-length",
                f"{len(odd)} 个户号的位数与其他（{usual} 位）不同，可能丢了前导零：{'、'.join(odd[:10])}",
                file,
                next_step="把户号列设为文本格式后重新导出，或核对",
            )
        )
    for fact, name, word in (("name", "renamed", "户名"), ("address", "moved", "地址")):
        several = (
            good.group_by("account", maintain_order=True)
            .agg(pl.col(fact).drop_nulls().n_unique())
            .filter(pl.col(fact) > 1)
        )
        if several.height:
            said = f"{several.height} 个户号前后{word}不同，取最近的：{'、'.join(several['account'].head(10))}"
            found.append(note(f"account-{name}", said, file, severity=Severity.INFO, next_step="核对是否换了用能单位"))
    negative = good.filter(pl.col("value") < 0)
    if negative.height:
        found.append(
            note(
                "bill-negative",
                f"{negative.height} 笔用量为负（退补），照原样记入",
                file,
                next_step="核对是否应冲减以前月份",
            )
        )
    return found
