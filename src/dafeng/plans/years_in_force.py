"""Which year governs at a place of a sentence, while it is read from left to right."""

from __future__ import annotations

from dataclasses import dataclass

from dafeng.plans.deadlines import TimeMention, TimeRole

__all__ = ["Clock"]


@dataclass(slots=True)
class Clock:
    """Years in force while the reader goes through a sentence.

    Parameters
    ----------
    by : TimeMention or None
        Deadline.
    base : TimeMention or None
        Base year.
    base_segment, by_segment : int
        Stretches between commas in which they were named.
    start : TimeMention or None
        First year that counts.
    past : bool
        Whether the last year named is one of what was reached.
    from_before : bool
        Whether the deadline comes from the sentence before.
    standing : TimeMention or None
        Base year in a stretch of its own (与2020年相比,): it holds for the sentence.
    """

    by: TimeMention | None = None
    base: TimeMention | None = None
    base_segment: int = -1
    by_segment: int = -1
    start: TimeMention | None = None
    past: bool = False
    from_before: bool = False
    standing: TimeMention | None = None

    def see(self, time: TimeMention, segment: int) -> None:
        """Take note of a year."""
        match time.role:
            case TimeRole.BY:
                self.by, self.start, self.past, self.from_before, self.by_segment = time, None, False, False, segment
                self.base = self.base if self.base_segment == segment else None
            case TimeRole.START:
                self.start, self.by, self.past, self.from_before = time, None, False, False
            case TimeRole.PAST:
                self.past, self.by, self.start, self.from_before = True, None, None, False
            case TimeRole.BASE:
                self.base, self.base_segment = time, segment
