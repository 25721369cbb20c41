"""Accounts and the buildings they supply: proposals with reasons, decisions by persons or exact code, shares that add up."""

from datetime import date

import polars as pl
import pytest

from dafeng.catalog import load_catalog
from dafeng.metering.account_links import (
    REVIEW_HEADS,
    AccountLink,
    attribute_accounts,
    exact_links,
    read_review,
    review_rows,
)
from dafeng.metering.matching import match_accounts

DAY = date(2026, 11, 20)
BUILDINGS = pl.DataFrame(
    [
        ("370202A001", "海天大厦", "市南区香港西路48号", "qingdao-shinan", "海天投资有限公司"),
        ("370202A002", "汇泉王朝大酒店", "南海路9号", "qingdao-shinan", None),
        ("370203A001", "海天大厦", "辽宁路12号", "qingdao-shibei", None),
        ("370202A003", "府新大厦", "闽江路5号", "qingdao-shinan", None),
        ("370202A004", "府新大厦二期", "闽江路7号", "qingdao-shinan", None),
    ],
    schema=["building_code", "building_name", "address", "place", "owner"],
    orient="row",
)


def accounts(*rows: tuple[str, str | None, str | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        list(rows),
        schema={"account": pl.String, "name": pl.String, "address": pl.String, "place": pl.String},
        orient="row",
    )


@pytest.mark.parametrize(
    ("row", "building", "reason"),
    [
        (("1", "青岛海天大厦物业管理有限公司", "青岛市市南区香港西路48号", "qingdao-shinan"), "370202A001", "地址相同"),
        (("1", "海天大厦", None, "qingdao-shibei"), "370203A001", "名称相似 100%"),
        (("1", "张三", "山东省青岛市市南区南海路9号1号楼301户", "qingdao-shinan"), "370202A002", "地址相同"),
        (("1", "海天投资有限公司", None, "qingdao-shinan"), "370202A001", "户名即业主"),
        (("1", "府新大厦（二期）", "闽江路７号", None), "370202A004", "名称相似 100%"),
    ],
)
def test_the_first_proposal_is_the_building(
    row: tuple[str, str, str | None, str | None], building: str, reason: str
) -> None:
    found = match_accounts(accounts(row), BUILDINGS, places=load_catalog().places).row(0, named=True)
    assert (found["building"], found["rank"], found["exact"]) == (building, 1, False)
    assert reason in found["reasons"]
    assert 0.55 <= found["score"] <= 1


def test_a_district_as_written_counts_like_its_id() -> None:
    found = match_accounts(accounts(("1", "海天大厦", None, "市北区")), BUILDINGS, places=load_catalog().places)
    assert found["building"].to_list() == ["370203A001"]
    unknown = match_accounts(accounts(("1", "海天大厦", None, "某新区")), BUILDINGS, places=load_catalog().places)
    assert set(unknown["building"]) == {"370202A001", "370203A001"}


def test_another_house_number_weighs_against() -> None:
    found = match_accounts(accounts(("1", "府新大厦", "闽江路7号", None)), BUILDINGS).filter(
        pl.col("building") == "370202A003"
    )
    assert found["score"].item() < 0.8
    assert "门牌号不同" in found["reasons"].item()


def test_what_resembles_nothing_is_there_without_a_building() -> None:
    found = match_accounts(accounts(("1", "李四", None, None), ("2", None, None, None)), BUILDINGS)
    assert found["building"].to_list() == [None, None]
    assert found["reasons"].to_list() == ["没有相似的建筑"] * 2


def test_an_exact_code_is_the_only_match_that_settles_itself() -> None:
    frame = accounts(("1", "某公司", None, None), ("2", "汇泉王朝大酒店", "南海路9号", None)).with_columns(
        building_code=pl.Series(["370202A003", None]), carrier=pl.lit("heat")
    )
    found = match_accounts(frame, BUILDINGS)
    (link,) = exact_links(found, decided_on=DAY)
    assert (link.account, link.carrier, link.building, link.by) == ("1", "heat", "370202A003", "exact-code")
    assert review_rows(found)["account"].to_list() == ["2"]
    assert list(review_rows(found).columns) == list(REVIEW_HEADS)


def test_what_was_decided_is_not_proposed_again() -> None:
    frame = accounts(("1", "海天大厦", "香港西路48号", None), ("2", "府新大厦", "闽江路5号", None))
    decided = [
        AccountLink(account="1", building="370202A001", by="张三", decided_on=DAY),
        AccountLink(account="2", building="370202A003", accepted=False, by="张三", decided_on=DAY),
    ]
    found = match_accounts(frame, BUILDINGS, decided=decided)
    assert found["account"].unique().to_list() == ["2"]
    assert "370202A003" not in found["building"].to_list()


def test_the_order_of_accounts_and_buildings_changes_no_match() -> None:
    frame = accounts(
        ("1", "海天大厦", "香港西路48号", None),
        ("2", "府新大厦", "闽江路5号", None),
        ("3", "王朝酒店", "南海路9号", None),
    )
    columns = ["account", "building", "score", "reasons"]
    one = match_accounts(frame, BUILDINGS).select(columns).sort(columns)
    other = match_accounts(frame.reverse(), BUILDINGS.reverse()).select(columns).sort(columns)
    assert one.equals(other)


def sheet(*rows: dict[str, str]) -> pl.DataFrame:
    heads = {key: REVIEW_HEADS[key] for key in ("account", "building", "answer", "other", "by")}
    return pl.DataFrame([{head: row.get(key, "") for key, head in heads.items()} for row in rows])


def test_a_filled_sheet_becomes_decisions() -> None:
    known = BUILDINGS["building_code"]
    links, findings = read_review(
        sheet(
            {"account": "1", "building": "370202A001", "answer": "接受", "by": "张三"},
            {"account": "2", "building": "370202A003", "answer": "接受", "by": "张三"},
            {"account": "2", "building": "370202A004", "answer": "是", "by": "张三"},
            {"account": "3", "building": "370202A002", "answer": "不是", "by": "张三"},
            {
                "account": "4",
                "building": "370202A002",
                "answer": "其他",
                "other": "370202A003＝60%；370202A004=40%",
                "by": "张三",
            },
            {"account": "5", "building": "370202A002"},
        ),
        decided_on=DAY,
        known=known,
    )
    assert findings == []
    told = [(link.account, link.building, link.accepted, link.share) for link in links]
    assert told == [
        ("1", "370202A001", True, 1.0), ("2", "370202A003", True, 0.5), ("2", "370202A004", True, 0.5), ("3", "370202A002", False, 1.0),
        ("4", "370202A002", False, 1.0), ("4", "370202A003", True, 0.6), ("4", "370202A004", True, 0.4),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"answer": "也许"}, "answer"),
        ({"answer": "接受", "by": ""}, "person"),
        ({"answer": "接受", "building": "999"}, "building"),
        ({"answer": "其他"}, "building"),
        ({"answer": "其他", "other": "370202A003=多半"}, "share"),
        ({"answer": "其他", "other": "370202A003=0.7;370202A004=0.7"}, "share"),
        ({"answer": "其他", "other": "370202A003=0.7;370202A004"}, "share"),
        ({"answer": "其他", "other": "370202A003=1.5"}, "share"),
    ],
)
def test_an_answer_that_cannot_be_read_decides_nothing(row: dict[str, str], name: str) -> None:
    full = {"account": "1", "building": "370202A001", "by": "张三", **row}
    links, (finding,) = read_review(sheet(full), decided_on=DAY, known=BUILDINGS["building_code"])
    assert (links, finding.name) == ([], f"meter.match.{name}")
    assert finding.next_step
    assert finding.where.cell == "A2"


def test_shares_of_several_rows_above_one_are_a_fault() -> None:
    links, (finding,) = read_review(
        sheet(
            {"account": "1", "building": "370202A001", "answer": "接受", "by": "张三"},
            {"account": "1", "building": "370202A002", "answer": "其他", "other": "370202A003=0.5", "by": "张三"},
        ),
        decided_on=DAY,
        known=BUILDINGS["building_code"],
    )
    assert finding.name == "meter.match.share"
    assert [link.accepted for link in links] == [False]


def test_energy_follows_shares_in_their_time_and_the_rest_stays_unattributed() -> None:
    use = pl.DataFrame(
        {"account": "1", "carrier": "heat", "start": [date(2024, 1, 1), date(2025, 1, 1)], "amount": [100.0, 100.0]}
    )
    links = [
        AccountLink(account="1", building="a", share=0.7, by="张三", decided_on=DAY, valid_to=date(2025, 1, 1)),
        AccountLink(
            account="1", carrier="heat", building="b", share=1.0, by="张三", decided_on=DAY, valid_from=date(2025, 1, 1)
        ),
        AccountLink(account="1", carrier="electricity", building="c", by="张三", decided_on=DAY),
    ]
    found = attribute_accounts(use, links)
    assert found.select("building", "amount").rows() == [
        (None, pytest.approx(30)),
        ("a", pytest.approx(70)),
        ("b", 100.0),
    ]
    twice = AccountLink(account="1", building="d", share=0.5, by="张三", decided_on=DAY)
    with pytest.raises(ValueError, match="account 1 is given away"):
        attribute_accounts(use, [*links, twice])


def test_a_link_ends_after_it_begins() -> None:
    with pytest.raises(ValueError, match="ends after"):
        AccountLink(account="1", building="a", by="x", decided_on=DAY, valid_from=DAY, valid_to=DAY)


def test_a_city_is_compared_in_seconds() -> None:
    count = 2000
    buildings = pl.DataFrame({"building": [f"b{number}" for number in range(count)]}).with_columns(
        building_name=pl.concat_str(
            pl.lit("海天"),
            pl.Series([chr(0x4E00 + number * 7 % 5000) + chr(0x5000 + number) for number in range(count)]), pl.lit("大厦")),
        address=pl.Series([f"香港中路{number}号" for number in range(count)]),
    )  # fmt: skip
    many = pl.concat(
        [
            buildings.select(
                account=pl.format("{}-{}", "building", pl.lit(part)), name="building_name", address="address"
            )
            for part in range(10)
        ]
    )
    found = match_accounts(many, buildings).filter(pl.col("rank") == 1)
    assert found.height == 10 * count
    assert (found["account"].str.split("-").list.first() == found["building"]).all()
