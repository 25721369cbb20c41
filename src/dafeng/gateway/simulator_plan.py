"""An invented city of gateways: buildings, meters, what they use, and what their registers show. The same seed gives the same city.

Use is kept in whole ticks of each register, so that the truth is a sum of whole numbers and owes nothing to what is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, model_validator

from dafeng.base.errors import UsageError
from dafeng.base.record import Record
from dafeng.catalog import Catalog
from dafeng.gateway.simulator_loads import LOAD_TYPES, Array, loads_of_day, local_instants, surroundings

__all__ = ["METER_PLAN", "CityOptions", "CityPlan", "PlannedGateway", "instants_of", "plan_city"]

Ticks = npt.NDArray[np.int64]
_MAIN: Final = 7
"""Row of all electricity, after those of `LOAD_KINDS`."""
_LOSS: Final = 1.02
"""Main meter over the sum of its four parts: what no branch measures."""
_EVERY: Final = 10
"""Each tenth gateway is the second of the building before it."""
_WITHOUT_MAIN: Final = 6
"""Each sixth building has no main meter."""


class _Kind(NamedTuple):
    item: str
    row: int
    share: float
    carrier: str
    unit: str
    decimals: int
    name: str


def _power(item: str, row: int, share: float, name: str) -> _Kind:
    return _Kind(item, row, share, "electricity", "kWh", 2, name)


METER_PLAN: Final = (
    _power("01000", _MAIN, _LOSS, "总进线"),
    _power("01A00", 0, 1.0, "照明插座"),
    _power("01B00", 1, 1.0, "空调"),
    _power("01C00", 2, 1.0, "动力"),
    _power("01D00", 3, 1.0, "特殊"),
    _Kind("02000", 4, 1.0, "water", "m**3", 2, "给水"),
    _Kind("04000", 5, 1.0, "heat", "GJ", 3, "热力入口"),
    _power("01A10", 0, 0.8, "照明与插座"),
    _power("01B10", 1, 0.62, "冷热站"),
    _power("01B20", 1, 0.3, "空调末端"),
    _power("01C10", 2, 0.4, "电梯"),
    _Kind("03000", 6, 1.0, "natural_gas", "m**3", 2, "燃气"),
    _power("01C20", 2, 0.35, "水泵"),
    _power("01C30", 2, 0.2, "通风机"),
    _power("01D10", 3, 0.5, "信息中心"),
    _power("01A20", 0, 0.15, "走廊与应急"),
    _power("01D30", 3, 0.3, "厨房餐厅"),
)
"""Meters of a building in the order in which it has them; further ones are floors of the lighting branch, downstream of it."""
_BRANCH: Final = "01A10"


class CityOptions(Record):
    """How large the city is and when it is played.

    Examples
    --------
    >>> CityOptions(day=date(2026, 3, 4), gateways=2).month_to_date
    datetime.date(2026, 3, 1)
    """

    day: date
    """First local day that is reported every `minutes`."""
    days: int = Field(default=1, ge=1, le=40)
    """How many such days."""
    gateways: int = Field(default=50, ge=1, le=20_000)
    """Gateways."""
    meters: int = Field(default=12, ge=1, le=99)
    """Meters of each gateway."""
    minutes: int = Field(default=15, ge=1, le=60)
    """Between two readings."""
    since: date | None = None
    """First day of the daily registers that gateways kept from before `day`; the first of its month where None."""
    place: str = "qingdao"
    """City whose districts have the buildings."""
    zone: str = "Asia/Shanghai"
    """Zone of the gateways' clocks."""
    profiles: tuple[str, ...] = ("N",)
    """Profiles of the catalog that gateways speak, in turn."""

    @model_validator(mode="after")
    def _consistent(self) -> CityOptions:
        if 60 % self.minutes:
            raise ValueError("an hour has no whole number of steps")
        if self.since is not None and self.since > self.day:
            raise ValueError("the daily registers begin after the day")
        return self

    @property
    def month_to_date(self) -> date:
        """First day of the daily registers."""
        return self.since or self.day.replace(day=1)


class PlannedGateway(NamedTuple):
    """A gateway of the city.

    Parameters
    ----------
    building, gateway : str
        Building code and number within it.
    profile : str
    key, iv : bytes
    secret : str
        Of the login; never printed.
    first, past : int
        Its rows in the table of meters.
    """

    building: str
    gateway: str
    profile: str
    key: bytes
    iv: bytes
    secret: str
    first: int
    past: int

    def __repr__(self) -> str:
        return f"PlannedGateway({self.building}/{self.gateway}, {self.past - self.first} meters)"


@dataclass(frozen=True)
class CityPlan:
    """The city, and what each of its meters counts from one reading to the next.

    Parameters
    ----------
    options : CityOptions
    buildings : DataFrame
        building, name, place, type, area (m²), main (whether it has a main meter).
    gateways : tuple of PlannedGateway
    meters : DataFrame
        meter (id of the ledger), building, gateway, number (its gateway's place in `gateways`), address, function, item, carrier,
        unit, name, multiplier, decimals, modulus, rated (kW, null for others than electricity), parent.
    times : list of datetime
        Local clock of each reading: midnights of the days before, then every step of the days played.
    use : array of int, shape (meter, reading - 1)
        Ticks of the register from one reading to the next.
    start : array of int, shape (meter,)
        Ticks at the first reading.
    fine : int
        Which of `times` begins the first day played.
    """

    options: CityOptions
    buildings: pl.DataFrame
    gateways: tuple[PlannedGateway, ...]
    meters: pl.DataFrame
    times: list[datetime]
    use: Ticks
    start: Ticks
    fine: int

    @property
    def milli(self) -> Ticks:
        """Thousandths of the meter's unit in one tick, multiplier included, shape (meter,)."""
        scale = 10 ** (3 - self.meters["decimals"].to_numpy().astype(np.int64))
        return np.asarray(scale * self.meters["multiplier"].to_numpy().astype(np.int64))

    @property
    def full_scale(self) -> Ticks:
        """Ticks at which registers begin anew, shape (meter,)."""
        scale = 10 ** self.meters["decimals"].to_numpy().astype(np.int64)
        return np.asarray(self.meters["modulus"].to_numpy().astype(np.int64) * scale)

    @property
    def instants(self) -> npt.NDArray[np.int64]:
        """Seconds since 1970 of `times`, shape (reading,)."""
        return instants_of(self.times, self.options.zone)


def instants_of(times: list[datetime], zone: str) -> npt.NDArray[np.int64]:
    """Return seconds since 1970 of local times.

    Examples
    --------
    >>> instants_of([datetime(1970, 1, 1, 8)], "Asia/Shanghai").tolist()
    [0]
    """
    known = ZoneInfo(zone)
    return np.array([round(time.replace(tzinfo=known).timestamp()) for time in times], np.int64)


def plan_city(
    options: CityOptions, catalog: Catalog, *, rng: np.random.Generator, temperature: Array | None = None
) -> CityPlan:
    """Return a city.

    Parameters
    ----------
    options : CityOptions
    catalog : Catalog
        Its places, holidays and heating seasons.
    rng : Generator
    temperature : array, shape (day, 24), optional
        What the weather was on the days before and the days played, °C; invented where None.

    Raises
    ------
    UnknownNameError
        There is no such place.
    UsageError
        The place has no districts with codes, or too few codes of buildings for so many gateways.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> city = plan_city(CityOptions(day=date(2026, 3, 4), gateways=2, meters=5), load_catalog(), rng=np.random.default_rng(1))
    >>> city.meters["item"].to_list()[:5], city.use.shape, city.times[city.fine].isoformat()
    (['01000', '01A00', '01B00', '01C00', '01D00'], (10, 99), '2026-03-04T00:00:00')
    """
    buildings, types, home = _buildings(options, catalog, rng)
    gateways = _gateways(options, buildings, home, rng)
    meters, building, row, share = _meters(options, buildings, gateways, home)
    first, before = options.month_to_date, (options.day - options.month_to_date).days
    steps = 24 * 60 // options.minutes
    around = surroundings(catalog, options.place, first, before + options.days, rng=rng, temperature=temperature)
    area = buildings["area"].to_numpy().astype(float)
    parts, peak = [], np.zeros(meters.height)
    for day in range(before + options.days):
        loads = loads_of_day(types, area, around, day, steps=steps, rng=rng)
        loads = np.concatenate([loads, loads[:4].sum(axis=0, keepdims=True)])
        drawn = loads[row, building] * share[:, None]
        peak = np.maximum(peak, drawn.max(axis=1))
        energy = drawn * (options.minutes / 60)
        parts.append(energy.sum(axis=1, keepdims=True) if day < before else energy)
    meters = _scaled(meters, peak, rng)
    scale = meters["multiplier"].to_numpy() / 10.0 ** meters["decimals"].to_numpy()
    total = np.floor(np.cumsum(np.concatenate(parts, axis=1), axis=1) / scale[:, None]).astype(np.int64)
    use = np.diff(total, axis=1, prepend=0)
    full = meters["modulus"].to_numpy().astype(np.int64) * 10 ** meters["decimals"].to_numpy().astype(np.int64)
    start = (full * rng.uniform(0.05, 0.4, meters.height)).astype(np.int64)
    midnights = [datetime(first.year, first.month, first.day) + timedelta(days=number) for number in range(before)]
    times = midnights + local_instants(options.day, options.days, options.minutes)
    return CityPlan(options, buildings, gateways, meters, times, use, start, before)


def _buildings(
    options: CityOptions, catalog: Catalog, rng: np.random.Generator
) -> tuple[pl.DataFrame, Ticks, list[int]]:
    """Return the buildings, their types, and the building of each gateway."""
    held = {
        place.id: code
        for place in catalog.places
        if options.place in catalog.places.ancestor_ids(place.id)
        for code in [_code_on(place.codes, options.day)]
        if code is not None and place.kind == "division"
    }
    catalog.places.get(options.place)
    if not held:
        raise UsageError(
            f"{options.place} 没有带代码的区县 / has no districts with codes",
            doing="plan a city",
            expected="设区的市 / a city with districts",
            next_step="换一个城市",
        )
    second = [number % _EVERY == _EVERY - 1 for number in range(options.gateways)]
    home = np.cumsum([not again for again in second]) - 1
    count = int(home[-1]) + 1
    weights = np.array([kind.share for kind in LOAD_TYPES])
    types = rng.choice(len(LOAD_TYPES), count, p=weights / weights.sum())
    places = rng.permutation(np.arange(count)) % len(held)
    low, high = (np.array([kind.area[side] for kind in LOAD_TYPES])[types] for side in (0, 1))
    area = np.round(np.exp(rng.uniform(np.log(low), np.log(high))), -2)
    names = list(held)
    numbers: dict[str, int] = {}
    rows = []
    for index, (kind, place) in enumerate(zip(types, places, strict=True)):
        prefix = f"{held[names[place]]}{LOAD_TYPES[kind].letter}"
        numbers[prefix] = numbers.get(prefix, 0) + 1
        if numbers[prefix] > 999:
            raise UsageError(
                f"{prefix}：建筑多于 999 栋 / more than 999 buildings",
                doing="plan a city",
                expected="较少的网关 / fewer gateways",
                next_step="减少 --gateways",
            )
        code = f"{prefix}{numbers[prefix]:03d}"
        rows.append(
            (code, f"模拟楼{code}", names[place], LOAD_TYPES[kind].code, area[index], index % _WITHOUT_MAIN != 5)
        )
    schema = ["building", "name", "place", "type", "area", "main"]
    return pl.DataFrame(rows, schema=schema, orient="row"), types.astype(np.int64), home.tolist()


def _code_on(codes: object, day: date) -> str | None:
    held = [
        one.code
        for one in codes  # type: ignore[attr-defined]
        if (one.valid_from is None or one.valid_from <= day) and (one.valid_to is None or day < one.valid_to)
    ]
    return held[-1] if held else None


def _gateways(
    options: CityOptions, buildings: pl.DataFrame, home: list[int], rng: np.random.Generator
) -> tuple[PlannedGateway, ...]:
    codes = buildings["building"].to_list()
    keys = rng.integers(0, 256, (options.gateways, 40), np.uint8)
    found = []
    for number, building in enumerate(home):
        again = number > 0 and home[number - 1] == building
        drawn = keys[number].tobytes()
        found.append(
            PlannedGateway(
                codes[building],
                "02" if again else "01",
                options.profiles[number % len(options.profiles)],
                drawn[:16],
                drawn[16:32],
                drawn[32:].hex(),
                number * options.meters,
                (number + 1) * options.meters,
            )
        )
    return tuple(found)


def _meters(
    options: CityOptions, buildings: pl.DataFrame, gateways: tuple[PlannedGateway, ...], home: list[int]
) -> tuple[pl.DataFrame, Ticks, Ticks, Array]:
    """Return the meters without their scales, and of each the building, the row of loads and the share of it."""
    main = buildings["main"].to_list()
    of_building: dict[int, int] = {}
    for building in home:
        of_building[building] = of_building.get(building, 0) + options.meters
    plans = {index: _kinds(count, main=main[index]) for index, count in of_building.items()}
    taken = dict.fromkeys(of_building, 0)
    branch: dict[int, str] = {}
    rows, kinds = [], []
    for number, (gateway, building) in enumerate(zip(gateways, home, strict=True)):
        for port in range(options.meters):
            kind, below = plans[building][taken[building]]
            taken[building] += 1
            address = f"{port // 30 + 1:02d}{port % 30 + 1:03d}"
            meter = f"{gateway.building}-{gateway.gateway}-{address}"
            if kind.item == _BRANCH and not below:
                branch[building] = meter
            rows.append(
                (meter, gateway.building, gateway.gateway, number, address, "1", kind.item, kind.carrier, kind.unit, kind.name,
                 kind.decimals, branch[building] if below else None)
            )  # fmt: skip
            kinds.append((building, kind.row, kind.share))
    names = ["meter", "building", "gateway", "number", "address", "function", "item", "carrier", "unit", "name", "decimals", "parent"]  # fmt: skip
    frame = pl.DataFrame(rows, schema=names, orient="row", schema_overrides={"parent": pl.String()})
    table = np.array(kinds, float)
    return frame, table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2]


def _kinds(count: int, *, main: bool) -> list[tuple[_Kind, bool]]:
    """Return the meters of a building, each with whether it is a floor below the lighting branch."""
    plan = METER_PLAN if main else METER_PLAN[1:]
    floors = max(count - len(plan), 0)
    branch = next(kind for kind in METER_PLAN if kind.item == _BRANCH)
    below = [
        (branch._replace(share=branch.share * 0.95 / floors, name=f"{number + 1}层照明"), True)
        for number in range(floors)
    ]
    return [*((kind, False) for kind in plan[:count]), *below]


def _scaled(meters: pl.DataFrame, peak: Array, rng: np.random.Generator) -> pl.DataFrame:
    """Add multipliers, full scales and ratings to fit what the meters are to count."""
    power = (meters["carrier"] == "electricity").to_numpy()
    ratios = np.array([1, 20, 30, 40, 60, 80, 120, 160, 200, 400])
    wanted = np.where(power, peak / 6, 0)  # a meter behind transformers shows some 6 kW at most
    multiplier = ratios[np.searchsorted(ratios[:-1], wanted)]
    rated = np.ceil(np.maximum(peak * 1.25, 1) / 5) * 5
    modulus = np.where(rng.random(meters.height) < 0.2, 10**5, 10**6)
    return meters.with_columns(
        multiplier=pl.Series(multiplier.astype(np.int64)),
        modulus=pl.Series(modulus.astype(np.int64)),
        rated=pl.Series(np.where(power, rated, np.nan)).fill_nan(None),
    )
