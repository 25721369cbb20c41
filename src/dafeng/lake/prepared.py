"""Long expressions compiled once a process: the same steps on other tables cost no second compilation.

To build and compile the expression that turns readings into hours takes longer than DuckDB needs for a meter's year. What it
compiles to depends on the columns of the tables and on the settings, not on the rows; so it is kept as text, and given to an
engine as a view over the tables at hand. Other engines build the expression anew.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from itertools import count
from typing import Any, Final, ParamSpec, cast

import ibis
import ibis.expr.operations as ops
from ibis.common.exceptions import IbisError

__all__ = ["prepared"]

_Asked = ParamSpec("_Asked")
_KEPT: Final[dict[object, tuple[str, Any]]] = {}
_MOST: Final = 256
_NUMBERS: Final = count()


def prepared(build: Callable[_Asked, ibis.Table]) -> Callable[_Asked, ibis.Table]:
    """Return a function that builds a table from tables and settings, compiled once for DuckDB.

    Parameters
    ----------
    build : function
        Its result depends on the columns of the tables and on what the ``repr`` of the other arguments says, on nothing else.

    Examples
    --------
    >>> import polars as pl
    >>> from dafeng.lake.engines import open_engine
    >>> @prepared
    ... def doubled(table, times):
    ...     return table.select(value=table.value * times)
    >>> with open_engine() as engine:
    ...     tables = [engine.frame(pl.DataFrame({"value": [number]})) for number in (1.0, 2.0)]
    ...     [engine.collect(doubled(table, 3)).item() for table in tables]
    [3.0, 6.0]
    """
    signature = inspect.signature(build)

    @wraps(build)
    def made(*args: _Asked.args, **settings: _Asked.kwargs) -> ibis.Table:
        bound = signature.bind(*args, **settings)
        bound.apply_defaults()
        given = bound.arguments
        tables = {name: value for name, value in given.items() if isinstance(value, ibis.Table)}
        backend = _duckdb_of(tables.values())
        if backend is None:
            return build(*args, **settings)
        key = (
            *(build.__module__, build.__qualname__),
            *((name, tables[name].schema() if name in tables else repr(value)) for name, value in given.items()),
        )
        if key not in _KEPT:
            for name, table in tables.items():
                given[name] = ibis.table(table.schema(), name=_placeholder(name))
            built = build(*bound.args, **bound.kwargs)
            while len(_KEPT) >= _MOST:
                _KEPT.pop(next(iter(_KEPT)))
            _KEPT[key] = (str(backend.compile(built)), built.schema())
        query, schema = _KEPT[key]
        for name, table in tables.items():
            query = query.replace(f'"{_placeholder(name)}"', _place_of(backend, table))
        return _view(backend, query, schema)

    return made


def _placeholder(name: str) -> str:
    return f"dafeng_given_{name}_"


def _duckdb_of(tables: Any) -> Any:
    """Return the connection that the tables lie in, None where they lie in none or in that of another engine."""
    backends = []
    for table in tables:
        try:
            backends.append(table.get_backend())
        except IbisError:
            return None
    same = backends and all(one is backends[0] for one in backends)
    return backends[0] if same and backends[0].name == "duckdb" else None


def _place_of(backend: Any, table: ibis.Table) -> str:
    """Return the name of a table, made a view first where it is an expression."""
    node = cast("Any", table.op())
    if not isinstance(node, ops.DatabaseTable):
        node = _view(backend, str(backend.compile(table)), table.schema()).op()
    parts = (node.namespace.catalog, node.namespace.database, node.name)
    return ".".join(f'"{part}"' for part in parts if part)


def _view(backend: Any, query: str, schema: Any) -> ibis.Table:
    name = f"dafeng_prepared_{next(_NUMBERS)}"
    backend.con.execute(f"CREATE TEMP VIEW {name} AS {query}")
    place = ops.Namespace(catalog="temp", database="main")
    return cast("ibis.Table", ops.DatabaseTable(name, schema=schema, source=backend, namespace=place).to_expr())
