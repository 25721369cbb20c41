"""What each body owes for a period: forms of a plan's cycle from its targets and bodies, and statutory forms of the catalog.

For the place of a plan the lead answers (the first body of the bracket is only presumed to lead; a clerk's `leads` decide);
each division or zone that the plan names, alone or as 各区市, answers for itself. A body owes the quantity that is promised
and the inputs from which it is computed, so that the value can be checked and added up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import polars as pl
from pydantic import Field

from dafeng.base.errors import AmbiguousNameError, InputError, UnknownNameError
from dafeng.base.finding import Finding, Severity
from dafeng.base.form import FormIssue, FormLine, FormSubject
from dafeng.base.period import Period, PeriodKind
from dafeng.base.place import PlaceKind
from dafeng.base.record import Record
from dafeng.base.target import Target
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.schemas import Body, BodyKind, Grade
from dafeng.catalog.statistics_schemas import Form, FormField
from dafeng.statistics.owed_lines import Asked, LastValues, inputs_of, line_of, sealed, with_last

__all__ = ["Owed", "Respondent", "due_day", "issue_form", "owed_by"]

_PENDING: Final = "待核"
_SORTS: Final = {
    "year": (PeriodKind.YEAR,),
    "half": (PeriodKind.HALF, PeriodKind.YEAR),
    "quarter": (PeriodKind.QUARTER, PeriodKind.CUMULATIVE),
    "month": (PeriodKind.MONTH,),
    "heating_season": (PeriodKind.SEASON,),
}


class Owed(Record):
    """The issues of a cycle, and what was seen on the way."""

    issues: tuple[FormIssue, ...]
    """One for each body and place."""
    findings: tuple[Finding, ...] = Field(default=())
    """Targets that nobody answers for, bodies that the catalog does not know."""

    def by_body(self) -> dict[str, tuple[FormIssue, ...]]:
        """Return the issues of each body, in the order of the issues."""
        groups: dict[str, list[FormIssue]] = defaultdict(list)
        for issue in self.issues:
            groups[issue.body].append(issue)
        return {body: tuple(issues) for body, issues in groups.items()}


class Respondent(Record):
    """A body that fills in a statutory form, for a place, or for a building or institution at a place."""

    body: str
    """Body id."""
    body_name: str
    """Name of the body."""
    place: str
    """Place id."""
    subject: FormSubject | None = None
    """Building, institution … that a form of lines is about, where it is not the place."""
    subjects: tuple[FormSubject, ...] = ()
    """Rows known beforehand, for a form of rows."""


def owed_by(
    plan: Plan,
    catalog: Catalog,
    *,
    period: str,
    due: date,
    facts: pl.DataFrame | None = None,
    asked_on: date | None = None,
    leads: Mapping[str, str] | None = None,
    reporter: str | None = None,
    places: Sequence[str] | None = None,
    every_division: bool = False,
) -> Owed:
    """Return the forms of a plan's cycle.

    Parameters
    ----------
    plan : Plan
    catalog : Catalog
    period : str
        Canonical period that the figures are asked for.
    due : date
        Return-by day.
    facts : DataFrame, optional
        Observations, for the values of one year earlier.
    asked_on : date, optional
        Day of the issue.
    leads : mapping from target id to body id, optional
        Bodies that a clerk named, in place of the presumed leads.
    reporter : str, optional
        Body id that answers for targets for which the plan names nobody (the bureau that writes the report).
    places : sequence of str, optional
        Place ids that answer where the plan says 各区市; the divisions directly below the plan's place where None.
    every_division : bool
        Whether the divisions answer for every target, also where its bracket does not name them: a plan may say once for
        all that 各市县 carry it out.

    Returns
    -------
    Owed

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> owed = owed_by(catalog.plan("qingdao-2024"), catalog, period="2025", due=date(2026, 3, 31))
    >>> owed.issues[0].body, any(issue.place == "qingdao-jimo" for issue in owed.issues)
    ('qingdao-natural-resources', True)
    """
    Period.parse(period)
    bodies = _Bodies(plan, catalog, dict(leads or {}), reporter, places, every_division=every_division)
    asked: dict[tuple[str, str, str], dict[Asked, dict[str, Any]]] = defaultdict(dict)
    for target in plan.targets:
        if target.soft or target.indicator not in catalog.indicators or catalog.indicators[target.indicator].draft:
            continue
        quantities = _quantities(target, catalog)
        for body, name, place in bodies.of(target):
            lines = asked[body, name, place]
            for quantity, own in quantities:
                line = lines.setdefault(quantity, {"own": own, "targets": ()})
                line["own"] = line["own"] or own
                line["targets"] = (*line["targets"], target.id)
    used = {quantity.indicator for lines in asked.values() for quantity in lines}
    last = LastValues(facts, period, [catalog.indicators[name] for name in sorted(used)])
    described: dict[Asked, dict[str, Any]] = {}
    issues = []
    for (body, name, place), lines in asked.items():
        made = []
        for quantity, facts_of_line in lines.items():
            if quantity not in described:
                described[quantity] = line_of(quantity, catalog)
            computed = facts_of_line["own"] and bool(inputs_of(catalog.indicators[quantity.indicator], catalog))
            line = with_last(described[quantity], quantity, place, last)
            made.append({**line, **facts_of_line, "required": not computed})
        issues.append(
            sealed(
                made,
                form=f"cycle-{plan.id}",
                title=f"{plan.title.zh}目标数据报送表",
                body=body,
                body_name=name,
                place=place,
                place_name=catalog.place_name(place),
                period=period,
                due=due,
                asked_on=asked_on,
                head=_CYCLE_HEAD,
                note="指标取自方案目标及其计算所需的数；由分子、分母算出的比率可以不填，填了的用来核对。",
            )
        )
    return Owed(issues=tuple(issues), findings=tuple(bodies.findings.values()))


_CYCLE_HEAD: Final = tuple(
    FormLine(id=f"head-{name}", field=name, title=title, type=kind, required=name == "filled_by")
    for name, title, kind in (
        ("head_of_unit", "单位负责人", "text"),
        ("filled_by", "填表人", "text"),
        ("phone", "联系电话", "text"),
        ("reported_on", "报出日期", "date"),
    )
)


def _quantities(target: Target, catalog: Catalog) -> list[tuple[Asked, bool]]:
    """Return what a target needs to be judged: its own indicator on every basis in question, then the inputs."""
    indicator = catalog.indicators[target.indicator]
    readings = [reading for reading in target.readings if reading.basis in indicator.bases]
    bases = [target.basis] if target.basis else list(dict.fromkeys(str(one.basis) for one in readings))
    bases = bases or list(indicator.bases) or [""]
    extents = dict.fromkeys(str(one.extent) for one in target.readings if one.extent is not None)
    found: dict[Asked, bool] = {}
    for extent in extents or (str(target.extent or indicator.extent),):
        for name in (target.indicator, *inputs_of(indicator, catalog)):
            one = catalog.indicators[name]
            breakdowns = {
                column: getattr(target, column)
                for column in ("building_class", "carrier", "end_use", "boundary")
                if column in one.breakdowns
            }
            own = name == target.indicator
            moved = own or one.extent == indicator.extent  # an input of another extent by definition keeps its own
            for basis in bases:
                kept = basis if basis in one.bases else ""
                for each in (kept,) if kept or not one.bases else one.bases:
                    found.setdefault(Asked(name, extent if moved else str(one.extent), basis=each, **breakdowns), own)
    return list(found.items())


class _Bodies:
    """Finds who answers for a target, and for which place."""

    def __init__(
        self,
        plan: Plan,
        catalog: Catalog,
        leads: dict[str, str],
        reporter: str | None,
        places: Sequence[str] | None,
        *,
        every_division: bool,
    ) -> None:
        self.plan = plan
        self.catalog = catalog
        self.leads = leads
        self.reporter = reporter
        self.places = places
        self.every_division = every_division
        self.findings: dict[str, Finding] = {}
        self._governments: dict[str, Body] = {}
        for body in catalog.bodies.values():
            if body.kind in (BodyKind.GOVERNMENT, BodyKind.INSTITUTION) and body.valid_to is None:
                place = catalog.places.get(body.place) if body.place in catalog.places else None
                zone = place is not None and place.kind is PlaceKind.ZONE
                if body.kind is BodyKind.GOVERNMENT or zone:
                    self._governments.setdefault(body.place, body)

    def of(self, target: Target) -> list[tuple[str, str, str]]:
        """Return body id, name and place for each that answers."""
        place = target.place or self.plan.place
        found: dict[tuple[str, str], str] = {}
        lead = self.leads.get(target.id)
        for text in self.plan.bodies_of(target):
            body = self._find(text)
            if body is None:
                continue
            if body.expands is not None:
                for below in self._below(body.expands):
                    own = self._government(below)
                    found[own[0], below] = own[1]
            elif body.place != self.plan.place and body.kind in (BodyKind.GOVERNMENT, BodyKind.INSTITUTION):
                found[body.id, body.place] = body.name
            elif lead is None:
                lead = body.id
        if self.every_division and target.place is None:
            for below in self._below("divisions"):
                own = self._government(below)
                found.setdefault((own[0], below), own[1])
        lead = lead or self.reporter
        if lead is None and not found:
            self._tell(
                "nobody",
                target.id,
                f"目标 {target.id}（{target.label}）没有责任单位，没有发表",
                "用 reporter 或 leads 指定",
            )
        if lead is None:
            return [(body, name, place) for (body, place), name in found.items()]
        name = self.catalog.bodies[lead].name if lead in self.catalog.bodies else lead
        return [(lead, name, place), *((body, own, below) for (body, below), own in found.items())]

    def _find(self, text: str) -> Body | None:
        try:
            body = self.catalog.body(text, self.plan.place)
        except (UnknownNameError, AmbiguousNameError):
            self._tell(
                "unknown-body",
                text,
                f"责任单位“{text}”在机构库中没有唯一的对应，没有向它发表",
                "在 catalog/bodies 中补充机构或别名",
            )
            return None
        return self.catalog.bodies.get(body.successor or "", body)

    def _tell(self, name: str, value: str, sentence: str, next_step: str) -> None:
        self.findings[f"{name} {value}"] = Finding(
            name=f"form.issue.{name}",
            sentence=sentence,
            severity=Severity.WARNING,
            value=value,
            expected="每个目标有一个答复的机构",
            next_step=next_step,
        )

    def _below(self, expands: str) -> Iterable[str]:
        tree, place = self.catalog.places, self.plan.place
        if expands in ("divisions", "all"):
            yield from self.places if self.places is not None else (one.id for one in tree.children(place))
        if expands in ("zones", "all"):
            yield from (one.id for one in tree.children(place, kind=PlaceKind.ZONE) if one.id in self._governments)

    def _government(self, place: str) -> tuple[str, str]:
        body = self._governments.get(place)
        return (body.id, body.name) if body else (f"{place}-government", f"{self.catalog.place_name(place)}人民政府")


def due_day(form: Form, period: str) -> date | None:
    """Return the return-by day of a form, None where the form states none.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> forms = load_catalog().forms
    >>> due_day(forms["green_building_quarterly"], "2025-01..09"), due_day(forms["civil_building_energy"], "2025")
    (datetime.date(2025, 10, 5), datetime.date(2026, 5, 31))
    """
    end = Period.parse(period).end
    if not form.due:
        return None
    if not form.due.startswith("+"):
        month, day = map(int, form.due.split("-"))
        return date(end.year if (end.month, end.day) == (1, 1) else end.year + 1, month, day)
    if form.due.endswith("m"):
        months = end.month - 1 + int(form.due[1:-1])
        return date(end.year + months // 12, months % 12 + 1, 1) - timedelta(days=1)
    return end + timedelta(days=int(form.due[1:].removesuffix("d")) - 1)


def issue_form(
    form: Form,
    catalog: Catalog,
    respondents: Iterable[Respondent],
    *,
    period: str,
    due: date | None = None,
    facts: pl.DataFrame | None = None,
    asked_on: date | None = None,
) -> Owed:
    """Return a statutory form as issued to bodies.

    Parameters
    ----------
    form : Form
    catalog : Catalog
    respondents : iterable of Respondent
    period : str
        Canonical period; of the sort that the form asks for.
    due : date, optional
        Return-by day; the form's own where None.
    facts : DataFrame, optional
        Observations, for the values of one year earlier.
    asked_on : date, optional
        Day of the issue.

    Raises
    ------
    InputError
        The period is of another sort than the form asks for, or no return-by day is known.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> water = Respondent(body="qingdao-water", body_name="青岛市水务管理局", place="qingdao")
    >>> owed = issue_form(catalog.forms["yearbook_water"], catalog, [water], period="2024", due=date(2025, 5, 31))
    >>> len(owed.issues[0].lines), owed.issues[0].lines[0].unit
    (13, '万立方米/日')
    """
    kind = Period.parse(period).kind
    if form.every in _SORTS and kind not in _SORTS[form.every]:
        raise InputError(
            f"the form {form.id} is asked every {form.every}, {period!r} is a {kind.value}",
            doing="issue a form",
            expected=f"a period of the sort {' or '.join(one.value for one in _SORTS[form.every])}",
            next_step="mend the period",
        )
    day = due or due_day(form, period)
    if day is None:
        raise InputError(
            f"the form {form.id} states no return-by day",
            doing="issue a form",
            expected="a return-by day",
            next_step="give the day by which it is to be returned",
        )
    findings = _form_findings(form, day, asked_on)
    asked = [(field, None if field.indicator is None else _asked(field, catalog)) for field in form.fields]
    of_place = form.subject == "place"
    last = LastValues(
        facts if of_place else None, period, [catalog.indicators[one.indicator] for _, one in asked if one]
    )
    described = [_field_line(field, one, catalog, form.grade) for field, one in asked]
    fields = ((catalog.forms[form.head_of].head if form.head_of else ()) + form.head) or ()
    head = tuple(
        FormLine(**{**_field_line(field, None, catalog, form.grade), "id": f"head-{field.id}"}) for field in fields
    )
    issues = []
    for who in respondents:
        lines = [
            line if one is None or not of_place else with_last(line, one, who.place, last)
            for line, (_, one) in zip(described, asked, strict=True)
        ]
        subjects = who.subjects
        if of_place and form.layout == "rows" and not subjects:
            subjects = (FormSubject(code=who.place, name=catalog.place_name(who.place)),)
        issues.append(
            sealed(
                lines,
                subject_code=who.subject.code if who.subject else "",
                form=form.id,
                title=form.title.zh,
                number=form.number,
                scheme=form.scheme,
                issuer=form.issuer,
                approver=form.approver,
                approval=form.approval,
                valid_to=form.valid_to,
                body=who.body,
                body_name=who.body_name,
                place=who.place,
                place_name=catalog.place_name(who.place),
                period=period,
                due=day,
                asked_on=asked_on,
                subject=form.subject,
                layout=form.layout,
                head=head,
                subjects=subjects or ((who.subject,) if who.subject else ()),
                note="；".join(
                    filter(None, (form.note, "" if form.grade is Grade.A else f"表式{_PENDING}（{form.grade} 级）"))
                ),
            )
        )
    return Owed(issues=tuple(issues), findings=tuple(findings))


def _form_findings(form: Form, due: date, asked_on: date | None) -> list[Finding]:
    if form.valid_to is None or (asked_on or due) < form.valid_to:
        return []
    return [
        Finding(
            name="form.issue.expired",
            sentence=f"{form.title.zh}的有效期至 {form.valid_to}，已过期",
            severity=Severity.WARNING,
            value=str(form.valid_to),
            expected="在有效期内的报表",
            next_step="取得新批准的表式后更新目录",
        )
    ]


def _asked(field: FormField, catalog: Catalog) -> Asked:
    indicator = catalog.indicators[str(field.indicator)]
    return Asked(indicator.id, field.extent or str(indicator.extent), basis=field.basis, **field.breakdown)


def _field_line(field: FormField, asked: Asked | None, catalog: Catalog, grade: Grade) -> dict[str, Any]:
    """Return what a line says of a field of a form, whatever body it is asked of."""
    doubtful = field.grade or grade
    note = "；".join(filter(None, (field.note, "" if doubtful is Grade.A else _PENDING)))
    base: dict[str, Any] = {"unit": field.unit if field.unit != "ratio" else "", "type": field.type}
    if asked is not None:
        base = line_of(asked, catalog, unit=field.unit)
        note = "；".join(filter(None, (base["note"], note)))
    base["unit"] = base["unit"] or ""
    return {
        **base,
        "field": field.id,
        "title": field.title.zh,
        "number": field.number,
        "options": field.options,
        "lengths": field.lengths,
        "required": field.required,
        "check": field.check,
        "note": note,
    }
