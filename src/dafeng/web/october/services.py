"""What people do to the yearly report. Every service is one transaction, is checked against the reach, and is told to the audit log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from dafeng.lake.durable import hash_file
from dafeng.web.access.reach import Reach
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.models import AuditHead
from dafeng.web.audit.services import Actor, record
from dafeng.web.house import house
from dafeng.web.jobs.models import Job
from dafeng.web.jobs.services import ask
from dafeng.web.october.models import (
    Contribution,
    ContributionState,
    FrozenReport,
    ReportBuild,
    ReportDraft,
    ReportSection,
    SectionVersion,
)
from dafeng.web.outbox.models import OutboxItem
from dafeng.web.outbox.services import put
from dafeng.web.people.models import Organisation
from dafeng.workflow.reporting import FORMATS, narrative_outline

__all__ = [
    "LONGEST",
    "StaleError",
    "ask_contributions",
    "ask_rebuild",
    "begin",
    "build",
    "content_of",
    "freeze",
    "judge",
    "outline",
    "save_section",
    "settle",
    "take_over",
    "write_contribution",
]

LONGEST: Final = 40_000
"""Characters of a part."""
_SETTLED: Final = ("as_of", "day", "signer", "addressee", "contact")


class StaleError(RefusedError):
    """Somebody else has changed it in the meantime."""

    def __init__(self, current: int) -> None:
        super().__init__(
            "october.stale", _("已被他人修改（现为第%(n)d版）；请对照最新内容合并后再保存") % {"n": current}
        )


def _refuse(problem: str, expected: str, next_step: str) -> RefusedError:
    return RefusedError("october.refused", f"{problem}（{_('应为')}{expected}）；{next_step}")


def _need(reach: Reach, action: str, *, place: str, organisation: int | None = None) -> None:
    if not reach.can(action, place=place, organisation=organisation):
        raise _refuse(_("没有这项权限"), action, _("请联系管理员"))


def _locked(report: ReportDraft) -> ReportDraft:
    return ReportDraft.objects.select_for_update().get(pk=report.pk)


def outline(report: ReportDraft) -> tuple[Any, ...]:
    """Return the parts that people write, in the order of the paper."""
    return house().kept(
        ("october-outline", report.plan, report.as_of, report.year),
        lambda here: narrative_outline(
            here,
            report.plan,
            as_of=report.as_of,
            known_at=None,
            year=report.year,
            judged=house().assessment(report.plan, as_of=report.as_of),
        ),
    )


def begin(*, plan: str, year: int, as_of: date, by: Actor, reach: Reach) -> ReportDraft:
    """Begin the report of a plan and year; the one that is there, where it was begun already."""
    found = house().catalog.plan(plan)
    _need(reach, "reports.write", place=found.place)
    if by.user is None:
        raise _refuse(_("没有登录"), _("一名用户"), _("请登录"))
    with transaction.atomic():
        report, new = ReportDraft.objects.get_or_create(
            plan=found.id, year=year, defaults={"place": found.place, "as_of": as_of, "created_by": by.user}
        )
        if new:
            record(
                "october.begun",
                report,
                by=by,
                place=report.place,
                after={"plan": plan, "year": year, "as_of": as_of.isoformat()},
            )
    return report


def settle(*, report: ReportDraft, version: int, by: Actor, reach: Reach, **said: Any) -> ReportDraft:
    """Settle day, signer, addressee and contact of a report, where nobody else did since `version`."""
    _need(reach, "reports.write", place=report.place)
    with transaction.atomic():
        row = _locked(report)
        if row.version != version:
            raise StaleError(row.version)
        before = {name: _plain(getattr(row, name)) for name in _SETTLED}
        for name in _SETTLED:
            if name in said:
                setattr(row, name, said[name])
        row.version += 1
        row.save()
        after = {name: _plain(getattr(row, name)) for name in _SETTLED}
        record("october.settled", row, by=by, place=row.place, before=before, after=after)
    return row


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def save_section(
    *, report: ReportDraft, key: str, text: str, version: int, by: Actor, reach: Reach, reason: str = ""
) -> ReportSection:
    """Save a part, where nobody else saved it since `version` (0 where it was empty).

    Raises
    ------
    StaleError
        Somebody did; both texts stay: theirs as it stands, this one with whoever sent it.
    """
    _need(reach, "reports.write", place=report.place)
    known = {part.key for part in outline(report)}
    text = text.replace("\r\n", "\n").strip()
    if key not in known or len(text) > LONGEST or by.user is None:
        raise _refuse(
            _("这一部分不能保存"), _("报告里有的部分，不超过%(most)d字") % {"most": LONGEST}, _("缩短或改到别的部分")
        )
    with transaction.atomic():
        _locked(report)
        section = ReportSection.objects.filter(report=report, key=key).select_for_update().first()
        current = 0 if section is None else section.version
        if current != version:
            raise StaleError(current)
        if section is not None and section.text == text:
            return section
        now, before = house().now(), "" if section is None else section.text
        if section is None:
            section = ReportSection(report=report, key=key)
        section.text, section.version, section.edited_by, section.edited_at = text, current + 1, by.user, now
        section.save()
        SectionVersion.objects.create(
            section=section, version=section.version, text=text, edited_by=by.user, edited_at=now
        )
        record(
            "october.written",
            section,
            by=by,
            place=report.place,
            before={"text": before},
            after={"text": text, "version": section.version},
            reason=reason,
        )
    return section


def ask_contributions(
    *,
    report: ReportDraft,
    key: str,
    organisations: Sequence[Organisation],
    due_on: date,
    asks: str,
    by: Actor,
    reach: Reach,
) -> list[Contribution]:
    """Ask organisations to write for a part; who was asked already is not asked twice."""
    _need(reach, "reports.write", place=report.place)
    part = next((one for one in outline(report) if one.key == key), None)
    if part is None:
        raise _refuse(_("报告没有这一部分"), _("报告里有的部分"), _("重新选择"))
    made = []
    with transaction.atomic():
        for organisation in organisations:
            if not reach.can("reports.write", place=organisation.place):
                raise _refuse(_("单位不在您的范围内"), organisation.name, _("重新选择"))
            row, new = Contribution.objects.get_or_create(
                report=report,
                organisation=organisation,
                key=key,
                defaults={
                    "place": organisation.place,
                    "title": part.title,
                    "asks": asks or part.asks,
                    "due_on": due_on,
                },
            )
            if new:
                record(
                    "october.contribution-asked",
                    row,
                    by=by,
                    place=row.place,
                    after={"organisation": organisation.name, "part": part.title, "due": due_on.isoformat()},
                )
                made.append(row)
    return made


def write_contribution(
    *, contribution: Contribution, text: str, version: int, submit: bool, by: Actor, reach: Reach
) -> Contribution:
    """Save what an organisation writes; with `submit` hand it in."""
    _need(reach, "reports.contribute", place=contribution.place, organisation=contribution.organisation_id)
    text = text.replace("\r\n", "\n").strip()
    with transaction.atomic():
        row = Contribution.objects.select_for_update().get(pk=contribution.pk)
        if row.state not in (ContributionState.ASKED, ContributionState.RETURNED):
            raise _refuse(_("已提交或已采用，不能再改"), _("待填或已退回"), _("请编写人退回后再改"))
        if row.version != version:
            raise StaleError(row.version)
        if len(text) > LONGEST or (submit and not text):
            raise _refuse(_("正文为空或过长"), _("不超过%(most)d字") % {"most": LONGEST}, _("改后再交"))
        before = {"text": row.text, "state": row.state}
        row.text, row.version, row.written_by = text, row.version + 1, by.user
        if submit:
            row.state, row.submitted_at, row.judged_by, row.judged_at = (
                ContributionState.SUBMITTED,
                house().now(),
                None,
                None,
            )
        row.save()
        record(
            "october.contribution-submitted" if submit else "october.contribution-saved",
            row,
            by=by,
            place=row.place,
            before=before,
            after={"text": text, "state": row.state},
        )
    return row


def judge(*, contribution: Contribution, accept: bool, reason: str, by: Actor, reach: Reach) -> Contribution:
    """Take a contribution as good and into its part of the report, or return it with a reason; never one's own."""
    _need(reach, "reports.write", place=contribution.report.place)
    with transaction.atomic():
        row = Contribution.objects.select_for_update().get(pk=contribution.pk)
        if row.state != ContributionState.SUBMITTED:
            raise _refuse(_("不是已提交的内容"), _("已提交"), _("刷新页面"))
        if by.user is None or row.written_by_id == by.user.pk:
            raise _refuse(_("不能审自己写的内容"), _("另一名编写人"), _("请同事审"))
        if not accept and not reason.strip():
            raise _refuse(_("退回要写原因"), _("原因"), _("写明原因"))
        before = {"state": row.state}
        row.state = ContributionState.ACCEPTED if accept else ContributionState.RETURNED
        row.reason, row.judged_by, row.judged_at = reason.strip(), by.user, house().now()
        row.save()
        record(
            "october.contribution-accepted" if accept else "october.contribution-returned",
            row,
            by=by,
            place=row.place,
            before=before,
            after={"state": row.state},
            reason=row.reason,
        )
        if accept:
            take_over(contribution=row, by=by, reach=reach)
    return row


def take_over(*, contribution: Contribution, by: Actor, reach: Reach) -> ReportSection:
    """Append an accepted contribution to its part of the report; once, however often it is asked."""
    if contribution.state != ContributionState.ACCEPTED:
        raise _refuse(_("还没有采用"), _("已采用"), _("先审核"))
    with transaction.atomic():
        report = _locked(contribution.report)
        section = ReportSection.objects.filter(report=report, key=contribution.key).first()
        present = "" if section is None else section.text
        if section is not None and f"\n{contribution.text}\n" in f"\n{present}\n":
            return section
        return save_section(
            report=report,
            key=contribution.key,
            text="\n".join(filter(None, [present, contribution.text])),
            version=0 if section is None else section.version,
            by=by,
            reach=reach,
            reason=_("采用%(who)s的内容") % {"who": contribution.organisation.name},
        )


def content_of(report: ReportDraft) -> tuple[dict[str, Any], str]:
    """Return what people wrote and settled for a report, and its digest."""
    said = {
        "plan": report.plan,
        "year": report.year,
        **{name: _plain(getattr(report, name)) for name in _SETTLED},
        "narratives": {one.key: one.text for one in report.sections.order_by("key") if one.text},
    }
    return said, hashlib.sha256(json.dumps(said, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def build(*, report: ReportDraft, by: Actor, reach: Reach) -> tuple[Job, bool]:
    """Have the report built in the background, as it stands now; while that goes on, it is the same run.

    The end of the audit chain at this moment is printed in annex 4. Facts count that are in the workspace now, so that the same
    arguments give the same bytes later.
    """
    _need(reach, "reports.write", place=report.place)
    said, digest = content_of(report)
    said["formats"] = list(FORMATS)
    said["known_at"] = _known().isoformat()
    head = AuditHead.objects.filter(id=1).first()
    said["audit"] = [0, "0" * 64] if head is None else [head.number, head.digest]
    return ask(
        "october.build",
        f"october.build:{report.pk}",
        title=_("编制%(year)d年度报告：%(plan)s") % {"year": report.year, "plan": report.plan},
        place=house().place,
        arguments={"report": report.pk, "content": digest, "said": said},
        by=by,
    )


def _known() -> datetime:
    """Return the moment up to which facts count in a report that is asked for now.

    What was approved and has yet to reach the workspace does not count: it would be there when the report is built again.
    """
    waiting = OutboxItem.objects.filter(kind="returns.publish", delivered_at__isnull=True)
    recorded = [datetime.fromisoformat(said) for said in waiting.values_list("payload__recorded_at", flat=True)]
    return min([house().now(), *(one - timedelta(microseconds=1) for one in recorded)])


def ask_rebuild(*, frozen: FrozenReport, by: Actor, reach: Reach) -> tuple[Job, bool]:
    """Have a frozen report built again from its own arguments, and compared to the byte."""
    _need(reach, "reports.read", place=frozen.place)
    return ask(
        "october.rebuild",
        f"october.rebuild:{frozen.pk}",
        title=_("重建核对：%(what)s") % {"what": str(frozen)},
        place=house().place,
        arguments={"frozen": frozen.pk},
        by=by,
    )


def freeze(*, build: ReportBuild, by: Actor, reach: Reach, remark: str = "") -> FrozenReport:
    """Freeze a build: from now on these bytes are the report. The same build again is the same edition.

    Raises
    ------
    RefusedError
        What people wrote was changed since; its files are not those that were built; whoever asks wrote all of it;
        or a further edition is without a reason.
    """
    report = build.report
    _need(reach, "reports.freeze", place=report.place)
    with transaction.atomic():
        report = _locked(report)
        there = FrozenReport.objects.filter(build=build).first()
        if there is not None:
            return there
        if by.user is None or _wrote_all(report, by.user.pk):
            raise _refuse(_("全部文字都由您撰写，不能由您冻结"), _("另一名方案负责人"), _("请同事核对后冻结"))
        if content_of(report)[1] != build.content:
            raise _refuse(_("编制之后内容有改动"), _("最新内容的编制结果"), _("重新编制后再冻结"))
        _check_files(build)
        edition = report.frozen.count() + 1
        if edition > 1 and not remark.strip():
            raise _refuse(_("已有冻结版本，再次冻结要写原因"), _("原因"), _("写明更正了什么"))
        digest = _digest(build.manifest)
        now = house().now()
        entry = record(
            "october.frozen",
            build,
            by=by,
            at=now,
            place=report.place,
            after={"run": build.run, "edition": edition, "manifest": digest, "files": build.manifest.get("files", {})},
            reason=remark.strip(),
        )
        frozen = FrozenReport.objects.create(
            report=report,
            build=build,
            place=report.place,
            edition=edition,
            run=build.run,
            arguments=build.arguments,
            manifest=build.manifest,
            manifest_digest=digest,
            audit_number=entry.number,
            audit_digest=entry.digest,
            frozen_by=by.user,
            frozen_at=now,
            remark=remark.strip(),
        )
        put(
            "october.seal",
            f"october.seal:{build.run}",
            {
                "run": build.run,
                "plan": report.plan,
                "year": report.year,
                "edition": edition,
                "manifest_digest": digest,
                "files": build.manifest.get("files", {}),
                "audit": {"number": entry.number, "digest": entry.digest},
                "frozen_at": now.isoformat(),
                "frozen_by": by.user.name,
                "remark": remark.strip(),
            },
        )
    return frozen


def _digest(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _wrote_all(report: ReportDraft, user: int) -> bool:
    writers = {one.edited_by_id for one in report.sections.exclude(text="")}
    return writers == {user}


def _check_files(build: ReportBuild) -> None:
    """Refuse a build whose files are gone or are other bytes."""
    workspace = house().setting().workspace
    folder = None if workspace is None else workspace.runs / build.run
    for name, digest in build.manifest.get("files", {}).items():
        path = None if folder is None else folder / name
        if path is None or not path.is_file() or hash_file(path) != digest:
            raise _refuse(_("编制结果的文件缺失或被改动：%(name)s") % {"name": name}, digest[:12], _("重新编制"))
