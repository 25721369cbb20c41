"""Readings that a gateway or platform pushes as JSON: each row's fate, and an answer that may be sent back as it stands.

The form::

    {"batch": "gw-17-000123", "sender": "gw-17", "zone": "+08:00", "readings": [
        {"meter": "m-1", "at": "2026-01-01T08:00:00+08:00", "value": 12.5},
        {"meter": "m-2", "start": "2026-01-01T07:00:00Z", "at": "2026-01-01T08:00:00Z", "value": 3.0, "unit": "kWh", "mark": "ok"}]}

A bare list of readings is taken too. The batch names the push: sent twice it counts once. Without one it is named after its
contents. Nothing here opens a socket: the platform hands over the body and sends the answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import polars as pl

from dafeng.base.errors import UnitError, UsageError
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.meter import Meter
from dafeng.base.quantity import conversion_factor, same_dimension
from dafeng.base.reading import READING_KEY, READING_SCHEMA
from dafeng.intake.meter_problems import REASONS
from dafeng.intake.meter_times import check_zone, read_times, to_instants

__all__ = ["PUSH_FATES", "PushLimits", "Pushed", "read_push"]

PUSH_FATES: Final[dict[str, pl.DataType]] = {
    "index": pl.Int64(),
    "meter": pl.String(),
    "fate": pl.String(),
    "reason": pl.String(),
    "text": pl.String(),
}
"""Fate of each row in the order in which it was sent: accepted, duplicate (stands again later in the push), replaced (a later row
of the push says otherwise) or refused, with reason and the text at fault."""

_FIELDS: Final = ("meter", "at", "start", "value", "unit", "mark")
_OWN: Final = {
    "zone-missing": ("时间「{value}」没有写明时差，推送也没有写明 zone", "带时差的时间，如 2026-01-01T08:00:00+08:00", "补上时差或 zone"),
    "row-malformed": ("这一项不是一个读数：{value}", "含 meter、at、value 的对象", "按约定的格式推送"),
    "field-unknown": ("不认识的字段：{value}", "meter、at、start、value、unit、mark", "去掉或改名"),
    "meter-unreadable": ("表号「{value}」含有控制字符或不成字的编码", "可打印的表号", "核对推送方的编码"),
    "mark-too-long": ("标识过长：{value}", "不超过 64 个字符", "缩短标识"),
}  # fmt: skip


@dataclass(frozen=True)
class PushLimits:
    """How much one push may hold.

    Parameters
    ----------
    size : int
        Bytes of the body.
    readings : int
    depth : int
        Brackets within one another.
    text : int
        Characters of a meter id or batch id.
    """

    size: int = 8 << 20
    readings: int = 100_000
    depth: int = 8
    text: int = 200


@dataclass(frozen=True)
class Pushed:
    """What became of a push.

    Parameters
    ----------
    batch : str
        Idempotent key under which the frame goes into the lake.
    frame : DataFrame of `READING_SCHEMA`
    fates : DataFrame of `PUSH_FATES`
    status : int
        Code of the answer: 200 (every row has a fate, see there), 400 (no such form), 413 (beyond a limit).
    findings : tuple of Finding
        What is wrong with the push as a whole.
    """

    batch: str
    frame: pl.DataFrame
    fates: pl.DataFrame
    status: int
    findings: tuple[Finding, ...] = ()

    def answer(self) -> dict[str, Any]:
        """Return the body of the answer: counts, and every row that was not accepted.

        Examples
        --------
        >>> from datetime import UTC
        >>> body = b'[{"meter": "m-1", "at": "2026-01-01T00:00:00Z", "value": "x"}]'
        >>> answer = read_push(body, received_at=datetime(2026, 11, 20, tzinfo=UTC)).answer()
        >>> answer["counts"], answer["rows"][0]["reason"]
        ({'refused': 1}, 'value-not-a-number')
        """
        left = self.fates.filter(pl.col("fate") != "accepted")
        return {
            "batch": self.batch,
            "counts": dict(sorted(self.fates.group_by("fate").len().iter_rows())),
            "rows": left.to_dicts(),
            "problems": [finding.model_dump(mode="json") for finding in self.findings],
        }


def read_push(
    payload: bytes | Mapping[str, Any] | Sequence[Any],
    *,
    received_at: datetime,
    meters: Mapping[str, Meter] | None = None,
    limits: PushLimits | None = None,
    keep_unknown: bool = False,
) -> Pushed:
    """Return the readings of a push and the fate of each row. Never raises for what a sender may send.

    Parameters
    ----------
    payload : bytes, mapping or sequence
        JSON as received, or what it says.
    received_at : datetime
    meters : mapping from id to Meter, optional
        The register. Without one every meter is taken, and a stated unit is not converted.
    limits : PushLimits, optional
    keep_unknown : bool
        Whether readings of meters that the register does not know are taken.

    Examples
    --------
    >>> from datetime import UTC
    >>> pushed = read_push({"batch": "b-1", "readings": [{"meter": "m-1", "at": "2026-01-01T08:00:00+08:00", "value": 12.5}]},
    ...                    received_at=datetime(2026, 11, 20, tzinfo=UTC))
    >>> pushed.batch, pushed.status, pushed.frame["at"][0].isoformat()
    ('b-1', 200, '2026-01-01T00:00:00+00:00')
    """
    limits = limits or PushLimits()
    said: Any = payload
    if isinstance(payload, bytes | bytearray):
        try:
            said = _decode(bytes(payload), limits)
        except _RefusedError as error:
            return _nothing(error.status, error.name, error.sentence)
    batch, rows, zone = "", said, ""
    if isinstance(said, Mapping):
        batch, rows, zone = said.get("batch", ""), said.get("readings"), said.get("zone", "")
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        return _nothing(400, "form", "推送中没有 readings 列表")
    if len(rows) > limits.readings:
        return _nothing(413, "too-many", f"一次推送 {len(rows):,} 个读数，上限 {limits.readings:,}")
    if not isinstance(batch, str) or len(batch) > limits.text or (batch and not batch.isprintable()):
        return _nothing(400, "batch", "batch 不是一个可打印的短文本")
    try:
        zone = check_zone(zone) if isinstance(zone, str) and zone else ""
    except UsageError:
        return _nothing(400, "zone", f"时区 {zone!r} 不认识")
    if not batch:
        canonical = json.dumps(list(rows), sort_keys=True, ensure_ascii=False, default=str)
        batch = "push-" + hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()[:32]
    frame = _frame(rows, limits)
    frame = _instants(frame, zone)
    frame = _meters(frame, meters, keep_unknown=keep_unknown)
    return _fates(frame, batch, received_at)


class _RefusedError(Exception):
    def __init__(self, status: int, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.name, self.sentence = status, name, sentence


def _nothing(status: int, name: str, sentence: str) -> Pushed:
    finding = Finding(
        name=f"meter.push.{name}",
        sentence=sentence,
        severity=Severity.ERROR,
        expected="约定格式的 JSON",
        next_step="按约定的格式分批推送",
        where=Location(file="push"),
    )
    return Pushed("", pl.DataFrame(schema=READING_SCHEMA), pl.DataFrame(schema=PUSH_FATES), status, (finding,))


def _decode(body: bytes, limits: PushLimits) -> Any:
    if len(body) > limits.size:
        raise _RefusedError(413, "too-large", f"推送有 {len(body):,} 字节，上限 {limits.size:,}")
    bare = np.frombuffer(re.sub(rb'"(?:[^"\\]|\\.)*"', b"", body), dtype=np.uint8)
    opened = np.isin(bare, np.frombuffer(b"[{", dtype=np.uint8)).astype(np.int64)
    closed = np.isin(bare, np.frombuffer(b"]}", dtype=np.uint8)).astype(np.int64)
    if bare.size and int(np.cumsum(opened - closed).max()) > limits.depth:
        raise _RefusedError(413, "too-deep", f"括号嵌套超过 {limits.depth} 层")
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=lambda text: text)
    except (ValueError, RecursionError) as error:
        raise _RefusedError(400, "not-json", f"不是 UTF-8 的 JSON：{str(error)[:120]}") from error


def _frame(rows: Sequence[Any], limits: PushLimits) -> pl.DataFrame:
    """Return the fields of each row as they are, with a reason where a field is of another kind."""
    made = [_row(row, limits) for row in rows]
    schema = {"meter": pl.String(), "at_text": pl.String(), "start_text": pl.String(), "value": pl.Float64()}
    schema |= {"unit": pl.String(), "sent_as": pl.String(), "reason": pl.String(), "text": pl.String()}
    return pl.DataFrame(made, schema=schema, orient="row").with_row_index("index")


def _row(
    row: Any, limits: PushLimits
) -> tuple[str | None, str | None, str | None, float | None, str | None, str, str | None, str]:
    def refused(reason: str, text: object) -> tuple[str | None, None, None, None, None, str, str, str]:
        return (
            _shown(meter) if isinstance(meter, str) and len(meter) <= limits.text else None,
            None,
            None,
            None,
            None,
            "",
            reason,
            _shown(str(text)[:80]),
        )

    meter = row.get("meter") if isinstance(row, Mapping) else None
    if not isinstance(row, Mapping):
        return refused("row-malformed", row)
    extra = [str(name) for name in row if name not in _FIELDS]
    if extra:
        return refused("field-unknown", "、".join(extra))
    if isinstance(meter, int) and not isinstance(meter, bool):
        meter = str(meter)
    if not isinstance(meter, str) or not meter.strip() or len(meter) > limits.text:
        return refused("meter-blank", meter)
    if not meter.strip().isprintable():
        return refused("meter-unreadable", meter)
    at, start, value = (_epoch(row.get("at")), _epoch(row.get("start")), row.get("value"))
    if not isinstance(at, str) or not at.strip():
        return refused("time-blank" if at in (None, "") else "time-unreadable", at)
    if start is not None and not isinstance(start, str):
        return refused("time-unreadable", start)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return refused("value-not-finite" if value in ("NaN", "Infinity", "-Infinity") else "value-not-a-number", value)
    try:
        number = float(value)
    except OverflowError:
        return refused("value-not-finite", "1e309")
    if not np.isfinite(number):
        return refused("value-not-finite", value)
    unit, mark = row.get("unit"), row.get("mark")
    if unit is not None and not isinstance(unit, str):
        return refused("unit-unknown", unit)
    if mark is not None and (not isinstance(mark, str | int) or len(str(mark)) > 64):
        return refused("mark-too-long", mark)
    mark = "" if mark is None else _shown(str(mark))
    return meter.strip(), _shown(at), start and _shown(start), number, unit and _shown(unit), mark, None, ""


def _shown(text: str) -> str:
    """Return a text that can be stored: halves of a surrogate pair become question marks."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _epoch(said: Any) -> Any:
    """Return seconds or milliseconds since 1970 as text, anything else as it is."""
    return str(said) if isinstance(said, int) and not isinstance(said, bool) and 10**9 <= said < 10**13 else said


def _instants(frame: pl.DataFrame, zone: str) -> pl.DataFrame:
    for name in ("at", "start"):
        said = read_times(frame[f"{name}_text"])
        blank = frame[f"{name}_text"].is_null()
        known = to_instants(said.with_columns(frame["meter"]), zone or "UTC", by="meter")
        frame = frame.with_columns(
            known["at"].alias(name),
            (known["problem"]).alias("_zone"),
            said["problem"].alias("_said"),
            said["offset"].alias("_offset"),
            pl.Series("_blank", blank),
        )
        unsure = pl.when(pl.col("_offset").is_null() & pl.col("_said").is_null() & pl.lit(not zone)).then(
            pl.lit("zone-missing")
        )
        reason = pl.when(~pl.col("_blank")).then(pl.coalesce("_said", unsure, "_zone"))
        frame = frame.with_columns(
            reason=pl.coalesce("reason", reason),
            text=pl.when(pl.col("reason").is_null() & reason.is_not_null()).then(f"{name}_text").otherwise("text"),
        )
    backwards = pl.col("reason").is_null() & (pl.col("start") >= pl.col("at"))
    return frame.with_columns(
        reason=pl.when(backwards).then(pl.lit("end-not-after-start")).otherwise("reason"),
        text=pl.when(backwards).then("at_text").otherwise("text"),
    )


def _meters(frame: pl.DataFrame, meters: Mapping[str, Meter] | None, *, keep_unknown: bool) -> pl.DataFrame:
    if meters is None:
        return frame
    rows = []
    for meter, unit in frame.filter(pl.col("reason").is_null()).select("meter", "unit").unique().iter_rows():
        factor, problem, known = 1.0, None, meters.get(meter)
        if known is None:
            problem = None if keep_unknown else "meter-unknown"
        elif unit is not None:
            try:
                factor, problem = (
                    (conversion_factor(unit, known.unit), None)
                    if same_dimension(unit, known.unit)
                    else (1.0, "unit-mismatch")
                )
            except UnitError:
                problem = "unit-unknown"
        rows.append((meter, unit, factor, problem))
    schema = {"meter": pl.String(), "unit": pl.String(), "_factor": pl.Float64(), "_problem": pl.String()}
    frame = frame.join(
        pl.DataFrame(rows, schema=schema, orient="row"),
        on=["meter", "unit"],
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    fresh = pl.col("reason").is_null() & pl.col("_problem").is_not_null()
    shown = pl.when(pl.col("_problem") == "meter-unknown").then("meter").otherwise("unit")
    return frame.with_columns(
        value=pl.col("value") * pl.col("_factor").fill_null(1.0),
        text=pl.when(fresh).then(shown).otherwise("text"),
        reason=pl.coalesce("reason", "_problem"),
    )


def _fates(frame: pl.DataFrame, batch: str, received_at: datetime) -> Pushed:
    good = frame.filter(pl.col("reason").is_null())
    key = list(READING_KEY)
    last = good.group_by(key).agg(
        pl.col("index").max().alias("_last"), pl.col("value").sort_by("index").last().alias("_kept")
    )
    good = good.join(last, on=key, how="left", nulls_equal=True, maintain_order="left")
    gone = pl.col("index") != pl.col("_last")
    good = good.with_columns(
        fate=pl.when(~gone)
        .then(pl.lit("accepted"))
        .when(pl.col("value") == pl.col("_kept"))
        .then(pl.lit("duplicate"))
        .otherwise(pl.lit("replaced"))
    )
    fates = pl.concat(
        [
            good.select(
                pl.col("index").cast(pl.Int64), "meter", "fate",
                pl.col("fate").replace_strict({"duplicate": "same", "replaced": "disagree"}, default=None, return_dtype=pl.String).alias("reason"),
                pl.lit("").alias("text"),
            ),
            frame.filter(pl.col("reason").is_not_null()).select(
                pl.col("index").cast(pl.Int64), "meter", pl.lit("refused").alias("fate"), "reason", _sentence().alias("text")
            ),
        ]
    ).sort("index")  # fmt: skip
    taken = good.filter(pl.col("fate") == "accepted").select(
        "meter",
        "at",
        "start",
        "value",
        "sent_as",
        pl.lit("push").alias("origin"),
        (pl.lit(f"{batch}#") + pl.col("index").cast(pl.String)).alias("lineage"),
        pl.lit(received_at).cast(pl.Datetime("us", "UTC")).alias("received_at"),
    )
    return Pushed(batch, taken.sort("meter", "at"), fates, 200)


def _sentence() -> pl.Expr:
    sentences = {reason: texts[0] for reason, texts in (REASONS | _OWN).items()}
    template = pl.col("reason").replace_strict(sentences, default="{value}", return_dtype=pl.String)
    return template.str.replace("{value}", pl.col("text").fill_null(""), literal=True)
