"""What somebody of ill will may send, to pages and to the interface: refused, kept harmless, never a fault of the server."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.utils import timezone

from dafeng.web.access.actions import Role
from dafeng.web.audit.models import AuditEntry
from dafeng.web.audit.selectors import export_rows
from dafeng.web.audit.services import SYSTEM, record
from dafeng.web.people.models import ApiToken, User
from dafeng.web.people.tokens import FOR_TOKENS
from dafeng.web.plans.evidence import safe_name
from dafeng.workflow.facts import read_facts
from web.factories_plans import make_task
from web.factories_returns import make_assignment, reporter
from web.world import World

pytestmark = pytest.mark.embedded

SVG: Final = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
PDF: Final = b"%PDF-1.4\n%%EOF\n"


def token(user: User) -> dict[str, str]:
    """Return the header of a token with every action that one may have."""
    secret, digest = ApiToken.new_secret()
    ApiToken.objects.create(
        user=user,
        name="t",
        digest=digest,
        shown=secret[:8],
        actions=sorted(FOR_TOKENS),
        expires_at=timezone.now() + timedelta(days=1),
    )
    return {"HTTP_AUTHORIZATION": f"Bearer {secret}"}


def archive(parts: dict[str, bytes]) -> bytes:
    """Return a ZIP file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in parts.items():
            book.writestr(name, content)
    return stream.getvalue()


def bomb() -> bytes:
    """Return a workbook whose sheet would take 120 MB."""
    return archive(
        {
            "[Content_Types].xml": b"<Types/>",
            "xl/workbook.xml": b"<workbook/>",
            "xl/worksheets/sheet1.xml": b"0" * (120 << 20),
        }
    )


def entity(part: str, other: dict[str, bytes]) -> bytes:
    """Return an office file that asks for a file of the server."""
    xml = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    return archive({"[Content_Types].xml": b"<Types/>", part: xml} | other)


HOSTILE: Final[dict[str, Callable[[], tuple[str, bytes]]]] = {
    "zip bomb": lambda: ("a.xlsx", bomb()),
    "entities in a workbook": lambda: ("a.xlsx", entity("xl/workbook.xml", {})),
    "entities in a document": lambda: ("a.docx", entity("word/document.xml", {})),
    "page as a workbook": lambda: ("a.xlsx", b"<html><script>alert(1)</script></html>"),
    "program": lambda: ("a.exe", b"MZ\x90\x00"),
    "picture with a script": lambda: ("a.svg", SVG),
    "page": lambda: ("a.html", b"<script>alert(1)</script>"),
    "page that begins as text": lambda: ("a.txt", b"x\n<script>alert(1)</script>"),
    "binary as text": lambda: ("a.csv", b"a,b\x00\n"),
    "nothing": lambda: ("a.pdf", b""),
    "macros": lambda: ("a.xlsx", archive({"xl/workbook.xml": b"<w/>", "xl/vbaProject.bin": b"x"})),
    "cut off": lambda: ("a.xlsx", archive({"xl/workbook.xml": b"<w/>"})[:-20]),
}


@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_hostile_files_are_refused_everywhere(writing_world: World, writing_house: Any, what: str) -> None:
    name, content = HOSTILE[what]()
    world = writing_world
    task, form = make_task(world, "own"), make_assignment(world, "own")
    kept = set((writing_house.root / "documents").iterdir())
    headers = token(reporter(world))
    loader = token(world.user(Role.PLAN_OWNER, "own"))
    ways = [
        (f"/api/v1/tasks/{task.pk}/evidence", headers, {}, (415, 422)),
        (f"/api/v1/returns/{form.pk}/evidence", headers, {}, (415, 422)),
        (f"/api/v1/returns/{form.pk}/workbook", headers, {}, (409, 415, 422)),
        ("/api/v1/facts/import", loader, {}, (409, 415, 422)),
    ]
    for path, who, fields, expected in ways:
        answer = Client().post(path, {"file": SimpleUploadedFile(name, content), **fields}, **who)
        body = b"".join(answer)
        assert b"root:" not in body
        if answer.status_code == 200:  # a table may be text or a page: then every cell has its fate, and none is taken
            assert path.endswith("import"), path
            assert json.loads(body)["outcome"]["accepted"] == 0
        else:
            assert answer.status_code in expected, (path, answer.status_code, body[:300])
            assert json.loads(body).keys() >= {"code", "problem"}
    page = world.client(reporter(world)).post(
        f"/returns/{form.pk}/evidence/", {"files": SimpleUploadedFile(name, content), "line": ""}
    )
    assert page.status_code < 500
    assert form.evidence.count() == 0
    assert set((writing_house.root / "documents").iterdir()) == kept


def test_a_polyglot_is_kept_but_never_runs(writing_world: World) -> None:
    """A PDF that is a page too is taken as the PDF that it says it is, and comes back as a download that nothing runs."""
    headers = token(reporter(writing_world))
    task = make_task(writing_world, "own")
    both = PDF + b"<html><script>alert(1)</script></html>"
    upload = SimpleUploadedFile("../../..\\\u202efdp.证明.pdf", both)
    made = Client().post(f"/api/v1/tasks/{task.pk}/evidence", {"file": upload}, **headers)
    assert made.status_code == 200, made.content.decode()
    assert made.json()["name"] == "fdp.证明.pdf"
    answer = Client().get(f"/api/v1/task-evidence/{made.json()['id']}/file", **headers)
    assert b"".join(answer) == both  # type: ignore[call-overload]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "text/html" not in answer.headers["Content-Type"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [("../../etc/passwd", "passwd"), ("..\\..\\a.pdf", "a.pdf"), ("a\x00.pdf", "a.pdf"), ("/", "file"), ("...", "file"),
     ("a\r\nSet-Cookie: x=1.pdf", "aSet-Cookie: x=1.pdf"), ("长" * 300 + ".pdf", "长" * 176 + ".pdf")],
)  # fmt: skip
def test_a_file_name_is_only_a_name(name: str, kept: str) -> None:
    assert safe_name(name) == kept


def test_a_body_that_is_too_large_is_refused_before_it_is_read(world: World) -> None:
    headers = token(world.user(Role.ANALYST, "above"))
    client = world.of(Role.REPORTER, "own")

    class Unread(io.BytesIO):
        def read(self, *_args: Any) -> bytes:
            raise AssertionError("read")

    for path, who, http in (("/api/v1/facts/import", headers, Client()), ("/returns/1/upload/", {}, client)):
        answer = http.generic(
            "POST",
            path,
            content_type="multipart/form-data; boundary=x",
            CONTENT_LENGTH=str(1 << 40),
            **{"wsgi.input": Unread(), **who},
        )
        assert answer.status_code == 413, path
    large = Client().generic(
        "POST",
        "/api/v1/readings",
        content_type="application/json",
        CONTENT_LENGTH=str(9 << 20),
        **{"wsgi.input": Unread(), **headers},
    )
    assert (large.status_code, large.json()["code"]) == (413, "too-large")


BAD_JSON: Final = {
    "nested": b"[" * 100_000,
    "nested and closed": b'{"batch":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "no number": b'{"state": "in_progress", "text": "x", "percent": NaN}',
    "a key twice": b'{"state": "in_progress", "text": "x", "text": "y"}',
    "NUL": b'{"state": "in_progress", "text": "a\\u0000b"}',
    "half a character": b'{"state": "in_progress", "text": "a\\ud800b"}',
    "another encoding": '{"state": "in_progress", "text": "进展"}'.encode("gbk"),
    "a huge number": b'{"state": "in_progress", "text": "x", "percent": ' + b"9" * 5_000 + b"}",
    "not JSON": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("what", sorted(BAD_JSON))
def test_hostile_json_is_refused(world: World, what: str) -> None:
    headers = token(reporter(world))
    task = make_task(world, "own")
    for path in (f"/api/v1/tasks/{task.pk}/notes", "/api/v1/readings"):
        answer = Client().post(path, BAD_JSON[what], content_type="application/json", **headers)
        assert answer.status_code in (400, 413, 422), (path, answer.content[:200])
        assert set(answer.json()) >= {"code", "problem", "where"}
    assert task.notes.count() == 0


def test_the_type_of_a_body_is_checked(world: World) -> None:
    headers = token(reporter(world))
    path = f"/api/v1/tasks/{make_task(world, 'own').pk}/notes"
    said = json.dumps({"state": "in_progress", "text": "x"})
    assert Client().post(path, said, content_type="text/plain", **headers).status_code == 415
    assert Client().post(path, said, content_type="application/xml", **headers).status_code == 415
    assert Client().post("/api/v1/facts/import", said, content_type="application/json", **token(
        world.user(Role.ANALYST, "above"))).status_code == 415  # fmt: skip
    broken = Client().post(
        "/api/v1/facts/import", b"xx", content_type="multipart/form-data", **token(world.user(Role.ANALYST, "own"))
    )
    assert broken.status_code == 400


def test_nul_in_a_form_a_query_or_a_path_is_refused(world: World) -> None:
    client, headers = world.of(Role.PLAN_OWNER, "above"), token(world.user(Role.PLAN_OWNER, "above"))
    assert client.get("/plans/?q=a%00b").status_code == 400
    task = make_task(world, "own")
    assert client.post(f"/plans/tasks/{task.pk}/report/", {"note-text": "a\x00b"}).status_code == 400
    assert Client().get("/api/v1/tasks?plan=a%00b", **headers).status_code == 400
    assert Client().get("/api/v1/plans/a%00b", **headers).status_code == 400
    assert Client().get("/api/v1/tasks?limit=1&limit=2", **headers).status_code == 400
    assert Client().get("/api/v1/tasks/" + "9" * 400, **headers).status_code == 422


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_cell_of_the_exported_log_is_a_formula(db: None, start: str) -> None:
    with transaction.atomic():
        record("test.done", ("test", "1"), by=SYSTEM, reason=f"{start}cmd|' /C calc'!A0")
    rows = list(export_rows(AuditEntry.objects.all()))
    assert rows[1][rows[0].index("reason")].startswith(f"'{start}")


UNICODE_ROWS: Final = {
    "signs that turn the direction": "东湾区\u202e,2024,38.5",
    "full-width digits": "东湾区,２０２４,３８．５",
    "no-width signs": "东\u200b湾区,2024,38.5",
    "a formula": "=HYPERLINK(1),2024,38.5",
    "half a character": "东湾区,2024,3\ufffd8.5",
}


@pytest.mark.parametrize("what", sorted(UNICODE_ROWS))
def test_tricks_in_a_table_end_in_a_fate(writing_world: World, writing_house: Any, what: str) -> None:
    headers = token(writing_world.user(Role.ANALYST, "above"))
    text = f"地区,年份,建成区绿地率（%）\n{UNICODE_ROWS[what]}\n"
    before = read_facts(writing_house.setting(), indicators=["green_space_rate"]).height
    upload = SimpleUploadedFile("../=a.csv", text.encode())
    answer = Client().post(
        "/api/v1/facts/import", {"file": upload, "dataset": "district-panel", "dry_run": "true"}, **headers
    )
    body = b"".join(answer) if answer.streaming else answer.content  # type: ignore[call-overload]
    assert answer.status_code in (200, 422), body
    said = json.loads(body)
    if answer.status_code == 200:
        assert said["fates"], "every row has a fate"
        for fate in said["fates"]:
            assert fate["fate"] in ("accepted", "accepted_with_finding", "refused", "set_aside")
    assert read_facts(writing_house.setting(), indicators=["green_space_rate"]).height == before
