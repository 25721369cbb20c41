"""A plan document as a whole: outline, promises, milestones, duties, indicators, and an account of every number."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from dafeng.base.document import DocumentText
from dafeng.base.errors import UnknownNameError
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.target import Measure
from dafeng.catalog.catalog import Catalog
from dafeng.plans.clauses import ClauseFinder, bodies_at
from dafeng.plans.duties import read_duties
from dafeng.plans.matching import match_indicator
from dafeng.plans.milestones import read_milestones
from dafeng.plans.numbers import find_numbers
from dafeng.plans.outline import read_outline
from dafeng.plans.promises import read_promises
from dafeng.plans.read_records import LabelKind, NumberFate, Origin, ReadDuty, ReadNumber, ReadPlan, ReadTarget
from dafeng.plans.units_written import COUNTED

__all__ = ["NO_PLAN", "UNCLAIMED", "coverage", "is_plan", "read_plan"]

UNCLAIMED: Final = "plans.number.unclaimed"
"""Name of the finding that a number has no fate."""
NO_PLAN: Final = "plans.document.no-plan"
"""Name of the finding that a document holds nothing of a plan."""

_YIELDS: Final = frozenset(
    (
        "description_of_object",
        "grade",
        "existing_count",
        "list_count",
        "period_of_time",
        "start_year",
        "unclaimed",
        "ordinal",
    )
)


_BOUND_ASKED: Final = re.compile(r"(?:^| and )(?:height|storeys|pv_roof_share|plot_ratio) [<>]=? \d")


def _duty_of(duties: Sequence[ReadDuty], starts: Sequence[int], offset: int) -> ReadDuty | None:
    """Return the duty in whose words a character stands."""
    index = bisect_right(starts, offset) - 1
    duty = duties[index] if index >= 0 else None
    return duty if duty is not None and duty.at.start <= offset < duty.at.end else None


def _bound_of_a_project(target: ReadTarget, duty: ReadDuty) -> bool:
    """Whether a number inside a duty only says what each project must show, so that it is no promise of its own."""
    since_only = target.start is not None and target.by is None
    counted = (
        target.by is None and target.unit is not None and target.unit.lstrip("万亿") in COUNTED and target.unit != "层"
    )
    asked = duty.obligation is not None and _BOUND_ASKED.search(duty.obligation.require) is not None
    bounded = target.kind is LabelKind.LIMIT and target.by is None and not duty.soft
    return since_only or counted or (bounded and asked)


def _shared_out(
    targets: Sequence[ReadTarget], fates: Sequence[NumberFate], duties: Sequence[ReadDuty]
) -> tuple[list[ReadTarget], list[NumberFate]]:
    """Give the duties their numbers: those of conditions and grades, and bounds that every single project must keep."""
    starts = [duty.at.start for duty in duties]
    by_id = {target.id: target for target in targets}
    taken: set[str] = set()
    settled: list[NumberFate] = []
    for fate in fates:
        duty = _duty_of(duties, starts, fate.at.start)
        target = by_id.get(fate.of or "")
        if duty is not None and (fate.fate in _YIELDS or (target is not None and _bound_of_a_project(target, duty))):
            if target is not None:
                taken.add(target.id)
            settled.append(NumberFate(at=fate.at, fate="obligation", of=duty.id))
        else:
            settled.append(fate)
    return [target for target in targets if target.id not in taken], settled


def _named(targets: Iterable[ReadTarget]) -> tuple[list[ReadTarget], dict[str, str]]:
    """Give targets ids made of indicator and year or measure; return them with the way from the first ids."""
    used: Counter[str] = Counter()
    named: list[ReadTarget] = []
    moved: dict[str, str] = {}
    for target in targets:
        indicator = target.match.indicator if target.match else None
        name = target.id
        if indicator is not None:
            name = f"{indicator.replace('_', '-')}-{target.by or target.measure.value.replace('_', '-')}"
        used[name] += 1
        if used[name] > 1:
            name = f"{name}-{used[name]}"
        if target.measure is not Measure.MILESTONE:
            moved[target.id] = name
        named.append(target.model_copy(update={"id": name}))
    return named, moved


def _matched(target: ReadTarget, catalog: Catalog, exclude: frozenset[str]) -> ReadTarget:
    match = match_indicator(
        target.label, unit=target.unit, kind=target.kind, scope=target.scope, catalog=catalog, exclude=exclude
    )
    reasons = target.reasons if match.score >= 1 else (*target.reasons, match.reason)
    return target.model_copy(
        update={"match": match, "confidence": round(target.confidence * max(match.score, 0.3), 4), "reasons": reasons}
    )


def _unclaimed(document: DocumentText, fates: Iterable[NumberFate]) -> list[Finding]:
    return [
        Finding(
            name=UNCLAIMED,
            sentence=f"读方案：“{document.quote(max(0, fate.at.start - 12), fate.at.end + 12)}”中的数没有归属，既不是目标、义务，也不合任何一种理由",
            severity=Severity.WARNING,
            value=document.quote(fate.at.start, fate.at.end),
            expected="目标、义务，或日期、标题、名称等有名的理由",
            next_step="请人工看这一句，补目标或注明理由",
            where=Location(file=document.file, field=str(document.where(fate.at.start))),
            evidence={"start": fate.at.start, "end": fate.at.end},
        )
        for fate in fates
        if fate.fate == "unclaimed"
    ]


def _without_plan(document: DocumentText, plan: ReadPlan) -> list[Finding]:
    if is_plan(plan):
        return []
    return [
        Finding(
            name=NO_PLAN,
            sentence="读方案：没有读到目标、义务和责任单位，这份文件不像是方案",
            severity=Severity.WARNING,
            value=document.file,
            expected="有目标、任务和责任单位的方案正文",
            next_step="确认文件是否拿对；方案只有附件或图片的，换成带正文的文件",
            where=Location(file=document.file),
        )
    ]


def _speaks_as_plan(plan: ReadPlan) -> bool:
    """Whether a document shows any mark of the genre: title, number, duty, list of bodies, or an indicator of the field."""
    head = plan.outline.head
    return bool(
        head.title
        or head.number
        or plan.duties
        or any(clause.lists for clause in plan.outline.clauses)
        or any(target.match is not None and target.match.indicator is not None for target in plan.targets)
    )


def _without_promises(plan: ReadPlan) -> ReadPlan:
    """Return a reading that promises nothing: what sounds like a promise in a novel is none."""
    numbers = tuple(NumberFate(at=fate.at, fate="no_plan") if fate.fate == "target" else fate for fate in plan.numbers)
    return plan.model_copy(update={"targets": (), "numbers": numbers})


def is_plan(plan: ReadPlan) -> bool:
    """Return whether a document holds anything of a plan: a target, a duty or a body that answers for something."""
    return bool(plan.targets or plan.duties or any(clause.lists for clause in plan.outline.clauses))


def _milestones(document: DocumentText, numbers: tuple[ReadNumber, ...], plan: ReadPlan) -> list[ReadTarget]:
    """Milestones with the bodies of their stretch, without those whose stretch already promises a number."""
    promised = [fate.at.start for fate in plan.numbers if fate.fate == "target"]
    clauses = ClauseFinder(plan.outline)
    found = []
    for milestone in read_milestones(document, plan.outline, numbers):
        index = bisect_left(promised, milestone.at.start)
        if index < len(promised) and promised[index] < milestone.at.end:
            continue
        bodies = milestone.bodies or bodies_at(clauses.at(milestone.at.start), milestone.at.start)
        found.append(milestone.model_copy(update={"bodies": bodies}))
    return found


def read_plan(document: DocumentText, catalog: Catalog, *, exclude_lexicon: frozenset[str] = frozenset()) -> ReadPlan:
    """Return what a plan document promises, obliges and tasks, with a fate for each of its numbers.

    Parameters
    ----------
    document : DocumentText
    catalog : Catalog
        Names of bodies, places and indicators, and the project fields that conditions of duties may use.
    exclude_lexicon : frozenset of str, optional
        Names of bodies and indicators to do without, to see how far the grammar goes alone.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> from dafeng.catalog import load_catalog
    >>> lines = ("东川市绿色建筑工作方案", "一、重点任务", "（一）推广光伏。到2025年，城镇建筑可再生能源替代率达到9%。（市住建局负责）")
    >>> plan = read_plan(DocumentText("a.txt", "txt", "0" * 64, tuple(map(Block, lines))), load_catalog())
    >>> [(target.id, target.comparator.value, target.value, target.unit, target.by, target.bodies) for target in plan.targets]
    [('renewable-substitution-rate-2025', '>=', 9.0, '%', 2025, ('市住建局',))]
    >>> [(fate.fate, fate.of) for fate in plan.numbers]
    [('deadline', None), ('target', 'renewable-substitution-rate-2025')]
    """
    names = {name for body in catalog.bodies.values() for name in (body.name, *body.aliases)} - exclude_lexicon

    def place_of(region: str) -> str | None:
        try:
            return catalog.places.resolve(region).id
        except UnknownNameError:
            return None

    outline = read_outline(document, body_names=names, place_of=place_of)
    numbers = find_numbers(document)
    promises, fates = read_promises(document, outline, numbers)
    duties = read_duties(document, outline, numbers, catalog)
    kept, settled = _shared_out(promises, fates, duties)
    milestones = _milestones(document, numbers, ReadPlan(outline=outline, targets=tuple(kept), numbers=tuple(settled)))
    ordered = sorted(
        [*kept, *milestones], key=lambda target: (target.at.start, target.at.end, target.measure is Measure.MILESTONE)
    )
    named, moved = _named(_matched(target, catalog, exclude_lexicon) for target in ordered)
    final = tuple(fate.model_copy(update={"of": moved[fate.of]}) if fate.of in moved else fate for fate in settled)
    findings = (
        *document.findings,
        *outline.findings,
        *(each for duty in duties for each in duty.findings),
        *_unclaimed(document, final),
    )
    plan = ReadPlan(
        outline=outline,
        targets=tuple(named),
        duties=duties,
        obligations=tuple(duty.obligation for duty in duties if duty.obligation is not None),
        numbers=final,
        findings=findings,
    )
    plan = plan if _speaks_as_plan(plan) else _without_promises(plan)
    return plan.model_copy(update={"findings": (*_without_plan(document, plan), *findings)})


def coverage(plan: ReadPlan) -> dict[str, int]:
    """Return how much came from grammar and how much from the lexicon, and the numbers by fate.

    Returns
    -------
    dict
        ``bodies_grammar``, ``bodies_lexicon``, ``indicators_grammar``, ``indicators_lexicon``, ``indicators_open``,
        ``numbers`` and ``numbers_<fate>``.
    """
    origins = Counter(origin for clause in plan.outline.clauses for part in clause.lists for origin in part.origins)
    matches = Counter(
        "open" if target.match is None or target.match.indicator is None else target.match.origin.value
        for target in plan.targets
    )
    counts = {
        "bodies_grammar": origins[Origin.GRAMMAR],
        "bodies_lexicon": origins[Origin.LEXICON],
        "indicators_grammar": matches["grammar"],
        "indicators_lexicon": matches["lexicon"],
        "indicators_open": matches["open"],
        "numbers": len(plan.numbers),
    }
    fates = Counter(fate.fate for fate in plan.numbers)
    return counts | {f"numbers_{fate}": count for fate, count in sorted(fates.items())}
