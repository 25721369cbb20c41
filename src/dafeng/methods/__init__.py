"""Methods that many rooms share: outlooks of yearly series, formulas and adding up over whole frames of observations."""

from __future__ import annotations

from dafeng.methods.formula_explanation import Explanation, explain
from dafeng.methods.formulas import FactorSetting
from dafeng.methods.indicators import Computed, add_up_breakdown, add_up_periods, add_up_places, compute_formulas
from dafeng.methods.series import DriftForecast, Interval, fit_drift, required_pace, theil_sen

__all__ = [
    "Computed",
    "DriftForecast",
    "Explanation",
    "FactorSetting",
    "Interval",
    "add_up_breakdown",
    "add_up_periods",
    "add_up_places",
    "compute_formulas",
    "explain",
    "fit_drift",
    "required_pace",
    "theil_sen",
]
