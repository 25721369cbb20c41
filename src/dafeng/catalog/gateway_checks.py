"""What ties profiles of gateways to the rest of the catalog."""

from __future__ import annotations

from typing import Final

from dafeng.catalog.metering_checks import Checker

__all__ = ["check_gateway_profiles"]

_NAMES: Final = frozenset({"heart_beat", "parser", "report_ack", "pass", "fail"})
"""Canonical names that a profile may spell otherwise and a reader understands."""
_ELEMENTS: Final = frozenset({"id_validate", "heart_beat", "data", "config", "device", "archives", "control"})


def check_gateway_profiles(checker: Checker) -> None:
    """Note profiles whose source is unknown, that respell what no reader would understand, or whose frames cannot be told apart."""
    catalog = checker.catalog
    pairs: dict[str, tuple[str, str]] = {}
    for profile in catalog.gateway_profiles.values():
        here = ("gateway_profiles", profile.id)
        checker.known("source", profile.source, catalog.sources, *here, "source", zh="来源")
        for name in profile.spelling:
            checker.known("gateway-name", name, _NAMES, *here, "spelling", name, zh="报文用名")
        for name in profile.kinds:
            checker.known("gateway-element", name, _ELEMENTS, *here, "kinds", name, zh="报文元素")
        head, rank = profile.head, (profile.framing, profile.tail)
        if pairs.setdefault(head, rank) != rank:
            checker.say(
                "gateway-profile.head",
                f"方言 {profile.id} 的帧头 {head} 与另一方言相同，而帧式或帧尾不同",
                *here,
                "head",
                expected="同一帧头只有一种帧式和帧尾",
                value=head,
            )
