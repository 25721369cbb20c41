"""Pathways: the building-stock model, its scenarios and how sure they are."""

from __future__ import annotations

from dafeng.pathways.turnover import Retrofit, Turnover, turn_over

__all__ = ["Retrofit", "Turnover", "turn_over"]
