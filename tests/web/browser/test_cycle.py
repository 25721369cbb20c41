"""One year of a city in a real browser: from the first administrator's link to a frozen report and a verified audit log.

Everything is done on pages, as people do it; what pages say is compared with the library called by the test itself.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from django_otp.oath import TOTP
from openpyxl import load_workbook
from playwright.sync_api import Page, expect

from dafeng.assessment import Status, TargetAssessment
from dafeng.base.form import FormEntry, FormFilling
from dafeng.base.listener import silent
from dafeng.web.house import House
from dafeng.web.jobs.worker import work
from dafeng.web.october import handlers as october
from dafeng.web.october.models import FrozenReport, ReportDraft
from dafeng.web.overview.selectors import state_word
from dafeng.web.people.first_run import first_administrator
from dafeng.web.plans.models import Reading
from dafeng.web.returns.models import Assignment, Submission
from dafeng.workflow.assessing import assess
from dafeng.workflow.plan_reading import read_plan_file
from dafeng.workflow.returns import check_typed

DOCUMENT: Final = Path(__file__).parents[3] / "examples" / "demo_city" / "documents" / "plan.docx"
DISTRICT: Final = "demo-city-dongwan"
PASSWORD: Final = "Harbour-Lamp-2026"


PEOPLE: Final = (
    ("方安", "fangan", "示范市住房和城乡建设局", ("方案负责人",)),
    ("方平", "fangping", "示范市住房和城乡建设局", ("方案负责人",)),
    ("沈合", "shenhe", "示范市住房和城乡建设局", ("审核员",)),
    ("田东", "tiandong", "东湾区人民政府", ("填报员", "审核员")),
)
"""Name, username, organisation, roles; the reporter of the district also reviews there, though never what is their own."""


def code_of(key: str, *, later: int = 0) -> str:
    """Return what a telephone shows for a key; `later` periods of half a minute ahead, where a code was used up."""
    totp = TOTP(base64.b32decode(key.replace(" ", "")))
    totp.time = time.time() + 30 * later
    return f"{totp.token():06d}"


@dataclass
class City:
    """The people of the story with their browsers."""

    visit: Callable[..., Any]
    house: House
    people: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    folder: Path = Path()
    plan: str = "demo-city-handed-in"
    target: str = ""
    line: str = ""

    def page(self, name: str) -> Page:
        """Return the page before which somebody sits."""
        found: Page = self.people[name].page
        return found

    def open(self, name: str, path: str) -> Page:
        """Open a page for somebody."""
        self.people[name].go(path)
        return self.page(name)

    def work(self) -> None:
        """Let the worker do what waits: runs in the background, deliveries from the outbox."""
        work(threading.Event(), once=True)

    def judged(self) -> TargetAssessment:
        """Return where the district's railway target stands, judged anew by the library."""
        found = assess(self.house.setting(), self.plan, place=DISTRICT, as_of=self.house.today(), known_at=None)
        return found.of(self.target)[0]

    def look(self, name: str, shot: str) -> None:
        """Look over the page of somebody."""
        self.people[name].shoot(shot)

    def enter(self, name: str, link: str) -> None:
        """Come in by a one-time link: set a password, set up the second factor."""
        visitor = self.people[name] = self.visit()
        page = visitor.page
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(link if link.startswith("http") else visitor.root + link)
        page.get_by_label("新密码").fill(PASSWORD)
        page.get_by_label("再输一次").fill(PASSWORD)
        page.get_by_role("button", name="保存并登录").click()
        page.wait_for_url("**/second-factor/set-up/**")
        self.keys[name] = page.locator("main code").inner_text()
        page.get_by_label("动态口令").fill(code_of(self.keys[name]))
        page.get_by_role("button", name="启用").click()
        page.get_by_role("link", name="已保存，继续").click()


def the_first_administrator_comes_in(city: City) -> None:
    link = first_administrator()
    assert link is not None
    city.enter("管理员", link)
    page = city.page("管理员")
    page.get_by_role("button", name="退出", exact=True).click()
    page.get_by_label("用户名").fill("admin")
    page.get_by_label("密码").fill("wrong")
    page.get_by_role("main").get_by_role("button", name="登录", exact=True).click()
    assert "用户名或密码不对" in page.get_by_role("alert").inner_text()
    city.look("管理员", "cycle-sign-in-refused")
    page.get_by_label("用户名").fill("admin")
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="登录", exact=True).click()
    page.wait_for_url("**/second-factor/**")
    city.look("管理员", "cycle-second-factor")
    page.get_by_label("动态口令").fill(code_of(city.keys["管理员"], later=1))
    page.get_by_role("button", name="确认").click()
    page.wait_for_url(lambda url: "second-factor" not in url)


def organisations_and_people_are_made(city: City) -> None:
    page = city.open("管理员", "/people/organisations/")
    page.get_by_role("button", name="从目录的责任单位补建").click()
    assert page.get_by_role("link", name="东湾区人民政府").count() == 1
    for name, username, organisation, roles in PEOPLE:
        page = city.open("管理员", "/people/add/")
        page.get_by_label("用户名").fill(username)
        page.get_by_label("姓名").fill(name)
        page.get_by_label("单位").select_option(label=organisation)
        page.get_by_role("button", name="保存").click()
        for role in roles:
            page.get_by_role("link", name="授权", exact=True).click()
            page.get_by_label("角色").select_option(label=role)
            page.get_by_role("button", name="保存").click()
        page.get_by_role("button", name="生成一次性登录链接").click()
        city.enter(name, page.locator("main code").inner_text())
    city.open("管理员", "/people/organisations/")
    city.look("管理员", "cycle-organisations")


def a_plan_document_is_read(city: City) -> None:
    page = city.open("方安", "/plans/new/")
    page.get_by_label("方案文件").set_input_files(DOCUMENT)
    page.get_by_label("地方").select_option(label="示范市")
    page.get_by_label("方案编号").fill(city.plan)
    page.get_by_role("button", name="载入并读取").click()
    page.get_by_text("已排队，等待后台读取").wait_for()
    city.look("方安", "cycle-reading-waits")
    city.work()
    page.get_by_role("heading", name="复核：").wait_for()  # the page looks by itself


def what_was_read_is_reviewed(city: City) -> None:
    reading = Reading.objects.get()
    page = city.open("沈合", f"/plans/readings/{reading.pk}/")
    read = read_plan_file(
        city.house.setting(), DOCUMENT, as_of=reading.created_at.date(), plan_id=reading.plan, place=reading.place
    )
    every = len(read.reading.targets) + len(read.reading.duties) + len(read.assembled.plan.tasks)
    progress = page.locator("#progress")
    assert progress.inner_text() == f"已复核 0 / {every} 条"
    items = page.locator("li.item")
    items.nth(0).get_by_role("button", name="采纳").click()
    expect(progress).to_contain_text("已复核 1 ")
    items.nth(1).get_by_text("修改或驳回").click()
    items.nth(1).get_by_role("button", name="驳回").click()  # without a reason
    items.nth(1).get_by_role("alert").wait_for()
    city.look("沈合", "cycle-review")
    items.nth(1).get_by_text("修改或驳回").click()
    items.nth(1).get_by_label("理由（修改和驳回必填）").fill("与另一条重复")
    items.nth(1).get_by_role("button", name="驳回").click()
    expect(progress).to_contain_text("已复核 2 ")
    rail = page.locator("li.item", has_text="轨道交通运营里程").filter(has_text="120")
    rail.get_by_text("修改或驳回").click()
    rail.get_by_label("数值").fill("125")
    rail.get_by_label("理由（修改和驳回必填）").fill("按市政府更正")
    rail.get_by_role("button", name="按上面修改").click()
    expect(progress).to_contain_text("已复核 3 ")
    page.get_by_label("把握不低于（%）").fill("85")
    page.get_by_role("button", name="批量采纳").click()
    page.get_by_text("采纳了").wait_for()


def it_is_published(city: City) -> None:
    reading = Reading.objects.get()
    page = city.open("方安", f"/plans/readings/{reading.pk}/")
    page.get_by_role("button", name="发布").click()
    page.get_by_text("已提交发布").wait_for()
    city.work()
    page = city.open("方安", f"/plans/plan/{reading.plan}/")
    plan = city.house.catalog.plan(reading.plan)
    figures = page.locator(".figures").inner_text().split()
    assert figures[:2] == [str(len(plan.targets)), "目标"]
    rail = [target for target in plan.targets if target.indicator == "urban_rail_length"]
    assert [target.value for target in rail] == [68, 125]
    city.target = rail[0].id
    city.look("方安", "cycle-plan")


def forms_are_issued(city: City) -> None:
    assert city.judged().status is Status.UNPROVEN
    page = city.open("方安", "/returns/rounds/new/")
    page.get_by_label("方案").select_option(value=city.plan)
    page.get_by_label("报告期").fill("2025")
    page.get_by_label("报送截止").fill("2026-09-30")
    page.get_by_label("填报单位").select_option(label="东湾区人民政府")
    page.get_by_role("button", name="先看发给谁").click()
    page.get_by_role("button", name="发出 1 份").click()
    page.get_by_text("已发表 1 份").wait_for()
    city.work()


def fill_reasons(path: Path, *, but: str) -> None:
    """Say in a downloaded form why there is no value, for every line but one, as somebody does with a spreadsheet."""
    book = load_workbook(path)
    sheet = book.worksheets[0]
    head = next(row[0].row for row in sheet.iter_rows(max_col=1) if row[0].value == "行码")
    column = [cell.value for cell in sheet[head]].index("缺失原因") + 1
    for row in range(head + 1, sheet.max_row + 1):
        if str(sheet.cell(row, 1).value or "").partition("-")[0].isdigit() and sheet.cell(row, 1).value != but:
            sheet.cell(row, column).value = "未报"
    book.save(path)


def a_district_fills_in_its_form(city: City) -> None:
    page = city.open("田东", "/")
    page.get_by_role("link", name="示范市城乡建设领域碳达峰工作方案目标数据报送").click()
    one = Assignment.objects.get()
    line = city.line = next(line.id for line in one.sheet.read().lines if line.indicator == "urban_rail_length")
    page.get_by_text("用 XLSX 填写；佐证文件").click()
    with page.expect_download() as coming:
        page.get_by_role("link", name="下载 XLSX").click()
    path = city.folder / "form.xlsx"
    coming.value.save_as(path)
    fill_reasons(path, but=line)
    form = page.locator("form", has=page.locator("#file"))
    form.locator("#file").set_input_files(path)
    form.locator("button").click()
    page.wait_for_url("**/returns/uploads/**")
    city.look("田东", "cycle-upload")
    page = city.open("田东", f"/returns/{one.pk}/")
    field, told = page.locator(f"#value-{line}"), page.locator(f"#told-{line}")
    page.get_by_label("填表人").fill("田东")
    field.fill("-74")
    field.press("Tab")
    expect(told).to_contain_text("错误")
    expect(field).to_have_attribute("aria-invalid", "true")
    checked = check_typed(
        city.house.setting(),
        one.sheet.read(),
        FormFilling(entries={line: FormEntry(value="-74")}),
        recorded_at=city.house.now(),
    )
    errors = [found.sentence for found in checked.findings if found.line == line and found.severity == "error"]
    assert errors
    assert all(sentence in told.inner_text() for sentence in errors)
    city.look("田东", "cycle-fill")
    field.fill("47")
    field.press("Tab")
    expect(told).not_to_contain_text("错误")
    page.get_by_role("button", name="提交", exact=True).click()
    page.get_by_text("已提交").first.wait_for()


def it_is_returned_and_corrected(city: City) -> None:
    submission = Submission.objects.get()
    page = city.open("田东", f"/returns/review/{submission.pk}/")  # one's own is never reviewed by oneself
    assert page.get_by_role("button", name="批准").count() == 0
    assert page.locator(".note.bad").count() == 1
    page = city.open("沈合", "/returns/review/")
    page.locator("tbody th a").first.click()
    page.locator(f"[name='remark-{city.line}']").fill("请核对：与交通部门的数相反")
    city.look("沈合", "cycle-review-return")
    page.get_by_role("button", name="退回", exact=True).click()
    page.get_by_text("已退回").first.wait_for()
    page = city.open("田东", f"/returns/{submission.assignment_id}/")
    expect(page.locator(f"#told-{city.line}")).to_contain_text("请核对：与交通部门的数相反")
    page.locator(f"#value-{city.line}").fill("74")
    page.locator(f"#value-{city.line}").press("Tab")
    expect(page.locator(f"#row-{city.line}")).to_have_class(re.compile("kept"))
    page.get_by_role("button", name="提交", exact=True).click()
    page.get_by_text("已提交").first.wait_for()


def it_is_approved_and_the_status_changes(city: City) -> None:
    submission = Submission.objects.get(number=2)
    page = city.open("沈合", f"/returns/review/{submission.pk}/")
    page.get_by_role("button", name="批准").click()
    page.get_by_text("已批准").first.wait_for()
    assert city.judged().status is Status.UNPROVEN  # not before the outbox has delivered
    city.work()
    now = city.judged()
    assert now.status is Status.MET
    page = city.open("方安", f"/targets/{city.plan}/{city.target}/?place={DISTRICT}")
    main = page.get_by_role("main").inner_text()
    assert now.reason in main
    assert "74" in now.reason
    assert page.locator(".state").first.inner_text() == state_word(city.house.catalog, now.status.value)
    page = city.open("田东", f"/returns/submissions/{submission.pk}/")
    expect(page.get_by_role("main")).to_contain_text("影响的目标")
    city.look("田东", "cycle-submission")
    page = city.open("沈合", f"/facts/urban_rail_length/{DISTRICT}/")
    assert page.locator("tbody td.number").first.inner_text().startswith("74")


def the_report_is_built_and_frozen(city: City) -> None:
    page = city.open("方安", "/october/")
    page.get_by_label("方案").select_option(value=city.plan)
    page.get_by_role("button", name="开始").click()
    page.locator("tbody th a").first.click()
    page.get_by_label("正文").fill("轨道交通按年度计划推进。")
    page.get_by_role("button", name="保存").click()
    report = ReportDraft.objects.get()
    page = city.open("方安", f"/october/{report.pk}/")
    page.get_by_role("button", name="按现有内容编制").click()
    page.get_by_text("后台任务已登记").or_(page.get_by_text("排队")).first.wait_for()
    city.work()
    page = city.open("方安", f"/october/{report.pk}/")
    page.get_by_role("button", name="冻结").click()
    expect(page.get_by_role("main")).to_contain_text("不能由您冻结")  # who wrote all of it
    page = city.open("方平", f"/october/{report.pk}/")
    city.look("方平", "cycle-report")
    page.get_by_role("button", name="冻结").click()
    page.wait_for_url("**/october/frozen/**")
    city.look("方平", "cycle-frozen")
    frozen = FrozenReport.objects.get()
    said = frozen.arguments
    built = october._build(said | {"formats": ["docx", "pdf"]}, silent)
    for ending in ("docx", "pdf"):
        with page.expect_download() as coming:
            page.locator(f"a[href$='/{ending}/']").click()
        again = next(content for name, content in built.files.items() if name.endswith(ending))
        assert coming.value.path().read_bytes() == again, ending


def the_audit_log_is_verified(city: City) -> None:
    page = city.open("管理员", "/audit/")
    page.get_by_role("button", name="核验整条日志").click()
    page.wait_for_url("**/jobs/**")
    city.work()
    page.reload()
    expect(page.get_by_role("main")).to_contain_text("未发现改动")
    city.look("管理员", "cycle-audit-verified")


STORY: Final = (
    the_first_administrator_comes_in,
    organisations_and_people_are_made,
    a_plan_document_is_read,
    what_was_read_is_reviewed,
    it_is_published,
    forms_are_issued,
    a_district_fills_in_its_form,
    it_is_returned_and_corrected,
    it_is_approved_and_the_status_changes,
    the_report_is_built_and_frozen,
    the_audit_log_is_verified,
)


@pytest.mark.timeout(600)
def test_a_year_of_a_city(visit: Callable[..., Any], writing_house: House, tmp_path: Path) -> None:
    city = City(visit, writing_house, folder=tmp_path)
    for chapter in STORY:
        chapter(city)
