"""What a check-up says: one item at one place in one year, the total of a set, a problem, a line over several years."""

from __future__ import annotations

from enum import StrEnum

from dafeng.base.record import Record
from dafeng.catalog.statistics_schemas import SetLevel

__all__ = ["WHY_ZH", "ItemResult", "ItemState", "PlaceCheckUp", "Problem", "SetTotal", "Trend", "Why", "YearsLine"]


class ItemState(StrEnum):
    """Whether an item is met; what is not known is unknown and never either of the two."""

    UNKNOWN = "unknown"
    MET = "met"
    NOT_MET = "not_met"
    NO_THRESHOLD = "no_threshold"


class Why(StrEnum):
    """Why an item is unknown, or not judged."""

    NONE = "none"
    NO_VALUE = "no_value"
    MISSING = "missing"
    OTHER_EXTENT = "other_extent"
    NO_WHOLE = "no_whole"
    NOT_SURVEYED = "not_surveyed"
    PARTLY_SURVEYED = "partly_surveyed"
    IMPLAUSIBLE = "implausible"
    DRAFT = "draft"
    NOT_DUE = "not_due"
    NO_SET = "no_set"


WHY_ZH: dict[Why, str] = {
    Why.NONE: "",
    Why.NO_VALUE: "没有数据",
    Why.MISSING: "填报方说明无数",
    Why.OTHER_EXTENT: "只有其他范围的数，仅供参考",
    Why.NO_WHOLE: "缺总数，不能算占比",
    Why.NOT_SURVEYED: "已体检数为0，不能判断",
    Why.PARTLY_SURVEYED: "只查了一部分，未查的不知道，不能判断",
    Why.IMPLAUSIBLE: "数值超出可能的范围，须核对",
    Why.DRAFT: "指标没有口径，不作判定",
    Why.NOT_DUE: "限值的年份未到，只列不判",
    Why.NO_SET: "该年没有指标集，只列不判",
}
"""Words for each reason."""


class Trend(StrEnum):
    """Which way a value moved, read by the better way of the item."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    MOVED = "moved"


class ItemResult(Record):
    """One item of a set at one place in one year."""

    set: str
    """Set id."""
    number: str
    """Number in the set."""
    title: str
    """Name under which the set knows it."""
    indicator: str
    """Indicator id."""
    dimension: str
    """Dimension and head."""
    level: SetLevel
    """What it is judged for."""
    counted: bool
    """Whether it counts in n of N; the line over all items does not."""
    place: str
    """Place id."""
    year: int
    """Year."""
    state: ItemState
    """Met, not met, unknown, or shown without a threshold."""
    why: Why
    """Why it is unknown or not judged."""
    value: float | None
    """Value in `unit`."""
    unit: str
    """Unit of the set."""
    at_least: bool
    """Whether the value is a lower bound: only a part was surveyed or reported."""
    threshold_text: str
    """What is asked, in Chinese; empty where nothing is."""
    gap: float | None
    """By how much a value that does not meet the threshold falls short, in `unit` (shares: percentage points)."""
    change: float | None
    """Difference from the year before, where the same dataset gives both and both cover all; in `unit` (percentage points)."""
    trend: Trend | None
    """Which way it moved."""
    surveyed: float | None
    """已体检数."""
    to_survey: float | None
    """应体检数."""
    coverage: float | None
    """Share of what should have been counted that was, where the value states it."""
    dataset: str | None
    """Who says so."""
    demonstration: bool
    """Whether the value is fictitious."""
    running: bool
    """Whether the year is not over: the state at the survey."""
    lineage: str | None
    """Id into the lineage table."""
    others: int
    """How many other datasets give the same fact."""
    other_low: float | None
    """Least value of all datasets, where there are several."""
    other_high: float | None
    """Greatest value of all datasets."""
    reference: float | None
    """Value of another extent, shown and never judged."""
    reference_extent: str | None
    """That extent."""
    pending: bool
    """Whether name or membership is still to be verified."""
    threshold_pending: bool
    """Whether the threshold is."""
    note: str | None
    """Remark of the catalog."""


class SetTotal(Record):
    """The total of a set at one place in one year."""

    set: str
    """Set id."""
    place: str
    """Place id."""
    year: int
    """Year."""
    listed: int
    """Items that the catalog lists."""
    whole: int | None
    """Items of the published set; None where not known."""
    met: int
    """Items met."""
    not_met: int
    """Items not met."""
    unknown: int
    """Items unknown."""
    without_threshold: int
    """Items shown and not judged."""
    score: float | None = None
    """Weighted score in points of 100, by official weights; None without them or where a weighted item is unknown."""
    score_low: float | None = None
    """Score where everything unknown counts nothing."""
    score_high: float | None = None
    """Score where everything unknown counts in full."""
    rank: str | None = None
    """Grade that the score earns, where both ends earn the same."""

    @property
    def sentence(self) -> str:
        """Say n of N in Chinese.

        Examples
        --------
        >>> SetTotal(set="s", place="p", year=2024, listed=15, whole=65, met=4, not_met=1, unknown=9, without_threshold=1).sentence
        '指标集共65项，本库录有15项：达标4项，未达标1项，未知9项，无限值或未到期限1项'
        """
        head = f"共{self.listed}项"
        if self.whole is None:
            head = f"指标集总项数未知，本库录有{self.listed}项"
        elif self.whole != self.listed:
            head = f"指标集共{self.whole}项，本库录有{self.listed}项"
        without = f"，无限值或未到期限{self.without_threshold}项" if self.without_threshold else ""
        return f"{head}：达标{self.met}项，未达标{self.not_met}项，未知{self.unknown}项{without}"


class Problem(Record):
    """A row of the list of problems (问题台账): an item that is not met."""

    set: str
    """Set id."""
    number: str
    """Number in the set."""
    title: str
    """Name of the item."""
    dimension: str
    """Dimension and head."""
    level: SetLevel
    """What it is judged for."""
    place: str
    """Place id."""
    place_name: str
    """Name of the place."""
    year: int
    """Year."""
    value: float
    """Value in `unit`."""
    unit: str
    """Unit."""
    at_least: bool
    """Whether the value is a lower bound."""
    threshold_text: str
    """What is asked."""
    gap: float | None
    """Shortfall in `unit`, percentage points for shares."""
    gap_unit: str
    """Unit of the shortfall."""
    worsening: bool
    """Whether it became worse than the year before."""
    partly_surveyed: bool
    """Whether there may be more than was found."""
    bodies: tuple[str, ...]
    """Who answers for the indicator in the plan of the place; empty where no plan says."""
    dataset: str | None
    """Who gave the value."""
    pending: bool
    """Whether item or threshold is still to be verified."""


class PlaceCheckUp(Record):
    """The check-up of one place in one year."""

    set: str
    """Set id."""
    set_title: str
    """Name of the set."""
    place: str
    """Place id."""
    place_name: str
    """Name of the place."""
    year: int
    """Year."""
    total: SetTotal
    """n of N."""
    sentence: str
    """n of N in Chinese."""
    rows: tuple[ItemResult, ...]
    """Items in order, the line over all items last."""
    problems: tuple[Problem, ...]
    """Items not met."""
    demonstration: bool
    """Whether any fictitious value was used."""


class YearsLine(Record):
    """One quantity over several years, each judged by the set in force."""

    number: str
    """Number in the latest set that has it."""
    title: str
    """Name in that set."""
    indicator: str
    """Indicator id."""
    dimension: str
    """Dimension and head."""
    unit: str
    """Unit of the values."""
    place: str
    """Place id."""
    names: dict[int, str]
    """Name by year, where a set in force has it."""
    values: dict[int, float]
    """Values by year."""
    states: dict[int, ItemState]
    """State by year, of the set in force; a year without one is shown and not judged."""
    first_year: int | None
    """First year of the dataset that gave the last value."""
    first_value: float | None
    """Its value."""
    last_year: int | None
    """Last year with a value."""
    last_value: float | None
    """Its value."""
    change: float | None
    """Last less first value of that dataset; shares in percentage points."""
    trend: Trend | None
    """Which way it moved over these years."""
    state: ItemState
    """State in the last year of the evaluation."""
    years_missing: tuple[int, ...]
    """Years without a value."""
    other_years: tuple[int, ...]
    """Years whose value another dataset gave: shown, not compared."""
    breaks: tuple[str, ...]
    """Where a set put another quantity in its place, in Chinese."""
    pending: bool
    """Whether item or threshold is still to be verified."""
    demonstration: bool
    """Whether any value is fictitious."""
