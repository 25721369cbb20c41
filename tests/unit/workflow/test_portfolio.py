"""Portfolios over a catalog: questions and what the plan's promise answers, documents, curves, chances, the report's facts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dafeng.base.errors import InputError
from dafeng.pathways.ensemble import draw_groups
from dafeng.pathways.portfolio import NoPortfolio
from dafeng.pathways.portfolio_draws import DrawsSolution
from dafeng.pathways.portfolio_levels import run_levels
from dafeng.pathways.portfolio_place import Selection, select_measures
from dafeng.pathways.sampling import quantiles
from dafeng.workflow import portfolio as workflow
from dafeng.workflow.portfolio import (
    PortfolioAnswer,
    answer_question,
    chance_of,
    curve_of,
    portfolio_document,
    question_of,
)
from dafeng.workflow.portfolio_report import facts_of_answer, portfolio_for_report
from dafeng.workflow.setting import Setting
from form_builders import shipped

FEW = ("code_compliance", "prefabricated", "heat_network_renewal", "waste_heat", "solar_water", "roof_pv_public")


@pytest.fixture(scope="module")
def here() -> Setting:
    return Setting(shipped(), None)


@pytest.fixture(scope="module")
def few() -> Iterator[None]:
    """Leave few measures to choose from."""

    def some(*words: object, **options: object) -> Selection:
        found = select_measures(*words, **options)  # type: ignore[arg-type]
        return Selection(FEW, found.uncosted, found.overlapped)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflow, "select_measures", some)
        yield


@pytest.fixture(scope="module")
def answer(here: Setting, few: None) -> PortfolioAnswer:
    found = answer_question(here, question_of(here, ["qingdao"], first=2027))
    assert isinstance(found, PortfolioAnswer)
    return found


def test_the_plan_s_promise_answers_what_is_left_open(here: Setting) -> None:
    asked = question_of(here, ["qingdao"])
    assert (asked.request.view, asked.request.peak_by, asked.first) == ("whole_field", 2030, 2021)
    jilin = question_of(here, ["jilin"], level=4e6, first=2026, prices={2030: 100.0, 2040: 200.0})
    assert (jilin.request.view, jilin.request.level_from) == ("direct", 2030)
    assert jilin.request.prices[2026] == 100.0
    assert jilin.request.prices[2035] == pytest.approx(150.0)
    assert jilin.request.prices[2060] == 200.0
    assert (jilin.request.discount_to, jilin.request.discount_rate) == (2026, 0.06)
    free = question_of(here, ["qingdao"], targets=False)
    assert free.plans == {"qingdao": None}


def test_impossible_questions_are_refused(here: Setting) -> None:
    for words in ({"places": []}, {"places": ["jilin", "jilin"]}, {"places": ["jilin"], "first": 2015}):
        with pytest.raises(InputError):
            question_of(here, **words)  # type: ignore[arg-type]


def test_the_document_is_plain_data_and_adds_up(here: Setting, answer: PortfolioAnswer) -> None:
    document = portfolio_document(here, answer)
    json.dumps(document)
    own = document["places"]["qingdao"]
    assert document["confirmed"]
    assert set(own["measures"]) == set(FEW)
    assert own["cost"] <= own["plan_cost"]
    assert sum(parts["net"] for parts in own["payers"].values()) == pytest.approx(
        answer.payers[0].social.sum(), rel=1e-4
    )
    assert document["price_year"] == 2023
    assert document["rounds"][-1]["difference"] <= 0.005
    assert {one["measure"] for one in document["uncosted"] if one["kept"]} >= {"green_materials"}
    assert "pathways.portfolio.grade-c" in {finding["name"] for finding in document["findings"]}


def test_a_curve_of_the_portfolio_holds_what_it_takes(here: Setting, answer: PortfolioAnswer) -> None:
    curve = curve_of(here, "qingdao", year=2030, answer=answer)
    assert {step.measure for step in curve.together} <= set(FEW)
    assert curve.joint == pytest.approx(sum(step.abatement for step in curve.together))
    assert [step.unit_cost for step in curve.alone] == sorted(step.unit_cost for step in curve.alone)


def test_a_chance_is_judged_on_draws_that_it_was_not_fitted_to(answer: PortfolioAnswer) -> None:
    over = chance_of(answer, risk=0.4, draws=8, seed=3, every=20)
    assert over.plain.draws == 8
    if over.check is not None:
        assert over.check.least_share <= over.check.share
        assert over.found.share >= 0.6  # type: ignore[union-attr]


def test_a_chance_holds_out_of_sample_by_the_model(answer: PortfolioAnswer) -> None:
    """Fitted to 16 draws; the model itself run on 16 others counts as many failures as the linear check, give or take two."""
    found = answer.found
    central = found.emissions("whole_field")[0, 13:].max()
    level = 1.13 * central
    asked = replace(found.request, level=level, level_from=2040)
    over = chance_of(replace(answer, found=replace(found, request=asked)), risk=0.25, draws=16, seed=3, every=20)
    assert isinstance(over.found, DrawsSolution)
    assert over.check is not None
    assert over.found.share >= 0.75
    assert over.dearer > 0
    choices = found.places[0].choices
    others = quantiles(draw_groups(found.places[0].book), 16, seed=4, design="sobol")
    outcome = run_levels(choices, over.found.levels[0], others)
    late = outcome.view("whole_field")[outcome.years >= 2040]
    by_model = float((late.max(axis=0) <= level).mean())
    assert by_model == pytest.approx(over.check.share, abs=2.01 / 16)
    assert over.check.least_share < over.check.share


def test_no_figure_without_a_constant_term_is_given_as_a_cost(here: Setting, answer: PortfolioAnswer) -> None:
    """The programme's objective lacks what the levels about which it is linear cost: only costs by the model leave the house."""
    document = portfolio_document(here, answer)
    assert not {"bound", "cost"} & set(document)
    assert abs(answer.found.solution.cost / answer.best[0].net - 1) > 0.01
    assert document["places"]["qingdao"]["cost"] == pytest.approx(answer.best[0].net, rel=1e-6)


def test_facts_of_the_chapter_come_from_the_answer(here: Setting, answer: PortfolioAnswer) -> None:
    facts = facts_of_answer(here, answer, pathways=None, draws=16)
    assert facts.costs["best"][0] == pytest.approx(answer.best[0].net / 1e8)
    assert facts.levels["best"][1] < facts.levels["plan"][1]
    assert set(facts.chances) == {"best"}
    assert {one.code for one in facts.measures} <= set(FEW)
    assert facts.targets >= 3
    assert "绿色建材" in facts.kept
    assert any("电力排放因子" in text for text in facts.must)
    assert facts.ends[0][3] > facts.ends[1][3]
    assert facts.manifest()["confirmed"]


def test_no_chapter_without_a_promise_that_is_still_open(here: Setting) -> None:
    plan = here.catalog.plans["qingdao-2024"]
    assert "人口" in str(portfolio_for_report(here, plan, year=2026, pathways=None))
    assert "达峰年" in str(portfolio_for_report(here, plan.model_copy(update={"peak": None}), year=2026, pathways=None))


def test_an_answer_that_is_none_names_why(here: Setting, few: None) -> None:
    none = answer_question(here, question_of(here, ["qingdao"], first=2027, level=1e6), most_rounds=1)
    assert isinstance(none, NoPortfolio)
    assert "1,000" in none.infeasible.says or "100" in none.infeasible.says
