"""The description of a paper refuses what no renderer could draw."""

from datetime import date

import pytest
from pydantic import ValidationError

from dafeng.assessment.records import Status
from dafeng.reports.document import STATE_SHAPES, Annex, Cell, Column, Paragraph, Report, Row, Run, Table
from dafeng.reports.figure_content import OutlookPanel, SeriesPoint
from dafeng.reports.figures import STATE_STYLES
from dafeng.reports.status_words import STATE_GROUPS, group_counts


def paper(*blocks: object) -> Report:
    return Report.model_validate({"id": "sample", "title": "样张", "as_of": date(2025, 10, 28), "blocks": blocks})


def table(*rows: Row) -> Table:
    columns = (Column(key="a", title="甲", width=10), Column(key="b", title="乙", width=10))
    return Table(id="t", title="表", columns=columns, rows=rows)


def test_a_paper_survives_the_way_through_json() -> None:
    report = paper(
        Annex(label="附件1", title="表", landscape=True), table(Row(cells=(Cell(text="1", number=1.0), Cell())))
    )
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_a_row_that_does_not_fit_its_columns_is_refused() -> None:
    with pytest.raises(ValidationError, match="do not fit its columns"):
        paper(table(Row(cells=(Cell(text="1"),))))


def test_a_link_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(ValidationError, match="links lead nowhere: \\['missing'\\]"):
        paper(Paragraph(runs=(Run(text="见表", link="missing"),)))


def test_an_anchor_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="anchors stand twice: \\['t'\\]"):
        paper(table(), table())


def test_a_landscape_annex_holds_until_the_next_annex() -> None:
    report = paper(
        Paragraph(runs=()), Annex(label="1", title="宽", landscape=True), table(), Annex(label="2", title="窄"), Paragraph(runs=())
    )  # fmt: skip
    assert [(wide, len(blocks)) for wide, blocks in report.sections()] == [(False, 1), (True, 2), (False, 2)]


def test_every_status_has_shape_and_hatching_and_belongs_to_one_group() -> None:
    grouped = [state for group in STATE_GROUPS for state in group.states]
    assert sorted(grouped) == sorted(Status)
    assert set(STATE_SHAPES) == set(STATE_STYLES) == {status.value for status in Status}
    assert sum(count for _, count in group_counts(dict.fromkeys(Status, 1))) == len(Status)


def test_shapes_are_in_the_character_set_of_the_official_fonts() -> None:
    assert all(len(shape.encode("gb2312")) == 2 for shape in STATE_SHAPES.values())


@pytest.mark.parametrize(
    ("state", "deadline", "points"), [("at_risk", 2030, 2), ("met_early", 2030, 0), ("missed", 2024, 0)]
)
def test_a_required_path_is_drawn_only_to_a_promise_still_open(state: str, deadline: int, points: int) -> None:
    panel = OutlookPanel(
        title="里程", title_en="length", unit="公里", unit_en="km", history=(SeriesPoint(year=2024, value=352.0),), bound=500,
        deadline=deadline, state=state, state_zh="", state_en="",
    )  # fmt: skip
    assert len(panel.required) == points
