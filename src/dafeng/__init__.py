"""dafeng 达峰: a carbon-peaking work plan of 城乡建设 beside what is and what will be.

A plan promises numbers; statistics, meters and ledgers say what is; models say what will be.
dafeng puts the three side by side, names who answers for each gap, and writes the yearly report.

>>> import dafeng
>>> dafeng.__version__.count(".")
2
"""

from importlib.metadata import version as _installed_version

__all__ = ["__version__"]

__version__: str = _installed_version("dafeng")
