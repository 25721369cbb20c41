"""Which account supplies which building: decisions of persons, the review sheet they are read from, shares of the energy.

An account may supply several buildings by shares; what no decision gives to a building stays unattributed and is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Any, Final, Self

import polars as pl
from pydantic import Field, model_validator

from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.record import Record

__all__ = ["REVIEW_HEADS", "AccountLink", "attribute_accounts", "exact_links", "read_review", "review_rows"]

REVIEW_HEADS: Final[dict[str, str]] = {
    "account": "户号",
    "account_name": "户名",
    "account_address": "用能地址",
    "carrier": "能源种类",
    "building": "建议建筑代码",
    "building_name": "建筑名称",
    "building_address": "建筑地址",
    "score": "相似度",
    "reasons": "理由",
    "answer": "结论（接受／不是／其他）",
    "other": "其他建筑代码及份额（代码=份额，以分号隔开）",
    "by": "核对人",
    "reason": "说明",
}
"""Columns of the review sheet and their heads. The last four are for the person who decides."""
_ANSWERS: Final = {
    "接受": "accept", "是": "accept", "accept": "accept", "对": "accept", "√": "accept", "y": "accept", "yes": "accept",
    "不是": "reject", "否": "reject", "reject": "reject", "×": "reject", "x": "reject", "n": "reject", "no": "reject",
    "其他": "other", "other": "other",
}  # fmt: skip


class AccountLink(Record):
    """A decision that an account supplies a building, or does not.

    Examples
    --------
    >>> AccountLink(account="37020001", building="370202A001", by="张三", decided_on=date(2026, 11, 20)).share
    1.0
    """

    account: str = Field(min_length=1)
    """Number of the account."""
    carrier: str = ""
    """Carrier, where numbers of two companies may be equal."""
    building: str = Field(min_length=1)
    """Building code."""
    accepted: bool = True
    """False: looked at and not this building, so that it is not proposed again."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of the account's energy that goes to the building."""
    valid_from: date | None = None
    """First day; from the beginning where None."""
    valid_to: date | None = None
    """First day no longer; open where None."""
    by: str = Field(min_length=1)
    """Who decided; `exact-code` for a match by code."""
    decided_on: date
    """When."""
    reason: str = ""
    """Why."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.valid_from is not None and self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("a link ends after it begins")
        return self


def exact_links(matches: pl.DataFrame, *, decided_on: date) -> list[AccountLink]:
    """Return links for the proposals that rest on an exact building code: the only ones that no person has to look at.

    Parameters
    ----------
    matches : DataFrame of `dafeng.metering.matching.MATCH_SCHEMA`
    decided_on : date
    """
    return [
        AccountLink(account=row["account"], carrier=row["carrier"] or "", building=row["building"], by="exact-code",
                    decided_on=decided_on, reason=row["reasons"])
        for row in matches.filter("exact").iter_rows(named=True)
    ]  # fmt: skip


def review_rows(matches: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the review sheet under the keys of `REVIEW_HEADS`, answers blank.

    Parameters
    ----------
    matches : DataFrame of `dafeng.metering.matching.MATCH_SCHEMA`
        Exact ones are left out.
    """
    blank = {name: pl.lit("") for name in ("answer", "other", "by", "reason")}
    reasons = pl.col("reasons")
    return (
        matches.filter(~pl.col("exact"))
        .with_columns(reasons=reasons)
        .select(*(name for name in REVIEW_HEADS if name not in blank and name != "reason"), **blank)
    )


def read_review(
    rows: pl.DataFrame, *, decided_on: date, known: Iterable[str]
) -> tuple[list[AccountLink], list[Finding]]:
    """Return the decisions of a filled review sheet, and what could not be read.

    Parameters
    ----------
    rows : DataFrame
        Columns under keys or heads of `REVIEW_HEADS`, as text; `row` with the row of the sheet where there is one.
    decided_on : date
    known : iterable of str
        Building codes that exist.

    Returns
    -------
    links : list of AccountLink
        Accepted and rejected pairs; several accepted rows of one account without shares share equally.
    findings : list of Finding
        `meter.match.answer`, `.person`, `.building`, `.share`: the rows concerned give no decision. Rows without an answer
        are open and no fault.

    Examples
    --------
    >>> sheet = pl.DataFrame({"account": ["1", "2"], "building": ["a", "b"], "answer": ["接受", "其他"], "other": ["", "a=0.6;c=0.4"],
    ...                       "by": ["张三", "张三"]})
    >>> links, findings = read_review(sheet, decided_on=date(2026, 11, 20), known=["a", "b", "c"])
    >>> [(link.account, link.building, link.accepted, link.share) for link in links], findings
    ([('1', 'a', True, 1.0), ('2', 'b', False, 1.0), ('2', 'a', True, 0.6), ('2', 'c', True, 0.4)], [])
    """
    rows = rows.rename({head: key for key, head in REVIEW_HEADS.items() if head in rows.columns})
    blank = [pl.lit("").alias(name) for name in REVIEW_HEADS if name not in rows.columns]
    rows = rows.with_columns(blank).with_columns(
        pl.col(name).cast(pl.String).fill_null("").str.strip_chars() for name in REVIEW_HEADS
    )
    codes = set(known)
    links: list[AccountLink] = []
    findings: list[Finding] = []
    for number, row in enumerate(rows.filter(pl.col("answer") != "").iter_rows(named=True), start=2):
        read, fault = _answer(row, codes, decided_on)
        links += read
        if fault is not None:
            name, sentence, value = fault
            findings.append(
                Finding(name=f"meter.match.{name}", sentence=f"户号 {row['account']}：{sentence}", severity=Severity.ERROR,
                        value=value, next_step="改正该行后重新导入；其余行已读取", where=Location(cell=f"A{row.get('row') or number}"))
            )  # fmt: skip
    return _equal_shares(links, findings), findings


def _answer(
    row: dict[str, Any], codes: set[str], decided_on: date
) -> tuple[list[AccountLink], tuple[str, str, str] | None]:
    answer = _ANSWERS.get(row["answer"].casefold())
    if answer is None:
        return [], ("answer", f"结论 {row['answer']} 不认识，应为接受、不是或其他", row["answer"])
    if not row["by"]:
        return [], ("person", "没有核对人，结论不作数", "")
    common = {
        "account": row["account"],
        "carrier": row["carrier"],
        "by": row["by"],
        "decided_on": decided_on,
        "reason": row["reason"],
    }
    own = [AccountLink(building=row["building"], accepted=answer == "accept", **common)] if row["building"] else []
    if answer == "accept":
        if row["building"] not in codes:
            return [], ("building", f"建筑代码 {row['building'] or '空'} 不在建筑台账中", row["building"])
        return own, None
    if answer == "reject":
        return own, None
    told = [part.strip() for part in re.split(r"[;；,，、]", row["other"]) if part.strip()]
    found: list[tuple[str, float | None]] = []
    for part in told:
        code, _, share = part.replace("＝", "=").partition("=")
        if code.strip() not in codes:
            return [], ("building", f"建筑代码 {code.strip()} 不在建筑台账中", part)
        try:
            number = float(share.rstrip("%")) / (100 if share.endswith("%") else 1) if share else None
        except ValueError:
            return [], ("share", f"份额 {share} 不是数", part)
        if number is not None and not 0 < number <= 1:
            return [], ("share", f"份额 {share} 不在0至1之间", part)
        found.append((code.strip(), number))
    if not found:
        return [], ("building", "结论为其他而没有填建筑代码", "")
    given = [share for _, share in found if share is not None]
    if sum(given) > 1 + 1e-9 or (given and len(given) < len(found)):
        return [], ("share", f"份额合计 {sum(given):g}，应不超过1，且每个代码都有份额", row["other"])
    linked = [
        AccountLink(building=code, share=share if share is not None else 1 / len(found), **common)
        for code, share in found
    ]
    named = {code for code, _ in found}
    return [link for link in own if link.building not in named] + linked, None


def _equal_shares(links: list[AccountLink], findings: list[Finding]) -> list[AccountLink]:
    """Return links in which several accepted rows of one account share it equally; shares above one are a fault."""
    whole: dict[tuple[str, str], list[AccountLink]] = {}
    for link in links:
        if link.accepted:
            whole.setdefault((link.account, link.carrier), []).append(link)
    again = {key: own for key, own in whole.items() if sum(link.share for link in own) > 1 + 1e-9}
    refused = set()
    for key, own in again.items():
        if any(link.share != 1.0 for link in own) or len({link.building for link in own}) < len(own):
            refused.add(key)
            findings.append(
                Finding(name="meter.match.share", sentence=f"户号 {key[0]}：各行份额合计超过1", severity=Severity.ERROR,
                        value=f"{sum(link.share for link in own):g}", next_step="用“其他”一行写明各建筑的份额")
            )  # fmt: skip
    result = []
    for link in links:
        key = (link.account, link.carrier)
        if link.accepted and key in refused:
            continue
        alone = not link.accepted or key not in again
        result.append(link if alone else link.model_copy(update={"share": 1 / len(again[key])}))
    return result


def attribute_accounts(use: pl.DataFrame, links: Iterable[AccountLink]) -> pl.DataFrame:
    """Return the energy of accounts by building, what no decision gives to one as a row without a building.

    Parameters
    ----------
    use : DataFrame
        `account`, `carrier`, `start` (date) and `amount`; further columns are kept.
    links : iterable of AccountLink
        A link counts for rows whose `start` lies in its validity.

    Returns
    -------
    DataFrame
        The columns of `use` with `building` (null: unattributed) and `share`; the sum of `amount` by account is that of `use`.

    Raises
    ------
    ValueError
        Links give away more than the whole of an account on one day.

    Examples
    --------
    >>> use = pl.DataFrame({"account": ["1", "2"], "carrier": "heat", "start": date(2024, 1, 1), "amount": [100.0, 50.0]})
    >>> link = AccountLink(account="1", building="a", share=0.6, by="张三", decided_on=date(2026, 11, 20))
    >>> attribute_accounts(use, [link]).select("account", "building", "amount").rows()
    [('1', None, 40.0), ('1', 'a', 60.0), ('2', None, 50.0)]
    """
    accepted = [link for link in links if link.accepted]
    schema = {"account": pl.String(), "of": pl.String(), "building": pl.String(), "share": pl.Float64(),
              "valid_from": pl.Date(), "valid_to": pl.Date()}  # fmt: skip
    rows = [(one.account, one.carrier, one.building, one.share, one.valid_from, one.valid_to) for one in accepted]
    table = pl.DataFrame(rows, schema=schema, orient="row")
    numbered = use.with_row_index("_row")
    given = numbered.join(table, on="account").filter(
        ((pl.col("of") == "") | (pl.col("of") == pl.col("carrier")))
        & (pl.col("valid_from").is_null() | (pl.col("start") >= pl.col("valid_from")))
        & (pl.col("valid_to").is_null() | (pl.col("start") < pl.col("valid_to")))
    )
    sums = given.group_by("_row").agg(taken=pl.col("share").sum())
    if sums.filter(pl.col("taken") > 1 + 1e-9).height:
        first = numbered.join(sums.filter(pl.col("taken") > 1 + 1e-9), on="_row").sort("_row").row(0, named=True)
        raise ValueError(
            f"account {first['account']} is given away {first['taken']:g} times on {first['start']}; expected at most once"
        )
    rest = numbered.join(sums, on="_row", how="left").with_columns(share=1 - pl.col("taken").fill_null(0.0))
    rest = rest.filter(pl.col("share") > 1e-9).with_columns(building=pl.lit(None, pl.String))
    columns = [*use.columns, "building", "share"]
    both = pl.concat([part.select("_row", *columns) for part in (rest, given)])
    return (
        both.with_columns(amount=pl.col("amount") * pl.col("share"))
        .sort("_row", "building", nulls_last=False)
        .select(columns)
    )
