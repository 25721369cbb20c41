"""Every obligation and every clause of a rulebook at, above and below its limits and dates; the table obligation × rule."""

from __future__ import annotations

import csv
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from dafeng.base.errors import InputError
from dafeng.buildings.obligations import (
    CHECK_SCHEMA,
    DOCUMENT_DATE,
    JUDGEMENT_DAY,
    RuleUse,
    binding_rules,
    check_rules,
    count_checks,
)
from dafeng.buildings.project_facts import read_facts
from dafeng.buildings.rule_explanation import explain, thing_frame
from dafeng.catalog import Catalog, load_catalog

AS_OF = date(2026, 11, 20)
CASES = Path(__file__).parents[2] / "cases"
BOOK: dict[str, Any] = yaml.safe_load((CASES / "obligations.yaml").read_text(encoding="utf-8"))
TABLE: dict[str, list[dict[str, Any]]] = yaml.safe_load((CASES / "obligation_table.yaml").read_text(encoding="utf-8"))
PLANS = {"jilin-2023": "jilin", "qingdao-2024": "qingdao", "national-2022": "national"}
U_VALUES = list(csv.DictReader((CASES / "gb55015_u_values.csv").read_text(encoding="utf-8").splitlines()))
SHIPPED = ("jilin-2023", "qingdao-2024", "national-2022", "gb55015-2021")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="module")
def rules(catalog: Catalog) -> dict[str, RuleUse]:
    found = binding_rules(catalog, as_of=AS_OF, only=SHIPPED)
    return {f"{use.rulebook}/{use.rule.id}": use for use in found}


def _facts(given: dict[str, Any], catalog: Catalog) -> dict[str, Any]:
    facts, findings = read_facts(given, catalog)
    assert not findings, findings
    return facts


def _frame(rows: list[dict[str, Any]], catalog: Catalog) -> pl.DataFrame:
    frames = [thing_frame(row | {"key": str(number)}, catalog) for number, row in enumerate(rows)]
    return pl.concat(frames, how="diagonal")


@pytest.mark.parametrize("entry", BOOK["cases"], ids=lambda entry: entry["rule"])
def test_each_rule_answers_as_an_expert_expects(
    entry: dict[str, Any], catalog: Catalog, rules: dict[str, RuleUse]
) -> None:
    use = rules[entry["rule"]]
    rows = [_facts(entry["project"] | case["with"], catalog) for case in entry["cases"]]
    found = check_rules(_frame(rows, catalog), [use], catalog, as_of=AS_OF, not_applicable=True)
    answers = [
        (case["name"], row["verdict"], row["missing"])
        for case, row in zip(entry["cases"], found.iter_rows(named=True), strict=True)
    ]
    assert answers == [(case["name"], case["verdict"], case.get("missing", [])) for case in entry["cases"]]


@pytest.mark.parametrize("entry", BOOK["cases"], ids=lambda entry: entry["rule"])
def test_each_rule_holds_from_its_date_on(entry: dict[str, Any], catalog: Catalog, rules: dict[str, RuleUse]) -> None:
    if entry.get("date") == "none":
        pytest.skip("binds whatever the date")
    use = rules[entry["rule"]]
    days = entry.get("dates") or BOOK["documents"][use.rulebook]
    name = entry.get("date") or ("图审合格日期" if use.rulebook == "gb55015-2021" else "施工许可日期")
    passing = next(case["with"] for case in entry["cases"] if case["verdict"] == "pass")
    wanted = {"before": "not_applicable", "within": "unknown", "last": "unknown", "from": "pass"}
    rows = [_facts(entry["project"] | passing | {name: day}, catalog) for day in days.values()]
    found = check_rules(_frame(rows, catalog), [use], catalog, as_of=AS_OF, not_applicable=True)
    assert found["verdict"].to_list() == [wanted[which] for which in days]
    for which, missing in zip(days, found["missing"].to_list(), strict=True):
        assert missing == ([DOCUMENT_DATE] if which in ("within", "last") else [])


def test_no_rule_lacks_a_passing_a_failing_and_an_unknown_case(rules: dict[str, RuleUse]) -> None:
    seen = {entry["rule"]: {case["verdict"] for case in entry["cases"]} for entry in BOOK["cases"]}
    assert len(seen) == len(BOOK["cases"])
    of_file = {name for name in rules if not name.startswith("gb55015-2021/u-")}
    assert seen.keys() == of_file
    assert not {name: had for name, had in seen.items() if not {"pass", "fail", "unknown"} <= had}


def _project_of(row: dict[str, str]) -> dict[str, Any]:
    """Return a project to which this line of the table applies, read from its words alone."""
    zones = {
        "严寒A": "severe_cold_a",
        "严寒B": "severe_cold_b",
        "严寒C": "severe_cold_c",
        "寒冷A": "cold_a",
        "寒冷B": "cold_b",
    }
    zone = {"严寒A/B": "严寒B", "寒冷": "寒冷A"}.get(row["climate_zone"], row["climate_zone"])
    facts: dict[str, Any] = {
        "place": "qingdao",
        "design_review_date": date(2026, 1, 1),
        "work": "new",
        "climate_zone": zones[zone],
        "building_class": "residential" if row["building"] == "residential" else "public",
        "gross_area": 20000.0,
        "single_building_area": 20000.0,
    }
    facts |= {"storeys": 3.0} if row["condition"] == "<=3F" else {"storeys": 4.0} if row["condition"] == ">3F" else {}
    shapes = {"shape<=0.30": 0.30, "0.30<shape<=0.50": 0.50}
    facts |= {"shape_factor": shapes[row["condition"]]} if row["condition"] in shapes else {}
    figures = [float(text) for text in re.findall(r"0\.\d+", row["element"])]
    if figures:
        widest = max(figures) if ">" not in row["element"] else 0.85
        facts |= {f"window_wall_ratio_{side}": 0.1 for side in ("south", "north", "east")}
        facts["window_wall_ratio_west"] = widest
    return facts


@pytest.fixture(scope="module")
def u_checks(catalog: Catalog, rules: dict[str, RuleUse]) -> pl.DataFrame:
    """Return the checks of all rules on U-values for four projects a line: at, below, above its limit, and not filled."""
    of_table = [use for name, use in rules.items() if name.startswith("gb55015-2021/u-")]
    things = []
    for number, row in enumerate(U_VALUES):
        field, limit = row["element"].split()[0] + "_u", float(row["u_limit"])
        for name, value in {"at": limit, "below": limit - 0.01, "above": limit + 0.01, "unknown": None}.items():
            thing = thing_frame(_project_of(row) | {field: value}, catalog)
            things.append(thing.with_columns(key=pl.lit(f"{number}-{name}")))
    frame = pl.concat(things, how="diagonal")
    return check_rules(frame, of_table, catalog, as_of=AS_OF).with_columns(
        pl.col("rule").cast(pl.String),
        element=pl.col("rule").cast(pl.String).str.extract("-(roof|wall|window|skylight)"),
    )


@pytest.mark.parametrize("number", range(len(U_VALUES)))
def test_each_u_value_of_the_table_is_one_rule_with_its_limit(number: int, u_checks: pl.DataFrame) -> None:
    element = U_VALUES[number]["element"].split()[0]
    found = u_checks.filter(pl.col("key").str.starts_with(f"{number}-"), element=element)
    answers = dict(found.select("key", "verdict").iter_rows())
    assert answers == {
        f"{number}-at": "pass",
        f"{number}-below": "pass",
        f"{number}-above": "fail",
        f"{number}-unknown": "unknown",
    }
    assert found["rule"].n_unique() == 1
    assert found.height == 4
    assert found.filter(verdict="unknown")["missing"].to_list() == [[f"{element}_u"]]


def test_the_table_of_u_values_is_the_rulebook_row_for_row(rules: dict[str, RuleUse]) -> None:
    of_table = [use.rule.require for name, use in rules.items() if name.startswith("gb55015-2021/u-")]
    said = sorted((text.split("_u")[0], float(re.search(r"<= ([\d.]+)", text)[1])) for text in of_table)  # type: ignore[index]
    assert said == sorted((row["element"].split()[0], float(row["u_limit"])) for row in U_VALUES)
    assert len(said) == 101


def test_the_committed_u_values_are_those_of_the_fact_file(shared: Path) -> None:
    facts = (shared / "domain" / "facts" / "gb55015_u_values.csv").read_text(encoding="utf-8")
    lines = [
        (row["building"], row["climate_zone"], row["element"], row["condition"], row["u_limit_W_m2K"])
        for row in csv.DictReader(facts.splitlines())
    ]
    assert lines == [tuple(row.values()) for row in U_VALUES]


def test_the_intensities_are_those_of_the_fact_file(shared: Path, rules: dict[str, RuleUse]) -> None:
    facts = (shared / "domain" / "facts" / "gb55015_intensity.csv").read_text(encoding="utf-8")
    figures = sorted(float(row["value"]) for row in csv.DictReader(facts.splitlines()))
    names = ("saving-rate", "energy-cut", "heating", "carbon-cut")
    said = [
        float(re.search(r"[<>]= ([\d.]+)", use.rule.require)[1])  # type: ignore[index]
        for name, use in rules.items()
        if name.split("/")[1].startswith(names)
    ]
    assert sorted(said) == figures


def test_the_table_of_obligations_is_the_catalog(catalog: Catalog) -> None:
    for plan_id, rows in TABLE.items():
        plan = catalog.plans[plan_id]
        assert [(row["rule"], row["clause"], tuple(row["span"])) for row in rows] == sorted(
            ((duty.id, duty.clause, (duty.at.start, duty.at.end)) for duty in plan.obligations),
            key=lambda duty: duty[2],
        )


@pytest.mark.parametrize("plan_id", PLANS)
def test_every_labelled_obligation_is_a_rule(plan_id: str, shared: Path, catalog: Catalog) -> None:
    gold = json.loads((shared / "plans" / "gold" / f"{PLANS[plan_id]}.json").read_text(encoding="utf-8"))
    text = re.sub(r"\s", "", (shared / "plans" / f"{PLANS[plan_id]}.txt").read_text(encoding="utf-8"))
    rows = {tuple(row["span"]): row for row in TABLE[plan_id]}
    assert {tuple(rule["span"]) for rule in gold["rules"]} == rows.keys()
    tasks = sorted((task.at.start, task.number) for task in catalog.plans[plan_id].tasks)
    for rule in gold["rules"]:
        start, end = rule["span"]
        assert text[start:end] == re.sub(r"\s", "", rule["quote"])
        row = rows[start, end]
        assert row["clause"] == [number for at, number in tasks if at <= start][-1]
        duty = next(duty for duty in catalog.plans[plan_id].obligations if duty.id == row["rule"])
        assert duty.since == rule["from_year"]
        if duty.soft:
            assert rule.get("optional")


def test_a_plan_binds_its_place_and_all_below_and_no_other(catalog: Catalog, rules: dict[str, RuleUse]) -> None:
    use = rules["qingdao-2024/sponge-city"]
    project = {"permit_date": date(2026, 3, 1), "work": "new", "sponge_city": False}
    places = ["qingdao", "qingdao-shinan", "jinan", "shandong", "nowhere", None]
    found = check_rules(
        _frame([project | {"place": place} for place in places], catalog),
        [use],
        catalog,
        as_of=AS_OF,
        not_applicable=True,
    )
    assert found["verdict"].to_list() == ["fail", "fail", "not_applicable", "not_applicable", "unknown", "unknown"]
    assert found["missing"].to_list()[-2:] == [["place"], ["place"]]
    assert {use.rulebook for use in binding_rules(catalog, as_of=AS_OF, places=["changchun"])} >= {
        "jilin-2023",
        "national-2022",
    }
    assert "jilin-2023" not in {use.rulebook for use in binding_rules(catalog, as_of=date(2023, 7, 25))}


@pytest.mark.parametrize(
    ("stage", "green_star", "due", "owed", "overdue"),
    [
        ("planning", None, "yes", True, False),
        ("acceptance", None, "yes", True, True),
        ("acceptance", 1.0, "yes", False, True),
        ("acceptance", 2.0, "yes", False, False),
        (None, None, "unknown", False, False),
    ],
)
def test_an_answer_is_owed_from_the_stage_of_the_rule_on(
    stage: str | None,
    green_star: float | None,
    due: str,
    owed: bool,
    overdue: bool,
    catalog: Catalog,
    rules: dict[str, RuleUse],
) -> None:
    use = rules["qingdao-2024/high-quality-housing-two-star"]
    project = {"place": "qingdao", "permit_date": date(2026, 3, 1), "work": "new", "housing_grade": "high_quality"}
    thing = thing_frame(project | {"green_star": green_star, "stage": stage}, catalog)
    found = check_rules(thing, [use], catalog, as_of=AS_OF).row(0, named=True)
    assert (found["stage_due"], found["due"], found["owed"], found["overdue"]) == ("planning", due, owed, overdue)


def test_before_its_stage_a_rule_is_not_yet_due(catalog: Catalog, rules: dict[str, RuleUse]) -> None:
    use = rules["qingdao-2024/energy-standard"]
    project = {"place": "qingdao", "permit_date": date(2026, 3, 1), "work": "new", "extent": "urban"}
    things = _frame(
        [project | {"building_class": "public"}, project | {"building_class": "public", "energy_standard": False}],
        catalog,
    )
    found = check_rules(things, [use], catalog, as_of=AS_OF, stage="planning")
    assert found["due"].to_list() == ["no", "no"]
    assert not found["owed"].any()
    assert not found["overdue"].any()
    counted = count_checks(found).row(0, named=True)
    assert (counted["fails"], counted["fails_early"], counted["owed"], counted["open"]) == (0, 1, 0, 1)
    later = check_rules(things, [use], catalog, as_of=AS_OF, stage="construction")
    assert later["owed"].to_list() == [True, False]
    assert later["overdue"].to_list() == [True, True]


def test_the_first_known_date_decides_and_a_thing_without_dates_may_be_judged_as_of_a_day(
    catalog: Catalog, rules: dict[str, RuleUse]
) -> None:
    use = rules["jilin-2023/public-one-star"]
    project = {"place": "jilin", "work": "new", "building_class": "public", "investor": "government", "green_star": 0.0}
    early, late = date(2023, 7, 25), date(2023, 7, 26)
    rows = [
        project | {"design_review_date": late, "permit_date": early, "approval_date": early},
        project | {"permit_date": early, "approval_date": late},
        project | {"approval_date": late},
        project,
    ]
    found = check_rules(_frame(rows, catalog), [use], catalog, as_of=AS_OF, not_applicable=True)
    assert found["verdict"].to_list() == ["fail", "not_applicable", "fail", "unknown"]
    assert found["dated_by"].to_list() == ["design_review_date", "permit_date", "approval_date", None]
    assert found["missing"].to_list()[-1] == ["design_review_date"]
    judged = check_rules(_frame(rows, catalog), [use], catalog, as_of=AS_OF, undated=AS_OF).row(-1, named=True)
    assert (judged["verdict"], judged["dated_by"], judged["decided_on"]) == ("fail", JUDGEMENT_DAY, AS_OF)


def test_a_rulebook_ends_where_its_successor_begins(catalog: Catalog, rules: dict[str, RuleUse]) -> None:
    known = rules["gb55015-2021/solar-system"]
    use = RuleUse(**{**known.__dict__, "until": date(2030, 1, 1)})
    project = {"work": "new", "building_class": "public", "solar_system": False}
    rows = [project | {"design_review_date": day} for day in (date(2029, 12, 31), date(2030, 1, 1))]
    found = check_rules(_frame(rows, catalog), [use], catalog, as_of=AS_OF, not_applicable=True)
    assert found["verdict"].to_list() == ["fail", "not_applicable"]


def test_what_is_no_number_and_no_known_option_is_unknown(catalog: Catalog, rules: dict[str, RuleUse]) -> None:
    use = rules["qingdao-2024/high-quality-housing-two-star"]
    things = pl.DataFrame(
        {
            "key": ["a", "b", "c"],
            "place": ["qingdao"] * 3,
            "permit_date": [date(2026, 3, 1)] * 3,
            "work": ["new", "brand new", "new"],
            "housing_grade": ["high_quality"] * 3,
            "green_star": [float("nan"), 2.0, None],
        }
    )
    found = check_rules(things, [use], catalog, as_of=AS_OF)
    assert found["verdict"].to_list() == ["unknown"] * 3
    assert found["missing"].to_list() == [["green_star"], ["work"], ["green_star"]]


def test_a_column_of_the_wrong_kind_is_refused(catalog: Catalog, rules: dict[str, RuleUse]) -> None:
    use = rules["qingdao-2024/high-quality-housing-two-star"]
    with pytest.raises(InputError, match="column green_star holds String"):
        check_rules(pl.DataFrame({"key": ["a"], "green_star": ["二星"]}), [use], catalog, as_of=AS_OF)
    with pytest.raises(InputError, match="no column key"):
        check_rules(pl.DataFrame({"green_star": [1.0]}), [use], catalog, as_of=AS_OF)
    with pytest.raises(InputError, match="no plan and no rulebook"):
        binding_rules(catalog, as_of=AS_OF, only=["qingdao-2042"])


def test_no_things_and_no_rules_give_an_empty_frame_of_the_same_shape(
    catalog: Catalog, rules: dict[str, RuleUse]
) -> None:
    nothing = pl.DataFrame(schema={"key": pl.String, "place": pl.String})
    assert check_rules(nothing, list(rules.values()), catalog, as_of=AS_OF).schema == CHECK_SCHEMA
    assert check_rules(nothing, [], catalog, as_of=AS_OF).schema == CHECK_SCHEMA


def test_an_explanation_tells_part_by_part(catalog: Catalog, rules: dict[str, RuleUse]) -> None:
    facts = _facts(
        {
            "key": "P1", "所在地": "青岛市", "阶段": "竣工验收", "施工许可日期": "2026-03-01", "建设性质": "新建", "所在地域": "urban",
            "建筑大类": "公共建筑", "总建筑面积": "1.2万㎡", "绿色建筑星级": "基本级",
        },
        catalog,
    )  # fmt: skip
    told = explain(facts, rules["qingdao-2024/public-and-commodity-star"], catalog, as_of=AS_OF)
    assert told.verdict == "fail"
    assert told.clause == "四（十）"
    assert told.overdue
    assert [(part.text, part.facts, part.answer) for part in told.conditions] == [
        ("建设性质为新建", "建设性质：新建", "yes"),
        ("所在地域为城镇（县城以外）、县城之一", "所在地域：城镇（县城以外）", "yes"),
        ("总建筑面积不小于 5,000㎡", "总建筑面积：12,000㎡", "yes"),
        (
            "建筑大类为公共建筑，或（建筑大类为居住建筑，且住宅类别为商品住宅）",
            "建筑大类：公共建筑，住宅类别：未填",
            "yes",
        ),
    ]
    assert told.sentence == "不符合：应绿色建筑星级不小于 1，现为绿色建筑星级：0"
    assert told.scope.text == "青岛市及以下，2024年印发，具体日期未载"
    assert told.evidence == ("施工图审查意见", "绿色建筑专项验收记录或标识证书")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"green_star": None}, "待定：适用，是否达到待定，应补绿色建筑星级"),
        ({"housing_grade": None}, "待定：要求已满足，是否适用待定，应补住宅品质等级"),
        ({"housing_grade": None, "green_star": None}, "待定：是否适用待定，应补住宅品质等级、绿色建筑星级"),
        ({"permit_date": date(2024, 5, 1)}, "待定：要求已满足，是否适用待定，应补方案印发日期"),
        ({"work": "renovation"}, "不适用：条件“建设性质为新建”不成立（建设性质：改造）"),
        ({"place": "jinan"}, "不适用：不在适用地区"),
        ({}, "符合：绿色建筑星级：2"),
    ],
)
def test_an_explanation_says_what_is_missing(
    changes: dict[str, Any], sentence: str, catalog: Catalog, rules: dict[str, RuleUse]
) -> None:
    project = {
        "place": "qingdao", "stage": "planning", "permit_date": date(2026, 3, 1), "work": "new", "housing_grade": "high_quality",
        "green_star": 2.0,
    }  # fmt: skip
    told = explain(project | changes, rules["qingdao-2024/high-quality-housing-two-star"], catalog, as_of=AS_OF)
    assert told.sentence == sentence


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"总建筑面积": "大"}, "buildings.project.value", "大"),
        ({"总建筑面积": "5000米"}, "buildings.project.value", "5000米"),
        ({"绿色建筑星级": "四星"}, "buildings.project.value", "四星"),
        ({"建设性质": "迁建"}, "buildings.project.value", "迁建"),
        ({"施工许可日期": "2026-02-30"}, "buildings.project.value", "2026-02-30"),
        ({"是否分项计量": "可能"}, "buildings.project.value", "可能"),
        ({"所在地": "某地"}, "buildings.project.value", "某地"),
        ({"星星": 3}, "buildings.project.unknown-field", "星星"),
        ({"work": "new", "建设性质": "改造"}, "buildings.project.twice", "改造"),
        ({"总建筑面积": True}, "buildings.project.value", "True"),
        ({"总建筑面积": float("nan")}, "buildings.project.value", "nan"),
    ],
)
def test_a_fact_that_is_not_understood_is_a_finding(
    given: dict[str, Any], name: str, value: str, catalog: Catalog
) -> None:
    facts, findings = read_facts(given, catalog, file="project.yaml")
    assert [(finding.name, finding.value) for finding in findings] == [(name, value)]
    assert findings[0].expected or name.endswith("twice")
    assert findings[0].where.file == "project.yaml"
    assert not {field for field in facts if field != "work"}


@pytest.mark.parametrize(
    ("given", "facts"),
    [
        ({"总建筑面积": "１．２万平方米"}, {"gross_area": 12000.0}),
        ({"gross_area": "2公顷"}, {"gross_area": 20000.0}),
        ({"设计节能率": "75%"}, {"saving_rate": 75.0}),
        ({"设计节能率": 75}, {"saving_rate": 75.0}),
        ({"屋面传热系数": "0.2W/(㎡·K)"}, {"roof_u": 0.2}),
        ({"绿色建筑星级": "二星级"}, {"green_star": 2.0}),
        ({"施工许可日期": "2026年3月1日"}, {"permit_date": date(2026, 3, 1)}),
        ({"所在地": "370200"}, {"place": "qingdao"}),
        ({"分项计量": "无", "阶段": "图审"}, {"sub_metering": False, "stage": "design_review"}),
        ({"总建筑面积": "未知", "建设性质": None}, {}),
    ],
)
def test_facts_are_read_as_people_write_them(given: dict[str, Any], facts: dict[str, Any], catalog: Catalog) -> None:
    assert read_facts(given, catalog) == (facts, [])
