"""Shares become targets of each place: an overlay plan in the workspace's catalog, which the rest of the house judges."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from dafeng.base.errors import ContentError, UnknownNameError, UsageError, close_names
from dafeng.base.record import Record
from dafeng.base.target import Locator, Measure, Target
from dafeng.catalog.plan_schemas import Plan, PlanDocument
from dafeng.catalog.schemas import Title
from dafeng.catalog.yaml_writing import entry_yaml
from dafeng.lake import find_runs
from dafeng.pathways.allocation_consultation import Consultation
from dafeng.pathways.allocation_criteria import METHOD_TITLES
from dafeng.pathways.allocation_problem import Allocation, DividedKind, Share
from dafeng.plans import target_phrase
from dafeng.workflow.allocation_consulting import SENT_FILE, SENT_KIND, SETTLED_FILE, SETTLED_KIND
from dafeng.workflow.allocation_request import MadeAllocations
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.setting import Setting

__all__ = ["PublishedShares", "publish_shares"]

_INVISIBLE: Final = re.compile(r"\s+")


class PublishedShares(Record):
    """Targets that became those of places."""

    plans: dict[str, str]
    """Overlay plan by place."""
    files: tuple[str, ...]
    """Files below the workspace's catalog folder."""
    targets: int
    """Targets written."""


def publish_shares(
    setting: Setting,
    run: str | None = None,
    *,
    made: MadeAllocations | None = None,
    published_on: date,
    interim: bool = False,
) -> PublishedShares:
    """Write each place's shares as targets of an overlay plan in the workspace's catalog, the parent's target named.

    Parameters
    ----------
    setting : Setting
    run : str, optional
        Run of a consultation or of its result; the latest where None and nothing is given in `made`.
    made : MadeAllocations, optional
        Divisions to publish without a consultation.
    published_on : date
        Day of the plan document.
    interim : bool
        Whether running totals at the end of each year before the last become targets too.

    Returns
    -------
    PublishedShares
        Targets of an earlier publication for the same place and parent plan stay, those of the same parent target are replaced.

    Raises
    ------
    UnknownNameError
        There is no such run.
    UsageError
        The shares are those of departments: a plan belongs to a place.
    ContentError
        The catalog would not hold with the plans; nothing is kept then.
    """
    workspace, _ = need_workspace(setting)
    if made is not None:
        allocations, plan_id = made.allocations, made.plan.id
    else:
        allocations, plan_id = _kept(setting, run)
    parent = setting.catalog.plan(plan_id)
    by_place: dict[str, list[tuple[Allocation, Share]]] = {}
    for one in allocations:
        for share in one.shares:
            by_place.setdefault(share.member, []).append((one, share))
    if not by_place or any(place not in setting.catalog.places for place in by_place):
        raise UsageError(
            "没有可发布到地方的份额：分给部门的份额不能成为地方方案 / shares of departments, or none",
            doing="publish shares",
            expected="分给地方的分解结果",
            next_step="dafeng path allocate 方案 --target 目标（不加 --bodies）",
        )
    files: dict[str, str] = {}
    plans: dict[str, str] = {}
    count = 0
    documents = []
    for place, shares in sorted(by_place.items()):
        plan, text = _overlay(setting, parent, place, shares, published_on, interim=interim)
        documents.append(text)
        files[f"plans/{plan.id}.yaml"] = entry_yaml(plan, comment=_comment(parent, published_on))
        plans[place] = plan.id
        count += len(plan.targets)
    faults = workspace.put_catalog_files(files)
    if faults:
        shown = "；".join(f"{fault.where}：{fault.sentence}" for fault in faults[:5])
        raise ContentError(
            f"{len(faults)} 处不成立 / faults: {shown}",
            doing="publish shares",
            expected="a plan with which the catalog holds",
            next_step="改正分解结果后重新发布 / mend the shares",
            findings=[fault.model_dump(mode="json") for fault in faults],
        )
    for text in documents:
        workspace.put_document(text.encode())
    return PublishedShares(plans=plans, files=tuple(files), targets=count)


def _kept(setting: Setting, name: str | None) -> tuple[tuple[Allocation, ...], str]:
    workspace, _ = need_workspace(setting)
    runs = {run.id: run for run in find_runs(workspace) if run.manifest.get("kind") in (SENT_KIND, SETTLED_KIND)}
    if name is None:
        settled = [run for run in runs.values() if run.manifest["kind"] == SETTLED_KIND]
        latest = max(settled, key=lambda run: (str(run.manifest.get("read_on", "")), run.id), default=None)
        name = None if latest is None else latest.id
    if name is None or name not in runs:
        raise UnknownNameError(
            f"没有这样的分解结果 {name or ''} / no such run",
            doing="publish shares",
            expected="、".join(close_names(name or "", runs) or sorted(runs)) or "先征求意见并读回答复",
            next_step="dafeng path allocate-answers 答复.xlsx，或给出运行编号",
        )
    run = runs[name]
    if run.manifest["kind"] == SENT_KIND:
        sent = Consultation.model_validate_json((run.folder / SENT_FILE).read_bytes())
        return sent.allocations, sent.plan
    stored: list[Mapping[str, object]] = json.loads((run.folder / SETTLED_FILE).read_bytes())
    return tuple(Allocation.model_validate(one) for one in stored), str(run.manifest["plan"])


def _overlay(
    setting: Setting,
    parent: Plan,
    place: str,
    shares: Sequence[tuple[Allocation, Share]],
    day: date,
    *,
    interim: bool,
) -> tuple[Plan, str]:
    """Return the plan of a place and the text of its document, which its targets point into."""
    plan_id = f"{place}-from-{parent.id}"
    name = setting.catalog.place_name(place)
    known = {target.id: target for target in parent.targets}
    new: list[Target] = []
    for one, share in shares:
        new += _targets_of(known[one.problem.target], one, share, parent, interim=interim)
    before = setting.catalog.plans.get(plan_id)
    replaced = {one.problem.target for one, _ in shares}
    kept = [
        target
        for target in (before.targets if before is not None else ())
        if re.sub(r"-y[0-9]{4}$", "", target.id) not in replaced
    ]
    title = f"{name}目标任务分解（{parent.title.zh}）"
    lines, targets = [title], []
    offset = len(_INVISIBLE.sub("", title))
    for target in (*kept, *new):
        line = f"{target.clause} {target_phrase(target)}。"
        plain = len(_INVISIBLE.sub("", line))
        targets.append(target.model_copy(update={"at": Locator(start=offset, end=offset + plain)}))
        lines.append(line)
        offset += plain
    text = "\n".join(lines) + "\n"
    plan = Plan(
        id=plan_id,
        title=Title(zh=title, en=f"shares of {place} in {parent.id}"),
        place=place,
        document=PlanDocument(sha256=hashlib.sha256(text.encode()).hexdigest(), issued_on=day, named=f"{plan_id}.txt"),
        period=parent.period,
        targets=tuple(targets),
        note=f"上级方案 {parent.id} 的分解结果，由 dafeng path allocate-publish 生成",
    )
    return plan, text


def _comment(parent: Plan, day: date) -> str:
    return f"上级方案 {parent.id} 分解到本地的目标，{day.isoformat()} 发布。由 dafeng path allocate-publish 生成，请勿手改。"


def _targets_of(target: Target, one: Allocation, share: Share, parent: Plan, *, interim: bool) -> list[Target]:
    problem = one.problem
    how = METHOD_TITLES[problem.method] if problem.kind in (DividedKind.AMOUNT, DividedKind.RATE) else "各地相同"
    note = f"上级目标 {parent.id}/{target.id}（{target.clause}）；{how}"
    if share.bound == "own":
        note += "；单列"
    value = None if target.value is None else share.value
    limit = problem.kind is DividedKind.LIMIT and share.bound != "own"
    fields: dict[str, Any] = {
        "value": value, "value_max": target.value_max if limit else None, "place": None, "bodies": (), "note": note,
        "as_labelled": None,
    }  # fmt: skip
    if problem.kind is DividedKind.AMOUNT and problem.measure in (Measure.CUMULATIVE, Measure.EACH_YEAR):
        fields["start"] = problem.schedule.start or target.start
    found = [target.model_copy(update=fields)]
    running = problem.measure is Measure.CUMULATIVE or problem.increase or problem.kind is DividedKind.RATE
    if interim and running and problem.kind in (DividedKind.AMOUNT, DividedKind.RATE):
        sums = (
            share.yearly
            if problem.kind is DividedKind.RATE
            else _running(share, problem.digit, increase=problem.increase)
        )
        for year in list(share.yearly)[:-1]:
            at = fields | {"value": sums[year], "by": year, "id": f"{target.id}-y{year}", "note": f"{note}；年度进度"}
            found.append(target.model_copy(update=at))
    return found


def _running(share: Share, digit: float, *, increase: bool) -> dict[int, float]:
    """Return what is reached at the end of each year, counted back from the share itself."""
    total = sum(share.yearly.values())
    reached = share.value - total if increase else 0.0
    found = {}
    for year, amount in share.yearly.items():
        reached += amount
        found[year] = round(round(reached / digit) * digit, 10)
    return found
