"""Tables of a PDF page: ruling lines as a grid, merged cells found by the lines that are missing."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from dafeng.intake.documents.pdf_pages import Letter, Rule

__all__ = ["Grid", "find_grids"]

_NEAR: Final = 3.0
_MOST_CELLS: Final = 20_000


@dataclass
class Grid:
    """A ruled table on one page.

    Parameters
    ----------
    xs : list of float
        Upright lines from left to right.
    ys : list of float
        Level lines from top to bottom.
    owner : dict of (row, column) to (row, column)
        For each field of the grid the first field of the cell that it belongs to.
    letters : dict of (row, column) to list of Letter
        Characters by the cell in which they stand.
    """

    xs: list[float]
    ys: list[float]
    owner: dict[tuple[int, int], tuple[int, int]]
    letters: dict[tuple[int, int], list[Letter]] = field(default_factory=lambda: defaultdict(list))

    @property
    def cells(self) -> set[tuple[int, int]]:
        """First fields of the cells."""
        return set(self.owner.values())

    def span(self, cell: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return first row, first column, last row and last column of a cell."""
        fields = [place for place, owner in self.owner.items() if owner == cell]
        return (*cell, max(row for row, _ in fields), max(column for _, column in fields))

    def take(self, letter: Letter) -> bool:
        """Put a character into its cell; return whether it stands in the table."""
        x, y = (letter.x0 + letter.x1) / 2, letter.y + 0.3 * (letter.em or 8.0)
        if not (self.xs[0] - 1 <= x <= self.xs[-1] + 1 and self.ys[-1] - 1 <= y <= self.ys[0] + 1):
            return False
        column = min(max(bisect_right(self.xs, x) - 1, 0), len(self.xs) - 2)
        row = min(max(bisect_right(self.ys, -y, key=lambda value: -value) - 1, 0), len(self.ys) - 2)
        self.letters[self.owner[row, column]].append(letter)
        return True


def find_grids(rules: Sequence[Rule]) -> list[Grid]:
    """Return the tables that the ruling lines of a page form, from top to bottom; frames of one cell are none."""
    level = _joined([rule for rule in rules if rule.level], level=True)
    upright = _joined([rule for rule in rules if not rule.level], level=False)
    grids = [grid for group in _groups(level, upright) if (grid := _grid(*group)) is not None]
    return sorted(grids, key=lambda grid: -grid.ys[0])


def _joined(rules: list[Rule], *, level: bool) -> list[Rule]:
    """Join pieces of one line that touch or overlap."""

    def key(rule: Rule) -> tuple[float, float]:
        return (rule.y0, rule.x0) if level else (rule.x0, rule.y0)

    bands: list[list[Rule]] = []
    for rule in sorted(rules, key=key):
        if bands and key(rule)[0] - key(bands[-1][0])[0] < 1.5:
            bands[-1].append(rule)
        else:
            bands.append([rule])
    result: list[Rule] = []
    for band in bands:
        pieces = sorted(band, key=lambda rule: key(rule)[1])
        current = pieces[0]
        for rule in pieces[1:]:
            start, end = (rule.x0, current.x1) if level else (rule.y0, current.y1)
            if start <= end + _NEAR:
                current = Rule(current.x0, current.y0, max(current.x1, rule.x1), max(current.y1, rule.y1))
                current = current._replace(y1=current.y0) if level else current._replace(x1=current.x0)
            else:
                result.append(current)
                current = rule
        result.append(current)
    return result


def _groups(level: list[Rule], upright: list[Rule]) -> list[tuple[list[Rule], list[Rule]]]:
    """Return lines that touch one another, group by group."""
    everything = level + upright
    parents = list(range(len(everything)))

    def root(item: int) -> int:
        while parents[item] != item:
            parents[item] = parents[parents[item]]
            item = parents[item]
        return item

    for index, line in enumerate(level):
        for other, post in enumerate(upright, start=len(level)):
            across = line.x0 - _NEAR <= post.x0 <= line.x1 + _NEAR
            if across and post.y0 - _NEAR <= line.y0 <= post.y1 + _NEAR:
                parents[root(index)] = root(other)
    groups: dict[int, tuple[list[Rule], list[Rule]]] = {}
    for index in range(len(parents)):
        lines, posts = groups.setdefault(root(index), ([], []))
        (lines if index < len(level) else posts).append(everything[index])
    return [group for group in groups.values() if len(group[0]) >= 2 and group[1]]


def _clustered(values: list[float]) -> list[float]:
    found: list[float] = []
    for value in sorted(values):
        if not found or value - found[-1] > _NEAR:
            found.append(value)
    return found


def _grid(level: list[Rule], upright: list[Rule]) -> Grid | None:
    xs = _clustered([rule.x0 for rule in upright] + [min(rule.x0 for rule in level), max(rule.x1 for rule in level)])
    ys = _clustered([rule.y0 for rule in level] + [min(rule.y0 for rule in upright), max(rule.y1 for rule in upright)])[
        ::-1
    ]
    rows, columns = len(ys) - 1, len(xs) - 1
    if rows < 1 or columns < 1 or rows * columns < 2 or rows * columns > _MOST_CELLS:
        return None
    owner = {(row, column): (row, column) for row in range(rows) for column in range(columns)}

    def root(place: tuple[int, int]) -> tuple[int, int]:
        while owner[place] != place:
            place = owner[place]
        return place

    posts = [[rule for rule in upright if abs(rule.x0 - x) <= _NEAR] for x in xs]
    lines = [[rule for rule in level if abs(rule.y0 - y) <= _NEAR] for y in ys]
    for row in range(rows):
        middle = (ys[row] + ys[row + 1]) / 2
        for column in range(columns):
            here = root((row, column))
            if column and not any(rule.y0 <= middle <= rule.y1 for rule in posts[column]):
                here = _merge(owner, here, root((row, column - 1)))
            centre = (xs[column] + xs[column + 1]) / 2
            if row and not any(rule.x0 <= centre <= rule.x1 for rule in lines[row]):
                _merge(owner, here, root((row - 1, column)))
    settled = {place: root(place) for place in owner}
    return Grid(xs, ys, settled) if len(set(settled.values())) > 1 else None


def _merge(
    owner: dict[tuple[int, int], tuple[int, int]], one: tuple[int, int], other: tuple[int, int]
) -> tuple[int, int]:
    first, last = min(one, other), max(one, other)
    owner[last] = first
    return first
