"""What a draft says is what the reader reads back from its document: targets with bodies, and tasks."""

from __future__ import annotations

import os
import re
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dafeng.base.document import DocumentText
from dafeng.base.place import PlaceLevel
from dafeng.base.target import Measure
from dafeng.catalog import load_catalog
from dafeng.intake import read_document
from dafeng.plans.draft_records import Lacking, PlanDraft, SlotKind
from dafeng.plans.draft_wording import draft_text
from dafeng.plans.drafting import draft_plan
from dafeng.plans.read_records import ReadPlan
from dafeng.plans.reading import read_plan
from dafeng.reports import FontReport, find_fonts, render_docx
from dafeng.reports.plan_draft import plan_draft_report

DAY = date(2024, 7, 1)
CATALOG = load_catalog()
PROVINCES = [place.id for place in CATALOG.places if place.level is PlaceLevel.PROVINCE and place.parent == "cn"]
JILIN = [place.id for place in CATALOG.places if "jilin" in CATALOG.places.ancestor_ids(place.id)]
QINGDAO = [place.id for place in CATALOG.places if "qingdao" in CATALOG.places.ancestor_ids(place.id)]


@pytest.fixture(scope="module")
def fonts() -> FontReport:
    return find_fonts(os.environ)


def drafted(parent: str, place: str, lacking: frozenset[Lacking] | None, allocated: bool) -> PlanDraft:
    plan = CATALOG.plan(parent)
    values = {}
    if allocated:
        opened = draft_plan(plan, CATALOG, place=place, lacking=lacking, as_of=DAY).open
        values = {each.id: round((each.parent_value or 0) / 8, 2) for each in opened}
    return draft_plan(plan, CATALOG, place=place, lacking=lacking, allocations=values, as_of=DAY)


def read_back(draft: PlanDraft, folder: Path, fonts: FontReport) -> tuple[DocumentText, ReadPlan]:
    path = folder / "draft.docx"
    path.write_bytes(render_docx(plan_draft_report(draft), fonts))
    document = read_document(path)
    return document, read_plan(document, CATALOG)


def compare(draft: PlanDraft, document: DocumentText, reading: ReadPlan) -> None:
    written = Counter(
        (each.clause, each.value, each.value_max, each.unit, each.by, each.comparator, _sort(each.measure), each.bodies)
        for each in draft.targets
        if each.slot is not SlotKind.OPEN and not each.soft
    )
    soft = [_stretch(draft_text(each), document) for each in draft.targets if each.soft]
    read = Counter(
        (each.clause, each.value, each.value_max, each.unit, each.by, each.comparator, _sort(each.measure), each.bodies)
        for each in reading.targets
        if not any(each.at.start < end and start < each.at.end for start, end in soft)
    )
    assert written == read
    assert [(each.number, each.title, each.bodies) for each in draft.tasks] == [
        (each.number, each.title, each.bodies) for each in reading.outline.clauses if each.task
    ]
    assert reading.outline.head.title == draft.title
    assert not [fate for fate in reading.numbers if fate.fate == "unclaimed"]
    assert document.plain.count("【待分解】") == 2 * len(draft.open)  # in the text and in the list of duties


def _sort(measure: Measure) -> Measure:
    """Return a measure, an amount up to a year being read as a level or as a sum."""
    return Measure.LEVEL if measure is Measure.CUMULATIVE else measure


def _stretch(words: str, document: DocumentText) -> tuple[int, int]:
    """Return where the text says a soft aim, which a reader may take up or not."""
    start = document.plain.index(words)
    return start, start + len(words)


@settings(
    max_examples=6, phases=(Phase.explicit, Phase.generate), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pair=st.one_of(
        st.tuples(st.just("national-2022"), st.sampled_from(PROVINCES)),
        st.tuples(st.just("jilin-2023"), st.sampled_from(JILIN)),
        st.tuples(st.just("qingdao-2024"), st.sampled_from(QINGDAO)),
    ),
    lacking=st.one_of(st.none(), st.frozensets(st.sampled_from(Lacking))),
    allocated=st.booleans(),
)
def test_a_draft_reads_back(
    pair: tuple[str, str],
    lacking: frozenset[Lacking] | None,
    allocated: bool,
    tmp_path: Path,
    fonts: FontReport,
) -> None:
    draft = drafted(*pair, lacking, allocated)
    compare(draft, *read_back(draft, tmp_path, fonts))


@pytest.mark.parametrize(
    ("parent", "place"),
    [("national-2022", "jilin"), ("jilin-2023", "changchun"), ("qingdao-2024", "qingdao-shinan")],
)
def test_the_chain_reads_back(parent: str, place: str, tmp_path: Path, fonts: FontReport) -> None:
    draft = drafted(parent, place, None, False)
    document, reading = read_back(draft, tmp_path, fonts)
    compare(draft, document, reading)
    assert reading.outline.head.place == place


@pytest.mark.parametrize(("name", "parent", "place"), [("jilin", "jilin-2023", "changchun"), ("qingdao", "qingdao-2024", "qingdao-shinan")])  # fmt: skip
def test_no_sentence_of_the_parent_is_copied(
    shared: Path, name: str, parent: str, place: str, tmp_path: Path, fonts: FontReport
) -> None:
    text = re.sub(r"\s+", "", (shared / "plans" / f"{name}.txt").read_text(encoding="utf-8"))
    document, _ = read_back(drafted(parent, place, None, False), tmp_path, fonts)
    plan = CATALOG.plan(parent)
    names = {
        plan.title.zh,
        *(each.title for each in (*plan.tasks, *plan.chapters)),
        *(each.label for each in plan.targets),
    }
    without_lists = re.sub("（[^（）]*(?:单位|负责)[^）]*）", "。", text)
    pieces = {piece for piece in re.split("[，。；：、]", without_lists) if len(piece) >= 14}
    assert len(pieces) > 50
    copied = {piece for piece in pieces if piece in document.plain}
    # What is the same word for word is a name and figures: a label with its value, never a turn of phrase around it.
    assert not {piece for piece in copied if not any(name in piece or piece in name for name in names)}
