"""Forms out, returned forms in, who is to be chased."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from dafeng.base.errors import UnknownNameError, UsageError
from dafeng.base.observation import ObservationKind
from dafeng.reports.fonts import FontReport
from dafeng.reports.form_book import FORM_SHEET
from dafeng.workflow.forms import Issued, chase_papers, issue_forms, issues_of, read_returns, where_returns_stand
from dafeng.workflow.setting import Setting
from form_builders import COLUMNS, GOOD, head_row
from statistics_builders import DUE, RECORDED, facts, publish, setting_at

ASKED = date(2026, 1, 10)
WATER = "青岛市水务管理局"


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return setting_at(tmp_path)


def issued(setting: Setting, folder: Path, **more: Any) -> Issued:
    """Ask the water bureau for the yearbook's water table."""
    options = {"period": "2025", "due": DUE, "asked_on": ASKED, "form": "yearbook_water", "bodies": ["qingdao-water"]}
    return issue_forms(setting, None, out=folder / "forms", **{**options, **more})


def filled(one: Issued, folder: Path, values: Mapping[str, Any], name: str = "back.xlsx") -> Path:
    """Return the first form of an issue as filled in and sent back."""
    issue = one.owed.issues[0]
    with zipfile.ZipFile(one.archives[issue.body]) as archive:
        archive.extract(archive.namelist()[0], folder)
        blank = folder / archive.namelist()[0]
    book = openpyxl.load_workbook(blank)
    sheet = book[FORM_SHEET]
    top = head_row(sheet)
    for number, line in enumerate(issue.lines, start=1):
        sheet.cell(top + number, COLUMNS["value"]).value = values.get(line.field)
    book.save(folder / name)
    return folder / name


def test_what_was_asked_is_kept_and_a_later_issue_of_the_same_form_counts(setting: Setting, tmp_path: Path) -> None:
    publish(setting, facts([("water_supply_volume", "qingdao", "2024", 5.1e8)], extent="city_proper"), "a")
    one = issued(setting, tmp_path)
    assert [path.suffix for path in one.archives.values()] == [".zip"]
    assert next(line.last_value for line in one.owed.issues[0].lines if line.field == "supply") == 51000.0
    again = issued(setting, tmp_path, asked_on=date(2026, 2, 1), due=date(2026, 4, 30))
    assert one.run != again.run
    assert [issue.due for issue in issues_of(setting)] == [date(2026, 4, 30)]
    assert [issue.due for issue in issues_of(setting, [one.run])] == [DUE]
    assert issued(setting, tmp_path).run == one.run
    with pytest.raises(UnknownNameError, match="no issue of forms"):
        issues_of(setting, ["forms-x"])


def test_a_period_may_be_written_in_chinese_and_a_body_by_its_name(setting: Setting, tmp_path: Path) -> None:
    one = issued(setting, tmp_path, period="2025年", bodies=[WATER])
    assert (one.owed.issues[0].period, one.owed.issues[0].body) == ("2025", "qingdao-water")


def test_a_plans_forms_go_to_the_bodies_chosen(setting: Setting, tmp_path: Path) -> None:
    one = issued(setting, tmp_path, form=None, bodies=["qingdao-natural-resources"])
    assert set(one.archives) == {"qingdao-natural-resources"}
    assert {issue.form for issue in one.owed.issues} == {"cycle-qingdao-2024"}


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"bodies": None}, UsageError, "发给谁"),
        ({"form": None, "due": None}, UsageError, "截止日"),
        ({"form": "yearbook_watr"}, UnknownNameError, "yearbook_watr"),
        ({"bodies": ["某某局"]}, UnknownNameError, "某某局"),
        ({"form": None, "bodies": ["jilin-housing"]}, UsageError, "nobody owes"),
    ],
)
def test_nothing_is_sent_where_it_is_not_clear_what_to_whom(
    setting: Setting, tmp_path: Path, wrong: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        issued(setting, tmp_path, **wrong)
    assert issues_of(setting) == ()
    assert not (tmp_path / "forms").exists()


def test_a_form_is_read_once_corrected_by_the_next_and_its_standing_told(setting: Setting, tmp_path: Path) -> None:
    one = issued(setting, tmp_path)
    before = where_returns_stand(setting, as_of=date(2026, 4, 10))
    assert before.forms.select("state", "days_overdue").rows() == [("not_returned", 10)]
    path = filled(one, tmp_path, {**GOOD, "pipes": "见附件"})
    first, again = read_returns(setting, [path, path], recorded_at=RECORDED)
    assert first.published is not None
    assert again.published is not None
    assert (first.published.appended, again.published.already) == (12, True)
    assert [finding.name for finding in first.read.findings if finding.severity == "error"] == [
        "form.value.not-a-number"
    ]
    stand = where_returns_stand(setting, as_of=date(2026, 4, 10))
    assert stand.forms.select("state", "answered", "refused").rows() == [("with_errors", 12, 1)]
    mended = filled(one, tmp_path, GOOD, "mended.xlsx")
    second = read_returns(setting, [mended], recorded_at=datetime(2026, 4, 2, tzinfo=UTC))[0]
    assert second.published is not None
    assert (second.published.appended, second.published.unchanged) == (1, 12)
    done = where_returns_stand(setting, as_of=date(2026, 4, 10))
    assert done.forms["state"].to_list() == ["complete"]
    assert done.chase.height == 0
    earlier = where_returns_stand(setting, as_of=date(2026, 4, 1))
    assert earlier.forms["state"].to_list() == ["with_errors"]


def test_a_dry_run_and_a_refused_form_leave_nothing(setting: Setting, tmp_path: Path) -> None:
    path = filled(issued(setting, tmp_path), tmp_path, GOOD)
    dry = read_returns(setting, [path], recorded_at=RECORDED, dry_run=True)[0]
    assert (dry.read.accepted, dry.read.frame.height, dry.published, dry.run) == (True, 13, None, None)
    refused = read_returns(setting, [path], recorded_at=RECORDED, body="qingdao-natural-resources")[0]
    assert (refused.read.accepted, refused.published) == (False, None)
    assert {finding.name for finding in refused.read.findings} & {"form.issue.other-body", "form.issue.unknown"}
    assert setting.lake is not None
    assert setting.lake.snapshot().count == 0
    with pytest.raises(UnknownNameError, match="某某局"):
        read_returns(setting, [path], recorded_at=RECORDED, body="某某局")
    taken = read_returns(setting, [path], recorded_at=RECORDED, body=WATER)[0]
    assert taken.read.accepted


def test_a_form_that_was_never_issued_here_is_believed_with_a_warning(setting: Setting, tmp_path: Path) -> None:
    path = filled(issued(setting, tmp_path), tmp_path, GOOD)
    (tmp_path / "other").mkdir()
    elsewhere = setting_at(tmp_path / "other")
    back = read_returns(elsewhere, [path], recorded_at=RECORDED, kind=ObservationKind.DEMONSTRATION)[0]
    assert back.read.accepted
    assert "form.issue.self-stated" in {finding.name for finding in back.read.findings}
    assert elsewhere.lake is not None
    assert elsewhere.lake.snapshot().read()["kind"].unique().to_list() == ["demonstration"]


def test_the_chase_list_is_written_only_in_formats_that_can_be(setting: Setting, tmp_path: Path) -> None:
    issued(setting, tmp_path)
    stand = where_returns_stand(setting, as_of=date(2026, 4, 10))
    chase_papers(stand, tmp_path / "neu" / "催报单.html", fonts=FontReport())
    assert WATER in (tmp_path / "neu" / "催报单.html").read_text(encoding="utf-8")
    for name, says in (("a.txt", "扩展名"), ("a.pdf", "中文字体"), ("a", "扩展名")):
        with pytest.raises(UsageError, match=says):
            chase_papers(stand, tmp_path / name, fonts=FontReport())
        assert not (tmp_path / name).exists()


def test_two_files_of_one_form_at_once_are_told(setting: Setting, tmp_path: Path) -> None:
    one = issued(setting, tmp_path)
    files = [
        filled(one, tmp_path, {**GOOD, "supply": supply}, name) for supply, name in ((52e3, "a.xlsx"), (53e3, "b.xlsx"))
    ]
    first, second = read_returns(setting, files, recorded_at=RECORDED)
    assert "form.issue.twice" not in {finding.name for finding in first.read.findings}
    told = next(finding for finding in second.read.findings if finding.name == "form.issue.twice")
    assert (told.where.file, "a.xlsx" in told.sentence) == ("b.xlsx", True)
    assert second.published is not None
    assert second.published.superseded == 1
