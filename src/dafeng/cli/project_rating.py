"""How `dafeng project rate` shows ratings: one project item by item, or a whole ledger by grade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import typer

from dafeng.base.errors import UnknownNameError, close_names
from dafeng.buildings.project_facts import field_name
from dafeng.buildings.ratings import GateAnswer, RatingResult, rate, rate_one
from dafeng.catalog import Catalog
from dafeng.catalog.rating_schemas import Rating
from dafeng.cli.output import emit, note, show_table

__all__ = ["chosen_rating", "show_grades", "show_ratings"]

_ANSWERS = {"pass": "●符合", "fail": "■不符合", "unknown": "◇待定"}
_SHOWN = 8
_UNITS = {"percent": "%", "ratio": ""}


def chosen_rating(catalog: Catalog, name: str) -> Rating:
    """Return a rating standard by id.

    Raises
    ------
    UnknownNameError
        No standard has that id; those that there are are named.
    """
    if name not in catalog.ratings:
        raise UnknownNameError(
            f"没有评价标准 {name!r} / no such rating",
            doing="rate a project",
            expected="、".join(close_names(name, catalog.ratings) or catalog.ratings),
            next_step="换用其中一个编号 / name one of them",
        )
    return catalog.ratings[name]


def show_ratings(
    several: Sequence[Mapping[str, Any]], rating: Rating, catalog: Catalog, *, as_json: bool, quiet: bool
) -> None:
    """Show projects under one standard: items, conditions, grade, and what the next grade would take."""
    results = [(facts, rate_one(facts, rating, catalog)) for facts in several]
    if as_json:
        rated = [{"key": facts.get("key"), **result.model_dump(mode="json")} for facts, result in results]
        emit("project.rate/1", {"rating": rating.id, "projects": rated})
        return
    for facts, result in results:
        _show(str(facts.get("project_name") or facts.get("key") or "项目"), result, catalog, quiet=quiet)


def _show(name: str, result: RatingResult, catalog: Catalog, *, quiet: bool) -> None:
    pending = "（数字待核 / to be verified）" if result.pending else ""
    typer.echo(f"{name}：{result.title}{pending}")
    if result.applies == "no":
        typer.echo("本标准不适用于此项目 / the standard does not apply")
        return
    if result.items:
        show_table(
            "得分 / points",
            ["评分项", "得分", "满分", "缺"],
            [
                (
                    item.title,
                    "待定" if item.points is None else f"{item.points:g}",
                    f"{item.full:g}",
                    _names(item.missing, catalog),
                )
                for item in result.items
            ],
            numbers=[1, 2],
        )
    if result.gates:
        show_table(
            "条件 / conditions",
            ["条件", "条款", "结论", "现值", "缺"],
            [_gate(one, result, catalog) for one in result.gates],
        )
    typer.echo(f"总分 / total：{_total(result)}")
    reached = result.grade_title or ("尚不能确定" if result.grade_possible else "未达到任何等级")
    possible = next(
        (grade.title.zh for grade in catalog.ratings[result.rating].grades if grade.code == result.grade_possible), None
    )
    beyond = f"，最高可能{possible}" if possible and result.grade_possible != result.grade else ""
    typer.echo(f"等级 / grade：{reached}{beyond}" + ("（是否适用待定）" if result.applies == "unknown" else ""))
    if result.next is not None:
        typer.echo(f"下一等级 / next grade：{result.next.title}")
        if result.next.short_of_total:
            typer.echo(f"  总分还差 / short by {result.next.short_of_total:g}{_unit(result)}")
        for gate in result.next.gates:
            lacking = f"，缺{_names(_behind(gate, result), catalog)}" if gate.missing else ""
            typer.echo(f"  {_ANSWERS[gate.answer]} {gate.title}{lacking}")
        if result.next.room and result.next.short_of_total != 0:
            room = "、".join(f"{title} {points:g}" for title, points in result.next.room[:_SHOWN])
            typer.echo(f"  可再得分 / room：{room}")
    if result.missing:
        note(f"缺 / missing：{_names(result.missing, catalog)}", quiet=quiet)


def _gate(one: GateAnswer, result: RatingResult, catalog: Catalog) -> tuple[str, str, str, str, str]:
    groups = {item.group for item in result.items}
    values = "；".join(f"{'合计得分' if name in groups else name} {value}" for name, value in one.values)
    return one.title, one.clause or "", _ANSWERS[one.answer], values, _names(_behind(one, result), catalog)


def _behind(one: GateAnswer, result: RatingResult) -> list[str]:
    """Return the fields that a condition lacks; items and groups stand for the fields that they lack."""
    fields: list[str] = []
    for name in one.missing:
        items = [item for item in result.items if name in (item.id, item.group)]
        fields += [field for item in items for field in item.missing] if items else [name]
    return list(dict.fromkeys(fields))


def _names(names: Sequence[str], catalog: Catalog) -> str:
    return "、".join(field_name(name, catalog) for name in names)


def _unit(result: RatingResult) -> str:
    return _UNITS.get(result.total_unit, f" {result.total_unit}")


def _total(result: RatingResult) -> str:
    if result.total is not None:
        return f"{result.total:g}{_unit(result)}"
    if result.total_low is None or result.total_high is None:
        return "待定" if result.items else "不计总分"
    return f"待定，在 {result.total_low:g} 与 {result.total_high:g}{_unit(result)} 之间"


def show_grades(things: pl.DataFrame, rating: Rating, catalog: Catalog, *, as_json: bool, quiet: bool) -> None:
    """Show how many projects of a ledger reach each grade, how many may, and what is missing most."""
    rated = rate(things, rating, catalog)
    counted = rated.filter(pl.col("applies") != "no")
    reached = dict(counted.filter(pl.col("grade").is_not_null()).group_by("grade").len().iter_rows())
    reached[None] = counted.filter(pl.col("grade").is_null() & pl.col("grade_possible").is_null()).height
    possible = dict(
        counted.filter(pl.col("grade_possible").ne_missing(pl.col("grade")))
        .group_by("grade_possible")
        .len()
        .iter_rows()
    )
    lacking = (
        counted.select(pl.col("missing").explode().drop_nulls())
        .group_by("missing").len().sort(["len", "missing"], descending=[True, False]).head(_SHOWN)
    )  # fmt: skip
    titles: dict[str | None, str] = {None: "未达到任何等级"} | {grade.code: grade.title.zh for grade in rating.grades}
    if as_json:
        emit(
            "project.grades/1",
            {
                "rating": rating.id,
                "projects": rated.height,
                "not_applicable": rated.height - counted.height,
                "grades": [
                    {"grade": code, "reached": reached.get(code, 0), "possible": possible.get(code, 0)}
                    for code in titles
                ],
                "missing": lacking.to_dicts(),
                "things": rated.to_dicts(),
            },
        )
        return
    pending = "" if rating.certainty.value == "A" else "（数字待核 / to be verified）"
    show_table(
        f"{rating.title.zh}：{rated.height} 个项目{pending} / by grade",
        ["等级", "已达到", "待定，最高可能"],
        [(title, reached.get(code, 0), possible.get(code, 0)) for code, title in titles.items()],
        numbers=[1, 2],
    )
    note(f"不适用 {rated.height - counted.height} 个 / the standard does not apply", quiet=quiet)
    if lacking.height:
        named = "、".join(f"{field_name(name, catalog)} {count}" for name, count in lacking.iter_rows())
        note(f"最缺的字段 / missing most：{named}", quiet=quiet)
