"""Lists of organisations and people in and out."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from dafeng.web.access.actions import Role
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.models import AuditEntry
from dafeng.web.audit.services import Actor
from dafeng.web.people.exchange import HEADERS, MOST_ROWS, export_list, rows_of_file, take_over
from dafeng.web.people.models import Grant, Organisation, User
from dafeng.web.people.selectors import reach_of
from web.world import World

pytestmark = pytest.mark.embedded

ORGANISATIONS = [
    ["gas", "示范燃气公司", "服务机构", "示范市", "", "demo-city-gas"],
    ["dw-school", "东湾一小", "业主单位", "demo-city-dongwan", "dongwan-housing", ""],
]
PEOPLE = [
    ["li", "李四", "dongwan-housing", "li@example.org", "0000-1", "填报员"],
    ["wang", "王五", "city-housing", "", "", ""],
]


def book(kind: str, rows: list[list[Any]]) -> SimpleUploadedFile:
    work = openpyxl.Workbook()
    sheet = work.active
    assert sheet is not None
    for row in [HEADERS[kind], *rows]:
        sheet.append(list(row))
    stream = io.BytesIO()
    work.save(stream)
    return SimpleUploadedFile("list.xlsx", stream.getvalue())


def text(kind: str, rows: list[list[str]], encoding: str = "utf-8") -> SimpleUploadedFile:
    lines = "\r\n".join(",".join(row) for row in [HEADERS[kind], *rows])
    return SimpleUploadedFile("list.csv", lines.encode(encoding))


def take(world: World, kind: str, rows: list[list[str]], scope: str = "above", *, dry_run: bool = False) -> Any:
    admin = world.user(Role.ADMINISTRATOR, scope)
    world.organisation("own")
    return take_over(kind, rows, by=Actor(admin, admin.name), reach=reach_of(admin), dry_run=dry_run)


def test_a_list_is_shown_first_and_taken_over_when_confirmed(world: World) -> None:
    world.organisation("own")
    client = world.of(Role.ADMINISTRATOR, "above")
    before = AuditEntry.objects.count()
    page = client.post("/people/exchange/?kind=organisations", {"file": book("organisations", ORGANISATIONS)}).text
    assert "新增 2，更新 0，不变 0，不能导入 0" in page
    assert not Organisation.objects.filter(code="gas").exists()
    assert AuditEntry.objects.count() == before
    assert client.post("/people/exchange/apply/").status_code == 302
    school = Organisation.objects.get(code="dw-school")
    assert (school.place, school.kind, school.parent) == ("demo-city-dongwan", "owner", world.organisation("own"))
    assert Organisation.objects.get(code="gas").place == "demo-city"
    assert AuditEntry.objects.filter(action="people.organisation-made").count() == 2
    page = client.post(
        "/people/exchange/?kind=organisations", {"file": text("organisations", ORGANISATIONS, "gb18030")}
    ).text
    assert "新增 0，更新 0，不变 2，不能导入 0" in page
    assert (
        "没有待导入的清单"
        in (client.post("/people/exchange/apply/"), client.post("/people/exchange/apply/", follow=True))[1].text
    )


def test_one_wrong_row_and_nothing_is_taken_over(world: World) -> None:
    world.user(Role.ADMINISTRATOR, "above")
    wrong = [
        ["", "没有编号", "服务机构", "示范市", "", ""],
        ["a b", "编号有空格", "服务机构", "示范市", "", ""],
        ["k", "类别不对", "公司", "示范市", "", ""],
        ["p", "地方不对", "服务机构", "亚特兰蒂斯", "", ""],
        ["u", "上级不对", "服务机构", "示范市", "no-such", ""],
        ["b", "责任单位不对", "服务机构", "示范市", "", "no-such"],
        ["o", "范围之外", "服务机构", "demo-province", "", ""],
        ["n", "示范市住建局", "住建部门", "示范市", "", ""],
        ["gas", "与第2行重复", "服务机构", "示范市", "", ""],
    ]
    taken = take(world, "organisations", [*ORGANISATIONS, *wrong])
    assert not taken.done
    assert [row.fate for row in taken.rows] == ["new", "new", *["wrong"] * len(wrong)]
    said = [row.says for row in taken.rows[2:]]
    for expected, line in zip(
        (
            "必填",
            "连字符",
            "“公司”不在",
            "亚特兰蒂斯",
            "no-such",
            "no-such",
            "管理范围",
            "已被其他单位使用",
            "与第 2 行重复",
        ),
        said,
        strict=True,
    ):
        assert expected in line, (expected, line)
    assert not Organisation.objects.filter(code__in=["gas", "dw-school"]).exists()
    assert AuditEntry.objects.count() == 0


def test_people_come_in_with_their_role(world: World) -> None:
    taken = take(world, "people", PEOPLE)
    assert taken.done
    assert taken.count("new") == 2
    li = User.objects.get(username="li")
    assert (li.name, li.email, li.has_usable_password()) == ("李四", "li@example.org", False)
    assert Grant.objects.get(user=li).place == "demo-city-dongwan"
    assert not Grant.objects.filter(user__username="wang").exists()
    assert [row.fate for row in take(world, "people", PEOPLE).rows] == ["same", "same"]
    changed = take(world, "people", [[*PEOPLE[0][:4], "0000-2", "审核员"], PEOPLE[1]])
    assert changed.done
    assert [row.fate for row in changed.rows] == ["update", "same"]
    assert set(Grant.objects.filter(user=li).values_list("role", flat=True)) == {"reporter", "reviewer"}


def test_a_list_of_people_obeys_the_rules_of_grants(world: World) -> None:
    admin = world.user(Role.ADMINISTRATOR, "own")
    city = world.user(Role.REVIEWER, "above")
    rows = [
        [admin.username, admin.name, "dongwan-housing", "", "", "审核员"],
        [city.username, "改名", "city-housing", "", "", ""],
        ["new", "新人", "city-housing", "", "", ""],
        ["mail", "邮箱不对", "dongwan-housing", "nonsense", "", ""],
        ["role", "角色不对", "dongwan-housing", "", "", "局长"],
    ]
    taken = take(world, "people", rows, "own")
    assert [row.fate for row in taken.rows] == ["wrong"] * 5
    for expected, row in zip(("不能给自己授权", "管理范围", "管理范围", "邮箱", "“局长”不在"), taken.rows, strict=True):
        assert expected in row.says, row
    city.refresh_from_db()
    assert city.name != "改名"
    assert not User.objects.filter(username="new").exists()


def test_an_export_reads_back_and_holds_no_formula(world: World) -> None:
    admin = world.user(Role.ADMINISTRATOR, "above")
    names = ["=1+1", "+86 单位", "-减号", "@单位", "平常单位"]
    for number, name in enumerate(names):
        Organisation.objects.create(code=f"x{number}", name=name, kind="owner", place="demo-city")
    data = export_list("organisations", ".xlsx", reach=reach_of(admin))
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    assert sheet is not None
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value is not None} == {"s"}
    assert {"=1+1", "@单位"} <= {cell.value for cell in sheet["B"]}
    plain = export_list("organisations", ".csv", reach=reach_of(admin))
    for line in plain.decode("utf-8-sig").splitlines():
        assert not any(cell.strip('"')[:1] in ("=", "+", "-", "@") for cell in line.split(","))
    for ending, content in ((".xlsx", data), (".csv", plain)):
        rows = rows_of_file(SimpleUploadedFile(f"list{ending}", content), "organisations")
        assert {row[1] for row in rows} >= set(names)
        assert {row.fate for row in take(world, "organisations", rows, dry_run=True).rows} == {"same"}
    answer = world.client(admin).get("/people/download/", {"kind": "people", "as": "csv"})
    assert answer.headers["Content-Disposition"] == 'attachment; filename="people.csv"'
    assert world.client(admin).get("/people/download/", {"kind": "secrets"}).status_code == 404
    assert world.client(admin).get("/people/download/", {"as": "exe"}).status_code == 404


def test_an_export_holds_only_what_is_in_reach(world: World) -> None:
    world.user(Role.REPORTER, "foreign"), world.user(Role.REPORTER, "own")
    admin = world.user(Role.ADMINISTRATOR, "own")
    people = export_list("people", ".csv", reach=reach_of(admin)).decode("utf-8-sig")
    assert "dongwan-housing-reporter" in people
    assert "xipo" not in people


def bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", b" " * (400 << 20))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("list.csv", "甲,乙\n1,2\n".encode()),
        ("list.xlsx", b"PK\x03\x04 not a book"),
        ("list.xlsx", b"<svg onload='alert(1)'/>"),
        ("../../etc/passwd", b"root:x:0:0\n"),
        ("bomb.xlsx", "bomb"),
        ("long.csv", (",".join(HEADERS["people"]) + "\n" + "a,b,c,,,\n" * (MOST_ROWS + 1)).encode()),
        ("large.csv", b"x" * (6 << 20)),
    ],
)
def test_a_file_that_is_no_list_is_refused_in_words(world: World, name: str, content: Any) -> None:
    data = bomb() if content == "bomb" else content
    with pytest.raises(RefusedError) as error:
        rows_of_file(SimpleUploadedFile(name, data), "people")
    assert error.value.code.startswith("exchange.")
    page = world.of(Role.ADMINISTRATOR).post("/people/exchange/?kind=people", {"file": SimpleUploadedFile(name, data)})
    assert page.status_code == 200
    assert "errorlist" in page.text
