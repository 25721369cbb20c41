"""Counters of the gateway server and the time until an acknowledgement, as text that Prometheus reads."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

__all__ = ["COUNTERS", "Latencies", "Metrics", "prometheus_text"]

COUNTERS: Final[dict[str, str]] = {
    "connections_total": "connections accepted",
    "connections_refused_total": "connections refused by a limit",
    "connections_open": "connections at this moment",
    "gateways_ready": "gateways logged in at this moment",
    "bytes_total": "bytes received",
    "steps_total": "messages and events of sessions handled",
    "logins_total": "logins that passed",
    "login_failures_total": "logins that failed",
    "packets_received_total": "packets of readings received after login",
    "packets_acknowledged_total": "packets on the disk and acknowledged",
    "packets_withheld_total": "packets not taken and not acknowledged: spool full or disk failing",
    "readings_acknowledged_total": "readings of acknowledged packets",
    "faults_total": "faulty frames and bodies",
    "throttled_total": "times a connection was read more slowly by a limit",
    "closed_by_limit_total": "connections closed by a limit of time or faults",
    "commits_total": "group commits",
    "spool_packets": "packets that wait for the lake",
    "spool_readings": "readings that wait for the lake",
    "spool_bytes": "bytes that wait for the lake",
    "spool_blocked": "1 while no packet is taken",
    "clock_behind_seconds": "seconds by which the clock stands behind the newest receipt",
    "deliveries_total": "batches delivered to the lake",
    "delivered_readings_total": "readings delivered to the lake",
    "delivery_failures": "delivery attempts that failed one after another",
    "delivery_seconds": "duration of the newest delivery",
    "mqtt_connected": "1 while connected to the MQTT broker",
    "mqtt_messages_total": "MQTT messages received",
    "mqtt_refused_total": "MQTT messages and readings of such refused, and noted",
    "modbus_polls_total": "polls of Modbus devices that were answered",
    "modbus_polls_failed_total": "polls of Modbus devices without an answer: a gap",
    "modbus_polls_lost_total": "polls lost since the spool took none for too long",
    "notes_dropped_total": "events beyond what is noted in a second",
    "started_timestamp_seconds": "start of the server, seconds since 1970",
    "flushed_timestamp_seconds": "when these numbers were written, seconds since 1970",
}
"""Name of each number, without prefix, to what it is; those on ``_total`` only grow."""
_PREFIX: Final = "dafeng_gateway_"
_STEPS_OF_TEN: Final = 20
_SHORTEST: Final = 1e-4
_LATENCY: Final = "ack_seconds"
_QUANTILES: Final = (0.5, 0.99)


class Latencies:
    """How long things take, in steps of 12 % from 0.1 ms to 100 s; the newest count, older ones fade.

    Examples
    --------
    >>> latencies = Latencies()
    >>> for milliseconds in range(1, 101): latencies.add(milliseconds / 1000)
    >>> 0.045 < latencies.quantile(0.5) < 0.057, 0.09 < latencies.quantile(0.99) < 0.115, latencies.count
    (True, True, 100)
    """

    def __init__(self) -> None:
        self._bounds = [_SHORTEST * 10 ** (step / _STEPS_OF_TEN) for step in range(6 * _STEPS_OF_TEN + 1)]
        self._held = [0.0] * (len(self._bounds) + 1)
        self.count = 0
        self.total = 0.0

    def add(self, seconds: float, times: int = 1) -> None:
        """Count durations."""
        self._held[bisect_left(self._bounds, seconds)] += times
        self.count += times
        self.total += seconds * times

    def fade(self, share: float) -> None:
        """Let what was counted so far weigh less."""
        self._held = [held * share for held in self._held]

    def quantile(self, share: float) -> float:
        """Return the duration that a share of the recent ones does not pass, in seconds; 0 where there are none."""
        wanted = sum(self._held) * share
        if not wanted:
            return 0.0
        passed = 0.0
        for bound, held in zip(self._bounds, self._held, strict=False):
            passed += held
            if passed >= wanted:
                return bound
        return self._bounds[-1]


class Metrics:
    """The numbers of a running server.

    Examples
    --------
    >>> metrics = Metrics()
    >>> metrics.add("faults_total"); metrics.set("spool_packets", 3); metrics.numbers()["faults_total"]
    1.0
    """

    def __init__(self) -> None:
        self._numbers = dict.fromkeys(COUNTERS, 0.0)
        self.acknowledging = Latencies()

    def add(self, name: str, amount: float = 1) -> None:
        """Add to a counter."""
        self._numbers[name] += amount

    def set(self, name: str, value: float) -> None:
        """Set a number."""
        self._numbers[name] = value

    def numbers(self) -> dict[str, float]:
        """Return every number, the quantiles of the time until an acknowledgement among them."""
        latencies = {f"{_LATENCY}_p{share * 100:g}": self.acknowledging.quantile(share) for share in _QUANTILES}
        return {
            **self._numbers,
            **latencies,
            f"{_LATENCY}_count": self.acknowledging.count,
            f"{_LATENCY}_sum": self.acknowledging.total,
        }


def prometheus_text(numbers: Mapping[str, float]) -> str:
    """Return numbers in the text form of Prometheus.

    Examples
    --------
    >>> print(prometheus_text({"faults_total": 2.0, "ack_seconds_p99": 0.01}), end="")
    # HELP dafeng_gateway_faults_total faulty frames and bodies
    # TYPE dafeng_gateway_faults_total counter
    dafeng_gateway_faults_total 2
    # HELP dafeng_gateway_ack_seconds from receipt of a packet to its acknowledgement
    # TYPE dafeng_gateway_ack_seconds summary
    dafeng_gateway_ack_seconds{quantile="0.99"} 0.01
    """
    lines = []
    for name, meaning in COUNTERS.items():
        if name in numbers:
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [f"# HELP {_PREFIX}{name} {meaning}", f"# TYPE {_PREFIX}{name} {kind}",
                      f"{_PREFIX}{name} {numbers[name]:.15g}"]  # fmt: skip
    latencies = []
    for share in _QUANTILES:
        value = numbers.get(f"{_LATENCY}_p{share * 100:g}")
        if value is not None:
            latencies.append(f'{_PREFIX}{_LATENCY}{{quantile="{share:g}"}} {value:.6g}')
    for part in ("sum", "count"):
        if f"{_LATENCY}_{part}" in numbers:
            latencies.append(f"{_PREFIX}{_LATENCY}_{part} {numbers[f'{_LATENCY}_{part}']:.15g}")
    if latencies:
        lines += [f"# HELP {_PREFIX}{_LATENCY} from receipt of a packet to its acknowledgement",
                  f"# TYPE {_PREFIX}{_LATENCY} summary", *latencies]  # fmt: skip
    return "".join(f"{line}\n" for line in lines)
