"""Accounts of companies given to buildings: proposals, a review sheet for a person, decisions kept in the workspace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Severity
from dafeng.intake import read_sheets
from dafeng.metering.account_links import REVIEW_HEADS, AccountLink, exact_links, read_review, review_rows
from dafeng.metering.matching import LOW, match_accounts
from dafeng.reports import Report, render_xlsx
from dafeng.reports.document import Annex, Cell, Column, Row, Table
from dafeng.workflow.metering import LINK_SCHEMA, MeterHouse, account_links, open_house, read_register
from dafeng.workflow.setting import Setting

__all__ = ["AccountMatching", "match_meter_accounts", "read_account_review"]

_WIDTHS = {"account": 24, "account_name": 40, "account_address": 44, "building": 24, "building_name": 36, "building_address": 40,
           "reasons": 34, "answer": 26, "other": 44, "reason": 30}  # fmt: skip


@dataclass(frozen=True)
class AccountMatching:
    """Which accounts may supply which buildings.

    Attributes
    ----------
    matches : DataFrame of `dafeng.metering.matching.MATCH_SCHEMA`
    decided : int
        Accounts that a decision gives to buildings.
    exact : int
        Of these, given by an equal code in this run.
    open : int
        Accounts that wait for a person.
    review : bytes
        The review sheet, XLSX.
    """

    matches: pl.DataFrame
    decided: int
    exact: int
    open: int
    review: bytes


def match_meter_accounts(
    setting: Setting, *, decided_on: date, low: float | None = None, keep: bool = True
) -> AccountMatching:
    """Propose buildings for the accounts of a workspace that no decision gives to one.

    Parameters
    ----------
    setting : Setting
    decided_on : date
        Day under which matches by an equal code are kept.
    low : float, optional
        Least likeness that is proposed.
    keep : bool
        Whether matches by an equal code are kept as decisions.

    Raises
    ------
    InputError
        The workspace holds no accounts.
    """
    house = open_house(setting)
    rows = house.virtual.read().filter(pl.col("account").is_not_null()).sort("last")
    accounts = rows.unique(["account", "carrier"], keep="last", maintain_order=True).select(
        "account", "name", "address", "carrier", place=pl.lit(None, pl.String), building_code=pl.lit(None, pl.String)
    )
    if accounts.is_empty():
        raise InputError(
            "没有户号账单 / no accounts",
            doing="match accounts to buildings",
            expected="导入过的户号账单",
            next_step="dafeng meter import 账单 --company grid",
        )
    register = read_register(setting, house)
    buildings = register.ledger
    known = buildings.select(
        name for name in ("building_code", "building_name", "owner", "address", "place") if name in buildings.columns
    )
    given = account_links(house)
    matches = match_accounts(
        accounts, known, decided=given, places=setting.catalog.places, low=LOW if low is None else low
    )
    exact = exact_links(matches, decided_on=decided_on)
    if exact and keep:
        _keep(house, exact)
    sheet = review_rows(matches)
    return AccountMatching(
        matches,
        decided=len({(link.account, link.carrier) for link in [*given, *exact] if link.accepted}),
        exact=len(exact),
        open=sheet["account"].n_unique() if sheet.height else 0,
        review=render_xlsx(_sheet(sheet, decided_on)),
    )


def _sheet(rows: pl.DataFrame, day: date) -> Report:
    columns = tuple(Column(key=key, title=head, width=_WIDTHS.get(key, 18)) for key, head in REVIEW_HEADS.items())
    shown = [
        Row(cells=tuple(Cell(text="" if row[key] is None else f"{row[key]:.2f}" if key == "score" else str(row[key])) for key in REVIEW_HEADS))
        for row in rows.iter_rows(named=True)
    ]  # fmt: skip
    return Report(
        id="account-review",
        title="户号归属核对表",
        as_of=day,
        basis=(
            ("结论", "填接受、不是或其他；没有填的留待以后。必须写核对人。"),
            ("其他", "一个户号供几栋建筑时，在“其他建筑代码及份额”写 代码=份额，以分号隔开，份额合计不超过1；没有分给任何建筑的部分列为未分摊。"),
            ("相似度", "名称、地址相似的程度，1为相同；只有代码相同的自动采用。"),
        ),
        blocks=(Annex(label="附件", title="户号归属核对表", landscape=True), Table(id="review", title="核对", columns=columns, rows=tuple(shown), size=9.0)),
    )  # fmt: skip


def read_account_review(
    setting: Setting, path: Path, *, decided_on: date, dry_run: bool = False
) -> tuple[list[AccountLink], list[Finding]]:
    """Read a filled review sheet and keep its decisions; those that cannot be read are told, the others count.

    Raises
    ------
    InputError
        The file cannot be read, or holds no such sheet.
    """
    house = open_house(setting)
    register = read_register(setting, house)
    for sheet in read_sheets(path):
        for number, cells in enumerate(sheet.frame.head(30).iter_rows()):
            heads = [(cell or "").strip() for cell in cells]
            if REVIEW_HEADS["account"] not in heads or REVIEW_HEADS["answer"] not in heads:
                continue
            named = {f"c{index}": head for index, head in enumerate(heads) if head in REVIEW_HEADS.values()}
            rows = sheet.frame.with_row_index("row", offset=1).slice(number + 1)
            rows = rows.select(pl.col("row").cast(pl.Int64), *(pl.col(old).alias(new) for old, new in named.items()))
            links, findings = read_review(rows, decided_on=decided_on, known=register.buildings)
            held = set(house.virtual.read()["account"].drop_nulls())
            strange = sorted({link.account for link in links} - held)
            if strange:
                findings.append(
                    Finding(
                        name="meter.match.account",
                        sentence=f"没有导入过这些户号的账单：{'、'.join(strange[:20])}",
                        severity=Severity.WARNING,
                        next_step="结论已保存，账单导入后生效",
                    )
                )
            if links and not dry_run:
                _keep(house, links)
            return links, findings
    raise InputError(
        f"{path.name} 中没有核对表 / no review sheet",
        doing="read a review of accounts",
        expected=f"表头含 {REVIEW_HEADS['account']} 与 {REVIEW_HEADS['answer']}",
        next_step="用 dafeng meter match --out 生成核对表，填写后再读",
        file=path.name,
        name="meter.match.no-sheet",
    )


def _keep(house: MeterHouse, links: list[AccountLink]) -> None:
    """Keep decisions; one of the same day on the same account, carrier and building replaces the earlier one."""
    frame = pl.DataFrame([link.model_dump() for link in links], schema=LINK_SCHEMA)
    frame = frame.unique(["account", "carrier", "building", "decided_on"], keep="last", maintain_order=True)
    spans = frame.select(
        "account", "carrier", "building", first="decided_on", last=pl.col("decided_on").dt.offset_by("1d")
    )
    house.links.restate(frame, spans, made_from={"decisions": len(links)})
