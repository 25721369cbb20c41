"""From a document to a plan of the workspace: what a reading may take from the catalog, and what is kept."""

from datetime import date
from pathlib import Path

import pytest

from dafeng.base.errors import ContentError, InputError
from dafeng.lake import Workspace
from dafeng.workflow.plan_reading import PlanFromFile, read_plan_file, save_plan
from dafeng.workflow.setting import Setting, open_setting
from document_builders import plan_txt

DAY = date(2026, 11, 20)
ELSEWHERE = "建筑用能电气化比例"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "w", title="青岛", place="qingdao")


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "方案.txt"
    path.write_bytes(plan_txt())
    return path


def read(setting: Setting, path: Path, plan_id: str = "yunling-2024") -> PlanFromFile:
    return read_plan_file(setting, path, as_of=DAY, plan_id=plan_id, place="青岛")


def indicator_of(found: PlanFromFile, label: str) -> str:
    return next(target.indicator for target in found.assembled.plan.targets if target.label == label)


def test_a_reading_never_takes_its_own_drafts_for_the_catalogs(workspace: Workspace, plan: Path) -> None:
    first = read(open_setting(workspace), plan)
    assert indicator_of(first, ELSEWHERE).startswith("draft_yunling_2024_")
    save_plan(open_setting(workspace), first, plan)
    setting = open_setting(workspace)
    assert indicator_of(first, ELSEWHERE) in setting.catalog.indicators
    again = read(setting, plan)
    assert again.reading == first.reading
    assert again.assembled == first.assembled


def test_drafts_of_two_plans_have_names_of_their_own(workspace: Workspace, plan: Path) -> None:
    save_plan(open_setting(workspace), read(open_setting(workspace), plan), plan)
    other = read(open_setting(workspace), plan, "yunling-2024-2")
    save_plan(open_setting(workspace), other, plan)
    names = [draft.zh for draft in other.assembled.draft_indicators]
    assert all("yunling-2024-2" in name for name in names)
    assert indicator_of(other, ELSEWHERE).startswith("draft_yunling_2024_2_")


def test_the_same_open_words_twice_are_one_draft(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "方案.txt"
    path.write_text(
        "东川市城乡建设领域碳达峰工作方案\n一、重点任务\n"
        "（一）推进。到2026年，云台指数达到30%。到2030年，云台指数达到50%。到2030年，云台指数达到9公里。（市住建局负责）\n",
        encoding="utf-8",
    )
    found = read(open_setting(workspace), path)
    drafts = {target.by: target.indicator for target in found.assembled.plan.targets if target.unit == "%"}
    assert drafts[2026] == drafts[2030]
    assert [(draft.unit, draft.zh.startswith("云台指数")) for draft in found.assembled.draft_indicators] == [
        ("percent", True),
        ("km", True),
    ]
    assert len({draft.zh for draft in found.assembled.draft_indicators}) == 2
    assert save_plan(open_setting(workspace), found, path).plan == "yunling-2024"


def test_a_plan_with_which_the_catalog_does_not_hold_leaves_no_trace(workspace: Workspace, plan: Path) -> None:
    found = read(open_setting(workspace), plan)
    spoilt = found.assembled.model_copy(update={"draft_bodies": ()})
    with pytest.raises(ContentError, match="无法对应到唯一单位"):
        save_plan(open_setting(workspace), PlanFromFile(found.document, found.reading, spoilt), plan)
    assert list(workspace.catalog_folder.rglob("*.yaml")) == []
    assert open_setting(workspace).catalog.plans.keys() == open_setting(None).catalog.plans.keys()


def test_a_document_that_is_no_plan_is_not_kept(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "信.txt"
    path.write_text("亲爱的妈妈：\n我在这里一切都好，到2030年我就毕业了，房租涨了百分之三十。\n", encoding="utf-8")
    found = read(open_setting(workspace), path)
    assert found.reading.findings[0].name == "plans.document.no-plan"
    assert (found.assembled.plan.targets, found.assembled.plan.tasks) == ((), ())
    assert {fate.fate for fate in found.reading.numbers} <= {"deadline", "no_plan", "date"}
    with pytest.raises(InputError, match="不像是方案"):
        save_plan(open_setting(workspace), found, path)
    with pytest.raises(InputError, match="不像是方案"):
        read_plan_file(open_setting(workspace), path, as_of=DAY)


def test_the_kept_document_is_known_by_its_own_name(workspace: Workspace, plan: Path) -> None:
    kept = save_plan(open_setting(workspace), read(open_setting(workspace), plan), plan)
    again = read(open_setting(workspace), workspace.document(kept.document))
    assert again.document.file == "方案.txt"
    assert {finding.where.file for finding in again.assembled.findings} == {"方案.txt"}
