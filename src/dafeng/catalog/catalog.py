"""The loaded catalog: shipped content with a workspace's own laid over it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from dafeng.base.errors import AmbiguousNameError, ContentError, UnknownNameError, close_names
from dafeng.base.finding import Finding, Severity
from dafeng.base.place import Place, PlaceTree
from dafeng.base.quantity import fold_width
from dafeng.base.record import Record
from dafeng.catalog.allocation_schemas import AllocationRule
from dafeng.catalog.carbon_schemas import Boundary, Factor, factor_units
from dafeng.catalog.decision_schemas import FactQuarantine, PlanDecision
from dafeng.catalog.drafting_schemas import BodyLevels, Descent
from dafeng.catalog.expression import FieldType
from dafeng.catalog.gateway_schemas import GatewayProfile
from dafeng.catalog.ledger_schemas import RecordLink, Register, Rollup, Rulebook
from dafeng.catalog.metering_schemas import CodeMapping, Correction, EnergyItem, Holiday, MeterCheck, Quota, QuotaMethod
from dafeng.catalog.pathway_schemas import (
    EnergyStandard,
    Measure,
    PathwayMember,
    PathwayParameter,
    PathwayPlace,
    PathwayQuantity,
    PeakStudy,
    PlanLink,
    PublishedTotal,
    Scenario,
)
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.portfolio_schemas import (
    ActivityAmount,
    CostSettings,
    EnergyPrice,
    PayerGroup,
    PayerRule,
    SupplyLimit,
)
from dafeng.catalog.rating_schemas import Rating
from dafeng.catalog.schemas import Adapter, Body, HeatingSeason, Indicator, ProjectField, Source, Term
from dafeng.catalog.statistics_schemas import DataCheck, Form, IndicatorSet
from dafeng.catalog.yaml_source import YamlDocument, read_yaml

__all__ = ["Catalog", "Entries", "read_entries", "read_file_entries", "shipped_folder"]

_SECTIONS: Final[dict[str, type[Record]]] = {
    "sources": Source,
    "terms": Term,
    "fields": ProjectField,
    "places": Place,
    "bodies": Body,
    "indicators": Indicator,
    "adapters": Adapter,
    "seasons": HeatingSeason,
    "plans": Plan,
    "factors": Factor,
    "boundaries": Boundary,
    "registers": Register,
    "rollups": Rollup,
    "rulebooks": Rulebook,
    "ratings": Rating,
    "links": RecordLink,
    "decisions": PlanDecision,
    "quarantines": FactQuarantine,
    "body_levels": BodyLevels,
    "descents": Descent,
    "allocations": AllocationRule,
    "forms": Form,
    "checks": DataCheck,
    "sets": IndicatorSet,
    "items": EnergyItem,
    "item_codes": CodeMapping,
    "meter_checks": MeterCheck,
    "quotas": Quota,
    "quota_methods": QuotaMethod,
    "corrections": Correction,
    "holidays": Holiday,
    "gateway_profiles": GatewayProfile,
    "path_members": PathwayMember,
    "path_quantities": PathwayQuantity,
    "path_parameters": PathwayParameter,
    "path_places": PathwayPlace,
    "energy_standards": EnergyStandard,
    "measures": Measure,
    "scenarios": Scenario,
    "plan_links": PlanLink,
    "published_totals": PublishedTotal,
    "peak_studies": PeakStudy,
    "cost_settings": CostSettings,
    "energy_prices": EnergyPrice,
    "activity_amounts": ActivityAmount,
    "payer_groups": PayerGroup,
    "payer_rules": PayerRule,
    "supply_limits": SupplyLimit,
}
_IDENTITY: Final = {
    "path_members": ("axis", "code"),
    "path_places": ("place",),
    "plan_links": ("plan", "of"),
    "terms": ("group", "code"),
    "seasons": ("place", "valid_from"),
    "holidays": ("place", "year"),
}
_BREAKDOWN_GROUPS: Final = {
    "building_class": ("building_class",),
    "carrier": ("carrier",),
    "end_use": ("end_use", "sector", "material", "transport_mode"),
    "boundary": ("boundary", "boundary_scope", "boundary_memo"),
}
_Entry = TypeVar("_Entry", bound=Record)


def shipped_folder() -> Path:
    """Return the folder of the content that dafeng ships."""
    return Path(str(resources.files("dafeng.catalog") / "data"))


@dataclass
class Entries:
    """Entries of all sections as read, each with the document and field path that it came from."""

    sections: dict[str, dict[Any, Record]] = field(default_factory=lambda: {name: {} for name in _SECTIONS})
    origins: dict[tuple[str, Any], tuple[YamlDocument, tuple[str | int, ...]]] = field(default_factory=dict)
    digest: str = ""

    def of(self, section: str, shape: type[_Entry]) -> dict[Any, _Entry]:
        """Return the entries of one section by identity."""
        return {key: entry for key, entry in self.sections[section].items() if isinstance(entry, shape)}


def read_entries(folders: Sequence[Path]) -> tuple[Entries, list[Finding]]:
    """Read every YAML file of catalog folders; a later folder lays its entries over those of an earlier one.

    Parameters
    ----------
    folders : sequence of Path
        Folders that do not exist are passed over.

    Returns
    -------
    entries : Entries
        Entries that fit their schema.
    findings : list of Finding
        Every fault of every file, none hiding another.
    """
    entries = Entries()
    findings: list[Finding] = []
    digest = hashlib.sha256()
    for rank, folder in enumerate(folders):
        seen: dict[tuple[str, Any], str] = {}
        for path in sorted(folder.rglob("*.yaml")) + sorted(folder.rglob("*.yml")):
            name, data = path.relative_to(folder).as_posix(), path.read_bytes()
            digest.update(name.encode() + b"\0" + data + b"\0")
            document, faults = _read_once(path, name if rank == 0 else str(path), hashlib.sha256(data).digest())
            findings += faults
            if document is not None and document.data is not None:
                findings += _take(document, entries, seen)
    entries.digest = digest.hexdigest()
    return entries, findings


def read_file_entries(path: Path) -> tuple[Entries, list[Finding]]:
    """Read one YAML file of catalog entries that lies in no catalog folder, an overlay of a scenario say.

    Returns
    -------
    entries : Entries
        Entries that fit their schema.
    findings : list of Finding
        Every fault of the file.
    """
    entries = Entries()
    document, findings = read_yaml(path)
    if document is not None and document.data is not None:
        findings = [*findings, *_take(document, entries, {})]
    return entries, findings


@lru_cache(maxsize=1024)
def _read_once(path: Path, name: str, digest: bytes) -> tuple[YamlDocument | None, list[Finding]]:
    """Read a file once for each state of its bytes: most files of two loads in one process are the same."""
    return read_yaml(path, name=name)


def _take(document: YamlDocument, entries: Entries, seen: dict[tuple[str, Any], str]) -> list[Finding]:
    data = document.data
    if not isinstance(data, dict):
        return [_finding("catalog.file.shape", "文件顶层应为一个映射", document, ())]
    if "targets" in data or "document" in data:
        return _take_entry("plans", data, (), document, entries, seen)
    findings = []
    for section, items in data.items():
        if section not in _SECTIONS:
            close = close_names(str(section), _SECTIONS)
            findings.append(
                _finding(
                    "catalog.file.section",
                    f"不认识的栏目 {section}",
                    document,
                    (section,),
                    expected="、".join(close or _SECTIONS),
                )
            )
        elif not isinstance(items, list):
            findings.append(_finding("catalog.file.shape", f"栏目 {section} 应为列表", document, (section,)))
        else:
            for index, item in enumerate(items):
                findings += _take_entry(section, item, (section, index), document, entries, seen)
    return findings


def _take_entry(
    section: str,
    item: object,
    path: tuple[str | int, ...],
    document: YamlDocument,
    entries: Entries,
    seen: dict[tuple[str, Any], str],
) -> list[Finding]:
    shape = _SECTIONS[section]
    try:
        entry = TypeAdapter(shape).validate_python(item)
    except ValidationError as error:
        return [_schema_finding(problem, shape, document, path) for problem in error.errors(include_url=False)]
    names = _IDENTITY.get(section, ("id",))
    key = getattr(entry, names[0]) if len(names) == 1 else tuple(getattr(entry, name) for name in names)
    findings = []
    if (section, key) in seen:
        findings.append(
            _finding(
                "catalog.entry.duplicate",
                f"{section} 中 {key} 出现两次（另一处在 {seen[section, key]}）",
                document,
                path,
                next_step="删去其中一处，或改用另一个编号",
            )
        )
    seen[section, key] = str(document.where(path))
    entries.sections[section][key] = entry
    entries.origins[section, key] = (document, path)
    return findings


def _schema_finding(problem: Any, shape: type[Record], document: YamlDocument, path: tuple[str | int, ...]) -> Finding:
    where = tuple(part for part in problem["loc"] if isinstance(part, int) or not part.startswith("function-"))
    expected = problem["msg"]
    if problem["type"] == "extra_forbidden":
        close = close_names(str(where[-1]), shape.model_fields)
        expected = f"字段名之一：{'、'.join(close)}" if close else "schema 中的字段"
    return _finding(
        "catalog.entry.schema",
        f"条目不符合格式：{'.'.join(map(str, where)) or '整体'}：{problem['msg']}",
        document,
        (*path, *where),
        expected=expected,
        value=str(problem.get("input", ""))[:80],
    )


def _finding(
    name: str,
    sentence: str,
    document: YamlDocument,
    path: tuple[str | int, ...],
    *,
    expected: str = "",
    value: str = "",
    next_step: str = "按提示修改该文件后重新运行 dafeng catalog check",
) -> Finding:
    return Finding(
        name=name,
        sentence=sentence,
        value=value,
        expected=expected,
        next_step=next_step,
        where=document.where(path),
        severity=Severity.ERROR,
    )


class Catalog:
    """All content that calculations and reports need, found by id and by the names in use.

    Parameters
    ----------
    entries : Entries
        Entries as read; `dafeng.catalog.load_catalog` also checks them against one another.

    Attributes
    ----------
    places : PlaceTree
    indicators, bodies, plans, sources, adapters, fields, factors, boundaries, registers, rollups, rulebooks, ratings, links, decisions, quarantines, body_levels, descents, allocations, forms, checks, sets, items, item_codes, meter_checks, quotas, quota_methods, corrections, gateway_profiles : dict by id
    terms : dict from group to dict from code to Term
    seasons : tuple of HeatingSeason
    holidays : tuple of Holiday
    path_members : tuple of PathwayMember
    path_quantities, path_parameters, path_places, energy_standards, measures, scenarios : dict
        Pathways, by id (places by place).
    plan_links : tuple of PlanLink
    published_totals, peak_studies : dict
    cost_settings, energy_prices, activity_amounts, payer_groups, payer_rules, supply_limits : dict
        What a portfolio costs, by id.
    digest : str
        SHA-256 over names and bytes of all catalog files, kept in the manifest of a run.
    """

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self.places = PlaceTree(entries.of("places", Place).values())
        self.indicators: dict[str, Indicator] = entries.of("indicators", Indicator)
        self.bodies: dict[str, Body] = entries.of("bodies", Body)
        self.plans: dict[str, Plan] = entries.of("plans", Plan)
        self.sources: dict[str, Source] = entries.of("sources", Source)
        self.adapters: dict[str, Adapter] = entries.of("adapters", Adapter)
        self.fields: dict[str, ProjectField] = entries.of("fields", ProjectField)
        self.factors: dict[str, Factor] = entries.of("factors", Factor)
        self.boundaries: dict[str, Boundary] = entries.of("boundaries", Boundary)
        registers: dict[str, Register] = entries.of("registers", Register)
        self.registers = {key: register.with_shared_checks(registers) for key, register in registers.items()}
        self.rollups: dict[str, Rollup] = entries.of("rollups", Rollup)
        self.rulebooks: dict[str, Rulebook] = entries.of("rulebooks", Rulebook)
        self.ratings: dict[str, Rating] = entries.of("ratings", Rating)
        self.decisions: dict[str, PlanDecision] = entries.of("decisions", PlanDecision)
        self.quarantines: dict[str, FactQuarantine] = entries.of("quarantines", FactQuarantine)
        self.links: dict[str, RecordLink] = entries.of("links", RecordLink)
        self.body_levels: dict[str, BodyLevels] = entries.of("body_levels", BodyLevels)
        self.descents: dict[str, Descent] = entries.of("descents", Descent)
        self.allocations: dict[str, AllocationRule] = entries.of("allocations", AllocationRule)
        self.forms: dict[str, Form] = entries.of("forms", Form)
        self.checks: dict[str, DataCheck] = entries.of("checks", DataCheck)
        self.sets: dict[str, IndicatorSet] = entries.of("sets", IndicatorSet)
        self.items: dict[str, EnergyItem] = entries.of("items", EnergyItem)
        self.item_codes: dict[str, CodeMapping] = entries.of("item_codes", CodeMapping)
        self.meter_checks: dict[str, MeterCheck] = entries.of("meter_checks", MeterCheck)
        self.quotas: dict[str, Quota] = entries.of("quotas", Quota)
        self.quota_methods: dict[str, QuotaMethod] = entries.of("quota_methods", QuotaMethod)
        self.corrections: dict[str, Correction] = entries.of("corrections", Correction)
        self.gateway_profiles: dict[str, GatewayProfile] = entries.of("gateway_profiles", GatewayProfile)
        self.holidays = tuple(entries.of("holidays", Holiday).values())
        self.path_members = tuple(entries.of("path_members", PathwayMember).values())
        self.path_quantities = entries.of("path_quantities", PathwayQuantity)
        self.path_parameters = entries.of("path_parameters", PathwayParameter)
        self.path_places = entries.of("path_places", PathwayPlace)
        self.energy_standards = entries.of("energy_standards", EnergyStandard)
        self.measures = entries.of("measures", Measure)
        self.scenarios = entries.of("scenarios", Scenario)
        self.plan_links = tuple(entries.of("plan_links", PlanLink).values())
        self.published_totals = entries.of("published_totals", PublishedTotal)
        self.peak_studies = entries.of("peak_studies", PeakStudy)
        self.cost_settings = entries.of("cost_settings", CostSettings)
        self.energy_prices = entries.of("energy_prices", EnergyPrice)
        self.activity_amounts = entries.of("activity_amounts", ActivityAmount)
        self.payer_groups = entries.of("payer_groups", PayerGroup)
        self.payer_rules = entries.of("payer_rules", PayerRule)
        self.supply_limits = entries.of("supply_limits", SupplyLimit)
        self.seasons = tuple(entries.of("seasons", HeatingSeason).values())
        self.terms: dict[str, dict[str, Term]] = defaultdict(dict)
        for term in entries.of("terms", Term).values():
            self.terms[term.group][term.code] = term
        self.digest = entries.digest
        self._headers: dict[str, str] = {}
        for indicator in self.indicators.values():
            for name in (indicator.id, indicator.zh, indicator.en, *indicator.aliases):
                self._headers[fold_width(name).casefold()] = indicator.id
        self._bodies_by_name: dict[tuple[str, str], list[Body]] = defaultdict(list)
        self._owners: dict[str, dict[str, None]] = defaultdict(dict)
        for body in self.bodies.values():
            for name in {body.name, *body.aliases}:
                self._bodies_by_name[body.place, name].append(body)
                self._owners[name][body.place] = None

    def without(self, gone: Callable[[Record], bool]) -> Catalog:
        """Return this catalog without the entries of which `gone` is true; what refers to them is left as it is.

        Examples
        --------
        >>> from dafeng.catalog import load_catalog
        >>> catalog = load_catalog().without(lambda entry: isinstance(entry, Plan) and entry.place == "qingdao")
        >>> sorted(catalog.plans)
        ['jilin-2023', 'national-2022']
        """
        sections = {
            name: {key: entry for key, entry in part.items() if not gone(entry)}
            for name, part in self._entries.sections.items()
        }
        return Catalog(Entries(sections, self._entries.origins, self.digest))

    def indicator(self, name: str) -> Indicator:
        """Return an indicator by id.

        Raises
        ------
        UnknownNameError
            No indicator has that id; close ids are offered.
        """
        return _get(self.indicators, name, "indicator", "dafeng catalog indicators")

    def register(self, name: str) -> Register:
        """Return a register (台账) by id.

        Raises
        ------
        UnknownNameError
            No register has that id; close ids are offered.
        """
        return _get(self.registers, name, "register", "dafeng ledger list")

    def indicator_named(self, header: str) -> Indicator | None:
        """Return the indicator that answers to a header (id, name or alias, in any width), None where none does."""
        found = self._headers.get(fold_width(header).casefold())
        return None if found is None else self.indicators[found]

    def plan(self, name: str) -> Plan:
        """Return a plan by its id, or the latest plan of the place that `name` names.

        Raises
        ------
        UnknownNameError
            No such plan, and no place of that name has one.
        """
        if name in self.plans:
            return self.plans[name]
        of_place = [
            plan for place in self.places.candidates(name) for plan in self.plans.values() if plan.place == place.id
        ]
        if of_place:
            return max(of_place, key=lambda plan: (plan.document.issued_on or date.min, plan.id))
        return _get(self.plans, name, "plan", "dafeng plan list")

    def _bodies_around(self, text: str, place: str) -> Iterator[list[Body]]:
        """Yield the bodies of a name at a place, then directly below it, then at each place above."""
        yield self._bodies_by_name.get((place, text), [])
        yield [
            body
            for owner in self._owners.get(text, ())
            if owner in self.places and self.places.get(owner).parent == place
            for body in self._bodies_by_name[owner, text]
        ]
        for above in self.places.ancestor_ids(place):
            yield self._bodies_by_name.get((above, text), [])

    def body(self, text: str, place: str) -> Body:
        """Return the body that a plan of `place` means by `text`.

        Raises
        ------
        UnknownNameError, AmbiguousNameError
        """
        for found in self._bodies_around(text, place):
            if len(found) == 1:
                return found[0]
            if found:
                raise AmbiguousNameError(
                    f"{text!r} names {', '.join(body.id for body in found)}",
                    doing="find a body",
                    expected="one body of that name",
                    next_step="mend the aliases in catalog/bodies",
                )
        known = [name for owner, name in self._bodies_by_name if owner == place]
        raise UnknownNameError(
            f"no body of {place} answers to {text!r}",
            doing="find a body",
            expected=f"one of {'、'.join(close_names(text, known) or known[:5])}",
            next_step="add the body or an alias to catalog/bodies",
        )

    def term(self, group: str, code: str) -> str:
        """Return the Chinese name of a code, the code itself where the vocabulary has none."""
        term = self.terms.get(group, {}).get(code)
        return code if term is None else term.zh

    def breakdown_codes(self, name: str) -> set[str]:
        """Return the codes that a breakdown column may hold besides ``all``."""
        return {code for group in _BREAKDOWN_GROUPS[name] for code in self.terms.get(group, {})}

    def field_types(self) -> dict[str, FieldType]:
        """Return the project fields as types for expressions."""
        return {
            item.id: FieldType(item.type, item.unit or "ratio", tuple(option.code for option in item.options))
            for item in self.fields.values()
        }

    def indicator_types(self) -> dict[str, FieldType]:
        """Return the indicators as types for expressions, and the factors under their names in expressions."""
        types = {name: FieldType(unit=unit) for name, unit in factor_units(self.factors.values()).items()}
        return types | {one.id: FieldType(unit=one.unit, dated=True) for one in self.indicators.values()}

    def place_name(self, place_id: str) -> str:
        """Return the Chinese name of a place id, the id itself where the catalog has none."""
        return self.places.get(place_id).name if place_id in self.places else place_id

    def lineage_of_plans(self, place: str, day: date | None = None) -> list[tuple[Place, tuple[Plan, ...]]]:
        """Return the places above `place`, nearest first, each with its plans: an empty tuple is a missing link."""
        return [
            (above, tuple(plan for plan in self.plans.values() if plan.place == above.id))
            for above in self.places.ancestors(place, day)
        ]


def _get(known: Mapping[str, _Entry], name: str, what: str, command: str) -> _Entry:
    if name in known:
        return known[name]
    close = close_names(name, known)
    raise UnknownNameError(
        f"no {what} is called {name!r}",
        doing=f"find a {what}",
        expected=f"one of {', '.join(close)}" if close else f"one of the {len(known)} {what}s of the catalog",
        next_step=f"run `{command}` for the list",
    )


def raise_for_errors(findings: Iterable[Finding]) -> None:
    """Raise `ContentError` with all findings where any is an error."""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        shown = "; ".join(f"{finding.where}: {finding.sentence}" for finding in errors[:5])
        raise ContentError(
            f"{len(errors)} faults in the catalog: {shown}",
            doing="load the catalog",
            expected="a catalog without faults",
            next_step="run `dafeng catalog check` for all of them",
            findings=[finding.model_dump(mode="json") for finding in errors],
        )
