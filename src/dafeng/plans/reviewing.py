"""Decisions of people, taken from a review paper that came back: every row ends as decision, as untouched, or with a finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from dafeng.base.document import DocumentText
from dafeng.base.errors import InputError, UsageError
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.obligation import Obligation
from dafeng.base.record import Record
from dafeng.base.target import Locator, Target
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.decision_schemas import DecisionSubject, PlanDecision, ReadingAnchor, ReadingVerdict
from dafeng.intake.review_reading import ReviewEntry, ReviewPaper, read_review_paper
from dafeng.plans.read_records import ReadDuty, ReadPlan, ReadTarget
from dafeng.plans.review_additions import anchor_of_addition, complete_addition, find_stretch
from dafeng.plans.review_answers import read_answer, verdict_of
from dafeng.plans.review_entries import (
    Told,
    anchor_of_key,
    decision_key,
    of_the_person,
    said_before,
    same_texts,
    says_the_same,
    subject_of,
)
from dafeng.plans.review_words import (
    FIELD_HEADS,
    FieldError,
    own_fields,
    read_field,
    review_items,
    within_bounds,
)

__all__ = ["ReviewRead", "accept_above", "read_review"]

_FAULTS: Final = {
    "a milestone has no value, every other target has one": "里程碑没有数值（数值填“无”），其余读法都要有数值",
    "value_max stands with a smaller value": "上限应不小于数值",
    "a change states its base and its sense": "较基期变化须写明基准和增减",
}
_LISTED: Final = 10


class ReviewRead(Record):
    """What came of a review paper."""

    decisions: tuple[PlanDecision, ...]
    """New decisions, those of the paper before those in bulk."""
    findings: tuple[Finding, ...]
    """Rows that were refused or deleted, and what is worth knowing."""
    untouched: int = 0
    """Rows or comments that nobody wrote in."""
    repeated: int = 0
    """Decisions that say what the newest stored one says already."""


def read_review(
    source: Path | bytes | ReviewPaper,
    *,
    document: DocumentText,
    reading: ReadPlan,
    catalog: Catalog,
    plan_id: str,
    by: str | None,
    on: date,
    above: float | None = None,
    earlier: Sequence[PlanDecision] = (),
    file: str = "",
) -> ReviewRead:
    """Make decisions of a review workbook or commented document.

    Parameters
    ----------
    source : Path, bytes or ReviewPaper
    document : DocumentText
        The document that was read.
    reading : ReadPlan
        Its reading, before decisions.
    catalog : Catalog
    plan_id : str
    by : str or None
        Who decides where a row names nobody.
    on : date
        Day of the decisions.
    above : float, optional
        Accept every target and duty that is at least so sure and that nobody has decided upon, 0 to 1.
    earlier : sequence of PlanDecision
        Decisions that are stored already.
    file : str, optional
        Name for messages where bytes are given.

    Returns
    -------
    ReviewRead
        A row with a fault gives a finding at its cell and no decision; the others stand.

    Raises
    ------
    InputError
        The file cannot be read, is no review paper, or was made for another document or plan.
    UsageError
        `above` is asked for without `by`, or lies outside 0 to 1.
    """
    paper = source if isinstance(source, ReviewPaper) else read_review_paper(source, file=file)
    if paper.document != document.sha256:
        raise _foreign(paper, f"of document {paper.document[:12]}…, not of {document.file} ({document.sha256[:12]}…)")
    if paper.plan and paper.plan != plan_id:
        raise _foreign(paper, f"of the plan {paper.plan}, not of {plan_id}")
    review = _Review(paper.file, document, reading, catalog, plan_id, by, on, earlier)
    review.read(paper)
    if above is not None:
        review.bulk(above)
    return review.result()


def accept_above(
    above: float,
    *,
    document: DocumentText,
    reading: ReadPlan,
    catalog: Catalog,
    plan_id: str,
    by: str,
    on: date,
    earlier: Sequence[PlanDecision] = (),
) -> ReviewRead:
    """Accept, without any paper, every target and duty that is sure enough and that nobody has decided upon.

    Parameters
    ----------
    above : float
        Confidence, 0 to 1.
    document, reading, catalog, plan_id, by, on, earlier
        As for `read_review`.

    Raises
    ------
    UsageError
        `above` lies outside 0 to 1.
    """
    review = _Review(document.file, document, reading, catalog, plan_id, by, on, earlier)
    review.bulk(above)
    return review.result()


def _foreign(paper: ReviewPaper, what: str) -> InputError:
    return InputError(
        f"{paper.file} is a review paper {what}",
        doing="read a review paper",
        expected="a paper made from this very document",
        next_step="用对应的方案文件，或重新生成复核表 / take the document that it was made for, or make the paper anew",
        file=paper.file,
        name="plans.review.other-document",
    )


class _Review:
    def __init__(
        self,
        file: str,
        document: DocumentText,
        reading: ReadPlan,
        catalog: Catalog,
        plan_id: str,
        by: str | None,
        on: date,
        earlier: Sequence[PlanDecision],
    ) -> None:
        self.file = file
        self.document = document
        self.reading = reading
        self.catalog = catalog
        self.plan_id = plan_id
        self.by = (by or "").strip()
        self.on = on
        self.items = review_items(reading, document)
        self.by_key = {item.key: item for item in reversed(self.items)}
        self.by_mark = {item.mark: item for item in reversed(self.items)}
        own = sorted((each for each in earlier if each.plan == plan_id), key=lambda each: (each.on, each.id))
        self.newest = {decision_key(each.subject, each.anchor): each for each in own}
        self.ids = {each.id for each in own}
        self.decisions: list[PlanDecision] = []
        self.seen: dict[str, tuple[Told, PlanDecision | None]] = {}
        self.twice: set[str] = set()
        self.findings: list[Finding] = []
        self.untouched = 0
        self.repeated = 0
        self.looked_at: set[str] = set()

    # The paper ------------------------------------------------------------------------------------------------------

    def read(self, paper: ReviewPaper) -> None:
        """Take every entry of a paper, then look for rows that are gone."""
        for entry in paper.entries:
            told = self._told(entry)
            if told is None:
                continue
            if same_texts(told.texts, said_before(entry).get("texts", {})):
                self.untouched += 1
                continue
            decision = self._decided(told)
            if told.anchor is not None:
                self.looked_at.add(decision_key(told.subject, told.anchor))
            if decision is not None:
                self._take(told, decision)
        for key, (_, decision) in self.seen.items():
            if decision is None or key in self.twice:
                continue
            if says_the_same(self.newest.get(key), decision):
                self.repeated += 1
                continue
            self._keep(decision)
        self._deleted(paper)

    def _take(self, told: Told, decision: PlanDecision) -> None:
        key = decision_key(decision.subject, decision.anchor)
        before = self.seen.get(key)
        if before is not None and before[1] is not None and not says_the_same(before[1], decision):
            self.twice.add(key)
            self._say(
                told,
                "verdict",
                "two-rows",
                f"与{before[0].entry.sheet}第{before[0].entry.row}行说的是同一处原文，两行的决定不同，两行都未采用",
                expected="一处原文一个决定；补录几个目标时各摘各的原文",
                next_step="删去其中一行的决定，或缩短补录的原文",
            )
        self.seen.setdefault(key, (told, decision))

    def _told(self, entry: ReviewEntry) -> Told | None:
        if entry.key.startswith("@") or not entry.key:
            subject = DecisionSubject.TARGET if entry.subject == "number" else DecisionSubject(entry.subject)
            texts = self._answer(entry, subject) if "answer" in entry.texts or entry.key else dict(entry.texts)
            return None if texts is None else Told(entry, texts, None, None, subject)
        item = self.by_mark.get(entry.key) or self.by_key.get(entry.key)
        anchor = item.anchor if item is not None else anchor_of_key(entry.key)
        subject = item.subject if item is not None else subject_of(entry)
        if anchor is None:
            error = FieldError(
                "lost-row", "该行的隐藏标识已损坏，不知道说的是哪一处原文", "复核表原有的行；请重新生成复核表"
            )
            self._refuse(Told(entry, entry.texts, None, None, subject), "verdict", error)
            return None
        written = self._answer(entry, subject, anchor) if "answer" in entry.texts else dict(entry.texts)
        if written is None:
            self.looked_at.add(decision_key(subject, anchor))
            return None
        texts = {name: text for name, text in written.items() if of_the_person(name)}
        return Told(entry, texts, item, anchor, subject, said_before(entry).get("fields"))

    def _answer(
        self, entry: ReviewEntry, subject: DecisionSubject, anchor: ReadingAnchor | None = None
    ) -> dict[str, str] | None:
        """Return the fields of an answer written in a comment, None where it was refused."""
        answer = entry.texts.get("answer", "")
        person = {"person": entry.texts["person"]} if "person" in entry.texts else {}
        try:
            return person | read_answer(answer, subject) if answer else {}
        except FieldError as error:
            self._refuse(Told(entry, {"verdict": answer}, None, anchor, subject), "verdict", error)
            return None

    def _deleted(self, paper: ReviewPaper) -> None:
        present = {entry.key for entry in paper.entries}
        gone = [key for key in dict.fromkeys(paper.listed) if key not in present]
        for key in gone[:_LISTED]:
            anchor = anchor_of_key(key)
            what = f"{anchor.clause} {anchor.label}".strip() if anchor else key[:40]
            self._note("row-deleted", f"复核表中“{what}”一行已删除，视为未作决定", value=what)
        if len(gone) > _LISTED:
            self._note("row-deleted", f"另有{len(gone) - _LISTED}行已删除，视为未作决定", value=str(len(gone)))

    # One entry ------------------------------------------------------------------------------------------------------

    def _decided(self, told: Told) -> PlanDecision | None:
        """Return the decision of an entry; None where nobody decided, or where a fault is told."""
        try:
            verdict = self._verdict(told)
            return None if verdict is None else self._sound(told, verdict)
        except FieldError as error:
            self._refuse(told, error.field or "verdict", error)
            return None

    def _verdict(self, told: Told) -> ReadingVerdict | None:
        word = told.texts.get("verdict", "")
        if word:
            return verdict_of(word)
        if told.corrected or (told.anchor is None and told.texts):
            wanted = "补录" if told.anchor is None else "修改"
            raise FieldError("no-verdict", "填了内容但没有选决定", wanted)
        if "reason" in told.texts and told.texts["reason"] != said_before(told.entry).get("texts", {}).get("reason"):
            raise FieldError("no-verdict", "写了理由但没有选决定", "采纳、修改或驳回")
        if "verdict" in said_before(told.entry).get("texts", {}):
            self._say(told, "verdict", "verdict-cleared", "决定被清空；此前的决定仍然有效", severity=Severity.INFO)
        else:
            self.untouched += 1
        return None

    def _sound(self, told: Told, verdict: ReadingVerdict) -> PlanDecision | None:
        """Return a decision that has all that it needs."""
        reason = told.texts.get("reason", "")
        person = told.texts.get("person", "") or self.by
        added = told.anchor is None or told.added is not None
        if not person:
            raise FieldError("no-person", "没有复核人", "复核人姓名，或用 --by 指明", field="person")
        if added != (verdict is ReadingVerdict.ADD) and not (
            told.added is not None and verdict is ReadingVerdict.REJECT
        ):
            raise FieldError("wrong-verdict", "决定与行不符", "补录" if added else "采纳、修改或驳回")
        if verdict is ReadingVerdict.ACCEPT and told.corrected:
            expected = "选修改，或清空改后字段"
            raise FieldError("accept-with-fields", "选了采纳，却填了改后字段", expected, field=told.corrected[0])
        if verdict in (ReadingVerdict.REJECT, ReadingVerdict.CORRECT) and not reason:
            raise FieldError("no-reason", "修改和驳回要有理由", "一句理由", field="reason")
        if verdict is ReadingVerdict.ADD:
            return self._addition(told, person, reason)
        if verdict is ReadingVerdict.CORRECT:
            return self._correction(told, person, reason)
        assert told.anchor is not None
        return self._decision(told.subject, told.anchor, verdict, {}, person, reason)

    def _fields(self, told: Told, known: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the fields that a person wrote, None where one of them is wrong."""
        fields: dict[str, Any] = {}
        faulty = False
        unit = told.texts.get("new_unit") or known.get("unit")
        for name in told.corrected:
            field = name.removeprefix("new_")
            try:
                fields[field] = read_field(field, told.texts[name], self.catalog, unit=unit)
            except FieldError as error:
                faulty = True
                self._refuse(told, name, error)
        return None if faulty else fields

    def _correction(self, told: Told, person: str, reason: str) -> PlanDecision | None:
        assert told.anchor is not None
        own = own_fields(told.item) if told.item is not None else {}
        fields = self._fields(told, own)
        if fields is None:
            return None
        if all(name in own and own[name] == value for name, value in fields.items()):
            raise FieldError("nothing-changed", "选了修改，但没有任何字段与读出的不同", "至少一个改后字段")
        if told.item is not None:
            self._check(told, own | fields, Locator(start=told.item.span[0], end=told.item.span[1]))
        return self._decision(told.subject, told.anchor, ReadingVerdict.CORRECT, fields, person, reason)

    def _check(self, told: Told, fields: Mapping[str, Any], at: Locator) -> None:
        """Raise FieldError where no target or duty can be made of fields."""
        clause = self.reading.outline.clause_at(at.start).number
        filled = {name: value for name, value in fields.items() if value is not None and name != "indicator"}
        whole = {"id": "x", "clause": clause, "at": at} | filled
        try:
            if told.subject is DecisionSubject.TARGET:
                target = Target.model_validate({"indicator": "x"} | whole)
                within_bounds(target, self.catalog.indicators.get(str(fields.get("indicator"))))
            elif told.subject is DecisionSubject.OBLIGATION:
                Obligation.model_validate(whole)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            message = first["msg"].removeprefix("Value error, ")
            name = str(first["loc"][0]) if first["loc"] else ""
            head = FIELD_HEADS[told.subject].get(name, name)
            said = _FAULTS.get(message) or (f"还缺{head}" if first["type"] == "missing" else f"{head}：{message}")
            raise FieldError(
                "faulty-fields", said, "补齐或改正改后字段", field=f"new_{name}" if name else ""
            ) from error

    def _addition(self, told: Told, person: str, reason: str) -> PlanDecision | None:
        """Return the decision of a row that a person added, now or earlier."""
        if told.subject is DecisionSubject.TASK:
            raise FieldError("no-added-tasks", "任务不能补录", "在任务所在行修改")
        written = self._fields(told, {})
        if written is None:
            return None
        outline = self.reading.outline
        fields = complete_addition(written, told.subject)
        if told.added is not None:
            at = Locator.model_validate(told.added["at"])
        else:
            at = find_stretch(
                told.texts,
                fields,
                told.subject,
                document=self.document,
                outline=outline,
                items=self.items,
                number=told.entry.key.removeprefix("@"),
            )
        self._check(told, fields, at)
        anchor = told.anchor or anchor_of_addition(told.subject, at, fields, self.document, outline)
        stored = {"at": [at.start, at.end]} | fields
        return self._decision(told.subject, anchor, ReadingVerdict.ADD, stored, person, reason)

    # In bulk --------------------------------------------------------------------------------------------------------

    def bulk(self, above: float) -> None:
        """Accept what is sure enough and undecided."""
        if not self.by or not 0 <= above <= 1:
            raise UsageError(
                f"accept above {above} by {self.by or 'nobody'}",
                doing="accept readings in bulk",
                expected="a confidence from 0 to 1 and the name of who accepts",
                next_step="say --above 0.9 --by NAME",
            )
        done = self.looked_at | set(self.newest) | {decision_key(each.subject, each.anchor) for each in self.decisions}
        for item in self.items:
            key = decision_key(item.subject, item.anchor)
            if not isinstance(item.item, ReadTarget | ReadDuty) or item.item.confidence < above or key in done:
                continue
            done.add(key)
            reason = (
                f"批量采纳：把握不低于{above:.4g}"
                if above * 100 % 1 > 1e-9
                else f"批量采纳：把握不低于{above * 100:.0f}%"
            )
            self._keep(self._decision(item.subject, item.anchor, ReadingVerdict.ACCEPT, {}, self.by, reason))

    # Results --------------------------------------------------------------------------------------------------------

    def _decision(
        self,
        subject: DecisionSubject,
        anchor: ReadingAnchor,
        verdict: ReadingVerdict,
        fields: dict[str, Any],
        person: str,
        reason: str,
    ) -> PlanDecision:
        return PlanDecision(
            id="unnamed",
            plan=self.plan_id,
            document=self.document.sha256,
            subject=subject,
            anchor=anchor,
            verdict=verdict,
            fields=fields,
            by=person,
            on=self.on,
            reason=reason.strip(),
        )

    def _keep(self, decision: PlanDecision) -> None:
        stem = f"{self.plan_id}-{decision.subject.value}-{decision.anchor.quote[:8]}-{self.on:%Y%m%d}"
        number = 1
        while f"{stem}-{number:02d}" in self.ids:
            number += 1
        name = f"{stem}-{number:02d}"
        self.ids.add(name)
        self.decisions.append(decision.model_copy(update={"id": name}))

    def result(self) -> ReviewRead:
        """Return what came of it."""
        return ReviewRead(
            decisions=tuple(self.decisions),
            findings=tuple(self.findings),
            untouched=self.untouched,
            repeated=self.repeated,
        )

    def _refuse(self, told: Told, cell: str, error: FieldError) -> None:
        value = told.texts.get(cell, "")[:60]
        self._say(told, cell, error.name, f"{error.sentence}，未采用", expected=error.expected, value=value)

    def _say(
        self,
        told: Told,
        cell: str,
        problem: str,
        sentence: str,
        *,
        expected: str = "",
        value: str | None = None,
        next_step: str = "改正后重新提交",
        severity: Severity = Severity.ERROR,
    ) -> None:
        entry = told.entry
        label = told.anchor.label if told.anchor else told.texts.get("new_label") or told.texts.get("new_title") or ""
        about = (
            f"（{told.anchor.clause} {label}）".replace("（ ", "（") if told.anchor else f"（{label}）" if label else ""
        )
        self.findings.append(
            Finding(
                name=f"plans.review.{problem}",
                sentence=f"{entry.sheet}第{entry.row}行{about}：{sentence}"
                if entry.cells
                else f"{entry.sheet}{about}：{sentence}",
                severity=severity,
                value=value if value is not None else told.texts.get(cell, ""),
                expected=expected,
                next_step=next_step,
                where=Location(file=self.file, sheet=entry.sheet, cell=entry.cells.get(cell, "")),
            )
        )

    def _note(self, problem: str, sentence: str, *, value: str) -> None:
        self.findings.append(
            Finding(
                name=f"plans.review.{problem}",
                sentence=sentence,
                severity=Severity.INFO,
                value=value,
                where=Location(file=self.file),
            )
        )
