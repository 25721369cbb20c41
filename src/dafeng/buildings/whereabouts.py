"""Where things of ledgers lie: their own place, the divisions above it at each period's end, and zones as views.

Only divisions partition. A thing in a zone that lies on the ground of one division belongs to that division; else to the
division above the zone, and the finding says that its district is missing. A zone never passes anything upwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, NamedTuple

import polars as pl

from dafeng.base.finding import Finding, Severity
from dafeng.base.place import Place, PlaceKind, PlaceTree

__all__ = ["Span", "Spots", "kept_shares", "locate", "parts_below", "reckoned_periods"]

_TARGETS: Final[dict[str, pl.DataType]] = {
    "spot": pl.Int32(),
    "at": pl.Int32(),
    "place": pl.String(),
    "view": pl.Boolean(),
}
_SHOWN: Final = 5


class Span(NamedTuple):
    """A period that is reckoned: a year, or January to the last whole month of a year that is not over."""

    text: str
    """Canonical text of the period."""
    year: int
    """Its year."""
    last: date
    """Its last day."""


def reckoned_periods(years: range, as_of: date) -> list[Span]:
    """Return the years that are over on a day, and the whole months of the one that is not.

    Examples
    --------
    >>> [span.text for span in reckoned_periods(range(2024, 2028), date(2026, 10, 20))]
    ['2024', '2025', '2026-01..09']
    """
    spans = [Span(str(year), year, date(year, 12, 31)) for year in years if date(year, 12, 31) <= as_of]
    if as_of.year in years and as_of < date(as_of.year, 12, 31):
        end = (as_of + timedelta(days=1)).replace(day=1)
        if end.month > 1:
            text = f"{as_of.year}-01..{end.month - 1:02d}"
            spans.append(Span(text, as_of.year, end - timedelta(days=1)))
    return sorted(spans, key=lambda span: span.year)


@dataclass(frozen=True)
class Spots:
    """Distinct whereabouts of things, numbered.

    Parameters
    ----------
    own : tuple of str
        Division of each spot.
    targets : DataFrame
        Columns spot, at (number of the period), place, view (whether the place is a zone): every place for which a thing
        at that spot counts at the end of that period.
    findings : tuple of Finding
    """

    own: tuple[str, ...]
    targets: pl.DataFrame
    findings: tuple[Finding, ...]


def locate(
    pairs: Iterable[tuple[str | None, str | None, int, str]],
    tree: PlaceTree,
    spans: Collection[Span],
    *,
    home: str | None,
    what: str,
) -> Spots:
    """Find the places of things.

    Parameters
    ----------
    pairs : iterable of (place, zone, number of things, first key)
        Place and zone as the ledger has them, ids or names.
    tree : PlaceTree
    spans : collection of Span
        Parents are those of each period's last day.
    home : str or None
        Place whose ledgers these are: nothing is summed above it, and a thing without any place is somewhere in it. The
        lowest place that has them all within where None.
    what : str
        Name of the ledgers, for findings.
    """
    rows = list(pairs)
    found = [(_resolve(tree, place, home), _resolve(tree, zone, home)) for place, zone, _, _ in rows]
    home = home or _common(tree, [place for pair in found for place in pair if place is not None])
    every = all(place is not None and place.id == home for place, _ in found)  # a ledger of the place as a whole
    own: list[str] = []
    targets: list[tuple[int, int, str, bool]] = []
    troubles: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for spot, ((place, zone), (text, zone_text, count, key)) in enumerate(zip(found, rows, strict=True)):
        where = (count, key, text or "")
        if place is None:
            troubles["place-unknown" if text else "place-missing"].append(where)
        if zone is None and zone_text:
            troubles["zone-unknown"].append((count, key, zone_text))
        views = {one.id for one in (place, zone) if one is not None and one.kind is PlaceKind.ZONE}
        division = _division(tree, place, zone, home)
        own.append(division or "")
        if division is None:
            continue
        above = [(at, [division, *tree.ancestor_ids(division, span.last)]) for at, span in enumerate(spans)]
        inside = [(at, chain[: chain.index(home) + 1]) for at, chain in above if home in chain]
        if not inside:
            troubles["outside"].append((count, key, division))
        elif place is not None and not every and tree.children(division):
            troubles["no-district"].append(where)
        for at, chain in inside:
            targets += [(spot, at, one, False) for one in chain] + [(spot, at, view, True) for view in sorted(views)]
    return Spots(
        tuple(own), pl.DataFrame(targets, schema=_TARGETS, orient="row"), tuple(_findings(troubles, what, home, tree))
    )


def _resolve(tree: PlaceTree, text: str | None, home: str | None) -> Place | None:
    if not text:
        return None
    if text in tree:
        return tree.get(text)
    within = tree.candidates(text, within=home) if home is not None else []
    found = within or tree.candidates(text)
    return found[0] if len(found) == 1 else None


def _division(tree: PlaceTree, place: Place | None, zone: Place | None, home: str | None) -> str | None:
    if place is None and zone is not None:
        place = zone
    if place is None:
        return home
    if place.kind is PlaceKind.DIVISION:
        return place.id
    if len(place.overlaps) == 1:
        return place.overlaps[0]
    return place.parent


def _common(tree: PlaceTree, places: list[Place]) -> str | None:
    chains = [[place.id, *tree.ancestor_ids(place.id)] for place in places]
    return next((one for one in chains[0] if all(one in chain for chain in chains)), None) if chains else None


def _findings(
    troubles: Mapping[str, list[tuple[int, str, str]]], what: str, home: str | None, tree: PlaceTree
) -> list[Finding]:
    name = tree.get(home).name if home is not None else "全部"
    sentences = {
        "place-unknown": ("所在地不在名录中，只计入" + name, "改用名录中的名称，或在工作区目录中补充地名"),
        "place-missing": ("没有填所在地，只计入" + name, "请补填所在区县"),
        "zone-unknown": ("功能区不在名录中，不计入任何功能区", "改用名录中的功能区名称"),
        "outside": (f"所在地不属于{name}，未计入", "请核对所在地"),
        "no-district": ("所在地没有写到区县，只计入上级合计", "请补填所在区县"),
    }
    return [
        Finding(
            name=f"buildings.rollup.{problem}",
            sentence=f"{what}：{sum(count for count, _, _ in rows)} 条{sentence}"
            + (
                f"（{'、'.join(sorted({text for _, _, text in rows if text})[:_SHOWN])}）"
                if any(row[2] for row in rows)
                else ""
            ),
            severity=Severity.WARNING,
            next_step=next_step,
            evidence={
                "rows": sum(count for count, _, _ in rows),
                "first": "、".join(sorted(key for _, key, _ in rows)[:_SHOWN]),
            },
        )
        for problem, (sentence, next_step) in sentences.items()
        if (rows := troubles.get(problem))
    ]


def parts_below(tree: PlaceTree, spans: Collection[Span]) -> list[dict[str, list[str]]]:
    """Return for each period the divisions directly below each place on its last day."""
    periods = []
    for span in spans:
        below: dict[str, list[str]] = defaultdict(list)
        for place in tree:
            parent = place.parent_at(span.last)
            if place.kind is PlaceKind.DIVISION and parent is not None and place.exists_on(span.last):
                below[parent].append(place.id)
        periods.append(dict(below))
    return periods


def kept_shares(
    first: Mapping[str, date],
    tree: PlaceTree,
    spans: Collection[Span],
    below: Sequence[Mapping[str, list[str]]],
    *,
    home: str | None,
    complete: Collection[str],
) -> pl.DataFrame:
    """Return for each place and period the share of its divisions of which the ledger says anything.

    Parameters
    ----------
    first : mapping from place id to date
        First day of which the ledger knows anything, by the own division of its things.
    tree : PlaceTree
    spans : collection of Span
    below : sequence of mapping
        Of `parts_below`.
    home : str or None
        Nothing above it is looked at; nothing at all where None.
    complete : collection of str
        Places whose ledger is declared complete for their whole ground: every division in them is kept from the ledger's
        first day on, also without a row or before its own first.

    Returns
    -------
    DataFrame
        Columns place, at, share: 1 where a division without parts has a row of that year or an earlier one, 0 where it has
        none; of a division with parts the mean of theirs, or its own answer where no part has any row.
    """
    beginning = min(first.values(), default=date.max)
    rows: list[tuple[str, int, float]] = []

    def share(place: str, at: int, last: date, *, declared: bool) -> float:
        declared = declared or place in complete
        parts = [share(child, at, last, declared=declared) for child in below[at].get(place, [])]
        mean = sum(parts) / len(parts) if parts else 0.0
        known = (beginning if declared else first.get(place, date.max)) <= last
        rows.append((place, at, mean if mean > 0 else float(known)))
        return rows[-1][2]

    for at, span in enumerate(spans if home is not None else ()):
        assert home is not None
        share(home, at, span.last, declared=bool(set(complete) & set(tree.ancestor_ids(home, span.last))))
    return pl.DataFrame(rows, schema={"place": pl.String, "at": pl.Int32, "share": pl.Float64}, orient="row")
