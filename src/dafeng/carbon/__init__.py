"""Carbon accounts: inventory with lineage and uncertainty, restatement, reconciliation of two accounts."""

from __future__ import annotations

from dafeng.carbon.inventory import Inventory, MissingComponent, account
from dafeng.carbon.reconciliation import Reconciliation, reconcile
from dafeng.carbon.restatement import Restatement, restate

__all__ = [
    "Inventory",
    "MissingComponent",
    "Reconciliation",
    "Restatement",
    "account",
    "reconcile",
    "restate",
]
