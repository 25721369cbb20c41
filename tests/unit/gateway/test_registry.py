"""Gateways on board: one by one, by file, changed, suspended; no key is ever said."""

from pathlib import Path

import pytest
from openpyxl import Workbook

from dafeng.base.errors import InputError, UnknownNameError
from dafeng.gateway.database import DATABASE_FILE, open_database
from dafeng.gateway.profile import AccountState, Keys
from dafeng.gateway.registry import Registry, make_keys, new_account, read_onboarding
from gateway_clients import NOW, catalog

PROFILES = catalog().gateway_profiles
HEX = "000102030405060708090a0b0c0d0e0f"


def test_a_table_takes_what_is_right_and_names_what_is_not(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    path.write_text(
        "某市网关清单,,,,,\n建筑代码,网关编号,协议,密钥,向量,口令\n"
        f"370202A001,01,N,{HEX},,geheim1\n"
        "370202A002,01,,,,\n"
        f"370202A003,01,N,{HEX},,\n"
        "370202A004,01,N,1.02E+30,,geheim2\n"
        ",01,N,,,\n"
        "370202A005,1,N,,,\n"
        "370202A006,01,ZZ,,,\n"
        "370202A007,01,N,,,\n370202A007,01,N,,,\n",
        encoding="utf-8",
    )
    read = read_onboarding(path, PROFILES)
    assert [(one.account.building, one.made) for one in read.gateways] == [
        ("370202A001", False),
        ("370202A002", True),
        ("370202A005", True),
    ]
    first = read.gateways[0].account
    assert first.keys == Keys.parse(HEX, secret="geheim1")
    assert [(one.name.rpartition(".")[2], one.where.line) for one in read.findings] == [
        ("row-refused", 5),
        ("row-refused", 6),
        ("row-refused", 7),
        ("number-short", 8),
        ("row-refused", 9),
        ("row-twice", 11),
    ]
    assert not any(word in str(read) for word in (HEX, "geheim", "1.02E+30"))


def test_a_workbook_is_read_alike(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (
        ["building", "gateway", "key", "iv", "secret", "zone"],
        ["370202A001", "01", HEX, HEX[::-1], "s", "Asia/Urumqi"],
    ):
        sheet.append(row)
    book.save(tmp_path / "g.xlsx")
    [one] = read_onboarding(tmp_path / "g.xlsx", PROFILES, profile="N-ZJ").gateways
    assert (one.account.profile, one.account.zone) == ("N-ZJ", "Asia/Urumqi")
    assert one.account.keys == Keys.parse(HEX, HEX[::-1], secret="s")
    (tmp_path / "h.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="表头"):
        read_onboarding(tmp_path / "h.csv", PROFILES)


def test_accounts_change_by_name_and_count_their_changes(tmp_path: Path) -> None:
    connection = open_database(tmp_path / DATABASE_FILE)
    registry = Registry(connection)
    one = new_account("370202A001", "01", "N", PROFILES).account
    two = new_account("370202A001", "02", "N", PROFILES, characters=True).account
    assert registry.put_all([one, two, one], at=NOW) == ["added", "added", "unchanged"]
    assert registry.changes() == 2
    assert registry.accounts() == [one, two]
    assert registry.suspend("370202A001", "01", at=NOW).state is AccountState.SUSPENDED
    assert registry.resume("370202A001", "01", at=NOW) == one
    keys = make_keys()
    assert registry.change("370202A001", "02", at=NOW, keys=keys).keys == keys
    assert registry.get("370202A001", "02") == two.model_copy(update={"keys": keys})
    with pytest.raises(UnknownNameError, match="370202A001/03") as caught:
        registry.suspend("370202A001", "03", at=NOW)
    assert "370202A001/0" in caught.value.expected
    assert registry.changes() == 5
    connection.close()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"zone": "Mars/Base"}, UnknownNameError),
        ({"key": HEX}, InputError),
        ({"iv": HEX}, InputError),
        ({"key": HEX[:-1], "secret": "s"}, InputError),
        ({"profile": "n"}, UnknownNameError),
        ({"gateway": " "}, InputError),
    ],
)
def test_what_cannot_be_an_account_is_refused(given: dict[str, str], error: type[Exception]) -> None:
    values = {"building": "370202A001", "gateway": "01", "profile": "N"} | given
    with pytest.raises(error) as caught:
        new_account(profiles=PROFILES, **values)  # type: ignore[arg-type]
    assert HEX not in str(caught.value)
