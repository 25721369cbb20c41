"""A consultation on a division: what was sent, what came back, what was accepted, and the division after it.

What is sent has an id and a digest; an answer counts only for the very rows that were sent. A proposal is not yet accepted:
that is for the body that asks. Accepted figures are set aside, and the rest is divided among the others by the same criterion,
or stays open by name.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from dafeng.base.consultation import AnswerEntry, AnswerPaper
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.quantity import fold_width
from dafeng.base.record import Record
from dafeng.pathways.allocation import allocate
from dafeng.pathways.allocation_checks import allocation_finding
from dafeng.pathways.allocation_problem import Allocation, DividedKind, Share, units_of

__all__ = [
    "AnswerDecision",
    "AnswersTaken",
    "Consultation",
    "ConsultedRow",
    "Difference",
    "consulted_rows",
    "redivide",
    "take_answers",
]

_ROOM: Final = "pathways.consultation"
_AGREE: Final = ("同意", "无意见", "agree", "accept")
_PROPOSE: Final = ("修改建议", "修改", "建议修改", "不同意", "propose")


class Difference(StrEnum):
    """Who takes what an accepted proposal leaves over."""

    OTHERS = "others"
    OPEN = "open"


class Consultation(Record):
    """What was sent: divisions on which those below are asked."""

    plan: str
    """Plan id of the parent."""
    plan_title: str
    """Its title."""
    place: str
    """Place of the parent."""
    sent_on: date
    """Day."""
    due: date | None = None
    """Answers are asked for by this day."""
    allocations: tuple[Allocation, ...]
    """The divisions."""

    @property
    def digest(self) -> str:
        """SHA-256 over the divisions and the day by which answers are asked for."""
        due = "" if self.due is None else self.due.isoformat()
        return hashlib.sha256("".join([*(one.digest for one in self.allocations), due]).encode()).hexdigest()

    @property
    def id(self) -> str:
        """Name of the consultation: the plan, the day, the head of the digest."""
        return f"{self.plan}-{self.sent_on:%Y%m%d}-{self.digest[:12]}"


class ConsultedRow(Record):
    """One row of a consultation: a target at a member, with what may not be changed."""

    key: str
    """Target and member, joined by ``|``."""
    allocation: Allocation
    """The division that it is of."""
    share: Share
    """The share."""

    def shown(self) -> dict[str, str | float]:
        """Return what stands in the locked columns, by their names; years as ``y2026``."""
        problem, share = self.allocation.problem, self.share
        found: dict[str, str | float] = {
            "clause": problem.clause,
            "label": problem.label,
            "unit": problem.unit or "—",
            "member": share.name,
        }
        if problem.kind is not DividedKind.EVENT:
            found["value"] = share.value
        found |= {
            name: number for name, number in (("present", share.present), ("basis", share.basis)) if number is not None
        }
        return found | {f"y{year}": amount for year, amount in share.yearly.items()}


class AnswerDecision(Record):
    """What one member said of one target."""

    target: str
    """Target id."""
    member: str
    """Place or body id."""
    agrees: bool
    """Whether it agrees; else it proposes a figure."""
    figure: float | None = None
    """Proposed figure, in the target's unit."""
    reason: str = ""
    """Why."""
    person: str = ""
    """Who filled it in."""
    file: str
    """Workbook."""
    cell: str = ""
    """Cell of the answer."""


class AnswersTaken(Record):
    """What came of the answered workbooks."""

    decisions: tuple[AnswerDecision, ...]
    """Valid answers."""
    missing: tuple[str, ...]
    """Rows without an answer: target and member."""
    findings: tuple[Finding, ...]
    """What is wrong with the books."""

    @property
    def proposals(self) -> tuple[AnswerDecision, ...]:
        """Answers that propose another figure."""
        return tuple(one for one in self.decisions if not one.agrees)


def consulted_rows(consultation: Consultation) -> tuple[ConsultedRow, ...]:
    """Return the rows of a consultation, target by target, in the order of the members' ids."""
    return tuple(
        ConsultedRow(key=f"{one.problem.target}|{share.member}", allocation=one, share=share)
        for one in consultation.allocations
        for share in one.shares
    )


def take_answers(consultation: Consultation, papers: Sequence[AnswerPaper]) -> AnswersTaken:
    """Judge answered workbooks against what was sent.

    Parameters
    ----------
    consultation : Consultation
    papers : sequence of AnswerPaper
        Each member may send one of its own, with the other members' rows left empty.

    Returns
    -------
    AnswersTaken
        A book of another consultation or digest is refused as a whole; a row whose locked cells were changed, or whose answer
        is contradictory, is refused; two different answers to one row are both refused.
    """
    judging = _Judging(consultation)
    for paper in papers:
        judging.take(paper)
    return judging.taken()


class _Judging:
    def __init__(self, consultation: Consultation) -> None:
        self.consultation = consultation
        self.rows = {row.key: row for row in consulted_rows(consultation)}
        self.answers: dict[str, list[AnswerDecision]] = {}
        self.findings: list[Finding] = []

    def taken(self) -> AnswersTaken:
        decisions = []
        for key, found in sorted(self.answers.items()):
            said = {(one.agrees, one.figure) for one in found}
            if len(said) > 1:
                row = self.rows[key]
                files = "、".join(one.file for one in found)
                self._say(
                    "answers-differ", f"{row.share.name}对“{row.allocation.problem.label}”有两种不同的答复：{files}，均未采用",
                    value=key,
                )  # fmt: skip
                continue
            decisions.append(found[0])
        missing = tuple(key for key in self.rows if key not in self.answers)
        if missing:
            names = dict.fromkeys(self.rows[key].share.name for key in missing)
            self._say(
                "answer-missing", f"{len(missing)}行没有有效答复，涉及{'、'.join(names)}", Severity.WARNING,
                value="、".join(missing[:8]), next_step="催办，或按无意见处理（由组织方决定）",
            )  # fmt: skip
        return AnswersTaken(decisions=tuple(decisions), missing=missing, findings=tuple(self.findings))

    def _say(
        self,
        problem: str,
        sentence: str,
        severity: Severity = Severity.ERROR,
        *,
        value: str = "",
        expected: str = "",
        next_step: str = "",
        where: Location | None = None,
    ) -> None:
        self.findings.append(
            Finding(
                name=f"{_ROOM}.{problem}",
                sentence=sentence,
                severity=severity,
                value=value,
                expected=expected,
                next_step=next_step,
                where=where or Location(),
            )
        )

    def take(self, paper: AnswerPaper) -> None:
        here = Location(file=paper.file)
        if paper.consultation != self.consultation.id or paper.digest != self.consultation.digest:
            which = "wrong-digest" if paper.consultation == self.consultation.id else "wrong-consultation"
            self._say(
                which, f"{paper.file}不是本次征求意见发出的那一份，整份未采用",
                value=f"{paper.consultation} {paper.digest[:12]}",
                expected=f"{self.consultation.id} {self.consultation.digest[:12]}",
                next_step="请对方用本次发出的表填报", where=here,
            )  # fmt: skip
            return
        gone = [key for key in paper.listed if key not in {entry.key for entry in paper.entries}]
        if gone:
            self._say(
                "row-gone", f"{paper.file}少了发出时的{len(gone)}行", Severity.WARNING, value="、".join(gone[:8]), where=here
            )  # fmt: skip
        seen: set[str] = set()
        for entry in paper.entries:
            if entry.key in seen:
                self._say(
                    "row-twice", f"{entry.key}在{paper.file}中出现两次，后一行未采用", where=_at(paper, entry, "answer")
                )
                continue
            seen.add(entry.key)
            self._entry(paper, entry)

    def _entry(self, paper: AnswerPaper, entry: AnswerEntry) -> None:
        row = self.rows.get(entry.key)
        if row is None:
            self._say(
                "row-unknown", f"“{entry.key}”不是发出的行", value=entry.texts.get("answer", ""),
                next_step="删去自加的行；意见请写在原有各行", where=_at(paper, entry, "answer"),
            )  # fmt: skip
            return
        changed = self._changed(row, entry)
        for name, was in changed.items():
            self._say(
                "locked-changed", f"{row.share.name}“{row.allocation.problem.label}”一行中锁定的数字或文字被改动，该行未采用",
                value=entry.texts.get(name, "（空）"), expected=str(was),
                next_step="要改数请填“建议数”和理由", where=_at(paper, entry, name),
            )  # fmt: skip
        if not changed:
            self._answer(paper, entry, row)

    def _changed(self, row: ConsultedRow, entry: AnswerEntry) -> dict[str, str | float]:
        """Return locked cells that no longer hold what was sent, with what was sent."""
        shown = row.shown()
        found: dict[str, str | float] = {}
        for name in entry.cells:
            if name in ("answer", "proposed", "reason", "person"):
                continue
            was, now = shown.get(name, ""), entry.texts.get(name, "")
            number = _number(now)
            same = fold_width(str(was)) == fold_width(now)
            if isinstance(was, float | int):
                same = number is not None and math.isclose(number, was, rel_tol=1e-9, abs_tol=1e-9)
            if not same:
                found[name] = was
        return found

    def _answer(self, paper: AnswerPaper, entry: AnswerEntry, row: ConsultedRow) -> None:
        texts = entry.texts
        answer, proposed, reason = (texts.get(name, "") for name in ("answer", "proposed", "reason"))
        if not (answer or proposed):
            if reason:
                self._say(
                    "answer-unclear", f"{row.share.name}只写了理由，没有答复", value=reason[:40],
                    expected="同意，或修改建议加建议数", where=_at(paper, entry, "answer"),
                )  # fmt: skip
            return
        word = answer.strip("。. ").lower()
        agrees = word in _AGREE
        if not agrees and word not in _PROPOSE:
            self._say(
                "answer-unclear", f"{row.share.name}的答复“{answer[:20]}”认不出", value=answer or "（空）",
                expected="同意、修改建议", where=_at(paper, entry, "answer"),
            )  # fmt: skip
            return
        figure = _number(proposed)
        problem = row.allocation.problem
        refuse = ""
        if agrees and proposed and (figure is None or figure != row.share.value):
            refuse, expected = "答复同意，又填了另一个建议数", "二者择一"
        elif not agrees and figure is None:
            refuse, expected = "建议修改而没有可读的建议数", f"一个数，单位{problem.unit or '同上'}"
        elif not agrees and not reason:
            refuse, expected = "建议修改而没有理由", "写明理由"
        elif not agrees and figure is not None and problem.kind is DividedKind.AMOUNT and figure < 0:
            refuse, expected = "建议数为负", "非负数"
        elif not agrees and figure is not None and Decimal(repr(figure)) % Decimal(repr(problem.digit)):
            refuse, expected = f"建议数{proposed}不是末位{problem.digit:g}的整数倍", f"末位{problem.digit:g}"
        if refuse:
            self._say(
                "answer-incomplete", f"{row.share.name}“{problem.label}”：{refuse}，该行未采用", value=proposed or answer,
                expected=expected, where=_at(paper, entry, "proposed"),
            )  # fmt: skip
            return
        self.answers.setdefault(entry.key, []).append(
            AnswerDecision(
                target=problem.target,
                member=row.share.member,
                agrees=agrees,
                figure=None if agrees else figure,
                reason=reason,
                person=texts.get("person", ""),
                file=paper.file,
                cell=entry.cells.get("answer", ""),
            )
        )


def _at(paper: AnswerPaper, entry: AnswerEntry, column: str) -> Location:
    return Location(file=paper.file, sheet=entry.sheet, cell=entry.cells.get(column, ""))


def _number(text: str) -> float | None:
    try:
        value = float(fold_width(text).replace(",", ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def redivide(
    consultation: Consultation,
    decisions: Sequence[AnswerDecision],
    *,
    accepted: Collection[str],
    difference: Difference = Difference.OTHERS,
) -> tuple[Allocation, ...]:
    """Return the divisions after proposals were accepted.

    Parameters
    ----------
    consultation : Consultation
    decisions : sequence of AnswerDecision
        Answers that were taken.
    accepted : collection of str
        Proposals that are accepted: ``target|member``.
    difference : Difference
        *others*: accepted figures are set aside and what is left is divided among the others by the same criterion, so that the
        sum stays exact. *open*: the others keep their shares, and what does not add up is said.

    Returns
    -------
    tuple of Allocation
        In the order of the consultation; a target without an accepted proposal is as it was sent, but for a share that is
        divided further and has changed above.
    """
    figures = {
        f"{one.target}|{one.member}": one.figure
        for one in decisions
        if one.figure is not None and f"{one.target}|{one.member}" in accepted
    }
    found: list[Allocation] = []
    totals: dict[str, float] = {}
    for one in consultation.allocations:
        problem = one.problem
        above = totals.get(f"{problem.target}|{problem.place}")
        mine = {
            member.id: figures[f"{problem.target}|{member.id}"]
            for member in problem.members
            if f"{problem.target}|{member.id}" in figures
        }
        now = one
        if above is not None and above != problem.total:  # what is divided here has changed above
            now = allocate(problem.model_copy(update={"total": above}))
        after = _after(now, mine, difference) if mine else now
        totals |= {f"{problem.target}|{name}": value for name, value in after.values().items()}
        found.append(after)
    return tuple(found)


def _after(before: Allocation, figures: Mapping[str, float], difference: Difference) -> Allocation:
    problem = before.problem
    if problem.kind in (DividedKind.LIMIT, DividedKind.EVENT):
        shares = tuple(
            share.model_copy(update={"value": figures[share.member], "bound": "own"})
            if share.member in figures
            else share
            for share in before.shares
        )
        return before.model_copy(update={"shares": shares})
    if difference is Difference.OTHERS:
        own = problem.own | dict(figures)
        return allocate(problem.model_copy(update={"own": own}))
    if problem.kind is DividedKind.RATE:
        own = before.values() | dict(figures)
        found = allocate(problem.model_copy(update={"own": own}))
        worse = found.mean is not None and problem.total is not None
        gap = (found.mean or 0.0) - (problem.total or 0.0)
        if worse and (gap > 1e-12 if problem.falling else gap < -1e-12):
            said = allocation_finding(
                problem, "difference-open", f"加权平均{found.mean:.6g}达不到{problem.total:g}，差{abs(gap):.6g}未落实",
                Severity.WARNING, value=f"{gap:.6g}",
            )  # fmt: skip
            return found.model_copy(update={"findings": (*found.findings, said)})
        return found
    own = before.values() | dict(figures)
    total = sum(Decimal(repr(value)) for value in own.values())
    found = allocate(problem.model_copy(update={"own": own, "total": float(total)}))
    asked = units_of(problem.total or 0.0, problem.digit)
    gap_units = asked - found.sum_units()
    kept = found.model_copy(update={"problem": found.problem.model_copy(update={"total": problem.total})})
    if gap_units == 0:
        return kept
    short = Decimal(gap_units) * Decimal(repr(problem.digit))
    words = (
        f"各地合计{float(total):g}，上级{problem.total:g}，{'尚差' if short > 0 else '超出'}{abs(float(short)):g}未落实"
    )
    said = allocation_finding(problem, "difference-open", words, Severity.WARNING, value=f"{float(short):g}")
    return kept.model_copy(update={"findings": (*kept.findings, said)})
