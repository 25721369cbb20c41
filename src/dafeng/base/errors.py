"""The error tree of dafeng: stable codes, exit codes and next steps.

::

    DafengError                    (exit 3)
    ├── UsageError                 usage             2   the command or call was put wrongly
    ├── InputError                 input             3   a file or value that a person supplied cannot be used
    │   ├── UnitError              unit              3   a unit is unknown or of another dimension
    │   ├── PeriodError            period            3   a period text is not understood
    │   └── LakeError              lake              3   the stored facts cannot be read or written
    ├── ContentError               content           4   a catalog or workspace folder is faulty or incomplete
    │   ├── UnknownNameError       unknown-name      4   nothing of that name; close names are offered
    │   ├── AmbiguousNameError     ambiguous-name    4   two or more things of that name; all are named
    │   ├── ExpressionError        expression        4   an expression is malformed or its dimensions do not fit
    │   └── NoWorkspaceError       no-workspace      4   a command that writes found no workspace
    ├── NotEnoughDataError         not-enough-data   4   a method refuses because too little is known
    └── NotConvergedError          not-converged     5   a computation did not reach its tolerance

Every message has four parts: what was being done, what is wrong with which value, what was expected, what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum
from typing import ClassVar

__all__ = [
    "AmbiguousNameError",
    "ContentError",
    "DafengError",
    "ExitCode",
    "ExpressionError",
    "InputError",
    "LakeError",
    "NoWorkspaceError",
    "NotConvergedError",
    "NotEnoughDataError",
    "PeriodError",
    "UnitError",
    "UnknownNameError",
    "UsageError",
    "close_names",
]


class ExitCode(IntEnum):
    """The one table of exit codes of the command line."""

    DONE = 0
    FINDINGS = 1
    USAGE = 2
    BAD_INPUT = 3
    MISSING_CONTENT = 4
    NOT_CONVERGED = 5
    DEFECT = 70
    INTERRUPTED = 130


class DafengError(Exception):
    """Anything that dafeng refuses to do, said in four parts.

    Parameters
    ----------
    problem : str
        What is wrong, with the value.
    doing : str
        What was being done.
    expected : str
        What would have been right.
    next_step : str
        What the user can do now.
    evidence : object
        Further facts by name, for `--json`.

    Examples
    --------
    >>> print(InputError("cell B7 holds 'abc'", doing="import a.csv", expected="a number", next_step="mend the cell"))
    [input] import a.csv: cell B7 holds 'abc'; expected: a number; next: mend the cell
    """

    code: ClassVar[str] = "dafeng"
    exit_code: ClassVar[ExitCode] = ExitCode.BAD_INPUT

    def __init__(
        self, problem: str, *, doing: str = "", expected: str = "", next_step: str = "", **evidence: object
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.doing = doing
        self.expected = expected
        self.next_step = next_step
        self.evidence = evidence

    def __str__(self) -> str:
        text = f"[{self.code}] " + (f"{self.doing}: " if self.doing else "") + self.problem
        if self.expected:
            text += f"; expected: {self.expected}"
        return text + (f"; next: {self.next_step}" if self.next_step else "")


class UsageError(DafengError):
    """The command or call was put wrongly."""

    code = "usage"
    exit_code = ExitCode.USAGE


class InputError(DafengError):
    """A file or value that a person supplied cannot be used."""

    code = "input"


class UnitError(InputError):
    """A unit is unknown, or of another dimension than needed."""

    code = "unit"


class PeriodError(InputError):
    """A period text is not understood."""

    code = "period"


class LakeError(InputError):
    """The stored facts cannot be read or written."""

    code = "lake"


class ContentError(DafengError):
    """A catalog or workspace folder is faulty or incomplete."""

    code = "content"
    exit_code = ExitCode.MISSING_CONTENT


class UnknownNameError(ContentError):
    """Nothing of that name is known; close names are offered."""

    code = "unknown-name"


class AmbiguousNameError(ContentError):
    """Two or more things answer to that name; all are named."""

    code = "ambiguous-name"


class ExpressionError(ContentError):
    """An expression is malformed, or its dimensions do not fit."""

    code = "expression"


class NoWorkspaceError(ContentError):
    """A command that writes found no workspace."""

    code = "no-workspace"


class NotEnoughDataError(DafengError):
    """A method refuses because too little is known."""

    code = "not-enough-data"
    exit_code = ExitCode.MISSING_CONTENT


class NotConvergedError(DafengError):
    """A computation did not reach its tolerance."""

    code = "not-converged"
    exit_code = ExitCode.NOT_CONVERGED


def close_names(name: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """Return up to `most` known names that look like `name`.

    Examples
    --------
    >>> close_names("urban_rail_lenght", ["urban_rail_length", "green_space_rate"])
    ['urban_rail_length']
    """
    return difflib.get_close_matches(name, list(known), n=most, cutoff=0.6)
