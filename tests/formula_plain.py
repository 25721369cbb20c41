"""The grammar of formulas over single numbers in plain Python: a second route, written without the house's parser and engine.

Unknown is None. A fact is looked up by (indicator, place, period); nothing here knows arrays, codes or Polars.
"""

import re
from collections.abc import Callable

from dafeng.base.quantity import root_factor

Lookup = Callable[[str, str], float | None]
_TOKEN = re.compile(r'\s*(\d+(?:\.\d+)?(?:\[[^\]]+\])?|"[^"]*"|[a-z][a-z0-9_]*|>=|<=|==|!=|[-+*/(),<>])')


class Plain:
    """Evaluates one formula: `lookup(name, when)` gives a value in the name's unit, None where unknown."""

    def __init__(self, text: str, lookup: Lookup, units: dict[str, str]) -> None:
        self.tokens = _TOKEN.findall(text)
        self.at = 0
        self.lookup = lookup
        self.units = units

    def result(self, unit: str) -> float | None:
        value = self._comparison()
        assert self.at == len(self.tokens), self.tokens[self.at :]
        return None if value is None else value / root_factor(unit)

    def _take(self, *wanted: str) -> str | None:
        if self.at < len(self.tokens) and self.tokens[self.at] in wanted:
            self.at += 1
            return self.tokens[self.at - 1]
        return None

    def _comparison(self) -> float | bool | None:
        left = self._sum()
        sign = self._take(">", "<", ">=", "<=")
        if sign is None:
            return left
        right = self._sum()
        if left is None or right is None:
            return None
        return {">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right}[sign]

    def _sum(self) -> float | None:
        total = self._product()
        while sign := self._take("+", "-"):
            other = self._product()
            total = None if total is None or other is None else total + other if sign == "+" else total - other
        return total

    def _product(self) -> float | None:
        total = self._atom()
        while sign := self._take("*", "/"):
            other = self._atom()
            if total is None or other is None or (sign == "/" and other == 0):
                total = None
            else:
                total = total * other if sign == "*" else total / other
        return total

    def _atom(self) -> float | None:
        if self._take("-"):
            value = self._atom()
            return None if value is None else -value
        if self._take("("):
            value = self._comparison()
            assert self._take(")")
            return value
        token = self.tokens[self.at]
        self.at += 1
        if token[0].isdigit():
            number, _, unit = token.rstrip("]").partition("[")
            return float(number) * (root_factor(unit) if unit else 1.0)
        if self._take("("):
            return self._call(token)
        return self._name(token, "")

    def _name(self, name: str, when: str) -> float | None:
        value = self.lookup(name, when)
        return None if value is None else value * root_factor(self.units[name])

    def _call(self, name: str) -> float | None:
        if name in ("previous", "year_before", "at"):
            of, when = self.tokens[self.at], name
            self.at += 1
            if name == "at":
                when = self.tokens[self.at + 1].strip('"')
                self.at += 2
            assert self._take(")")
            return self._name(of, when)
        values = [self._comparison()]
        while self._take(","):
            values.append(self._comparison())
        assert self._take(")")
        if name == "if":
            return None if values[0] is None else values[1] if values[0] else values[2]
        if None in values:
            return None
        match name:
            case "share":
                return None if values[1] == 0 else values[0] / values[1]
            case "points":
                return 100 * (values[0] - values[1])
            case "lowered":
                return values[0] - values[1] / 100
            case "sum":
                return sum(values)
            case "max":
                return max(values)
            case "min":
                return min(values)
        raise AssertionError(name)
