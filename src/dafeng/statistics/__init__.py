"""Statistics: what each body owes, forms out and in, checks on what comes back."""

from dafeng.statistics.checking import CELL_SCHEMA, Checked, check_data

__all__ = ["CELL_SCHEMA", "Checked", "check_data"]
