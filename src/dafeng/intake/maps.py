"""Map files as layers: GeoJSON, GeoPackage, Shapefile, or a Parquet table with a column of WKB.

Needs the extra ``dafeng[maps]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import geopandas
import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray

from dafeng.base.errors import InputError, close_names
from dafeng.base.finding import Finding, Location, Severity
from dafeng.intake.coordinates import from_gcj02

__all__ = ["Datum", "Layer", "read_layer"]

Datum = Literal["wgs84", "gcj02"]
_WKB: Final = ("wkb", "geometry", "geom")
_SORTS: Final = {"line": (1, 5), "polygon": (3, 6), "point": (0, 4)}


@dataclass(frozen=True)
class Layer:
    """Things on a map.

    Parameters
    ----------
    geometries : array of Shapely geometries, shape (n,)
        WGS 84, valid, none empty.
    attributes : DataFrame
        One row a geometry.
    findings : tuple of Finding
        What was left out or mended.
    """

    geometries: NDArray[np.object_]
    attributes: pl.DataFrame
    findings: tuple[Finding, ...]

    def texts(self, column: str) -> list[str]:
        """Return an attribute as texts, blank where it is missing.

        Raises
        ------
        InputError
            The layer has no such attribute.
        """
        if column not in self.attributes.columns:
            close = close_names(column, self.attributes.columns) or self.attributes.columns
            raise InputError(
                f"the map has no attribute {column!r}",
                doing="read an attribute of a map",
                expected=f"one of {', '.join(close)}",
                next_step="name the attribute as the file has it",
                name="map.attribute.unknown",
            )
        return self.attributes[column].cast(pl.String).fill_null("").to_list()


def read_layer(path: Path, *, sort: Literal["line", "polygon", "point"], datum: Datum = "wgs84") -> Layer:
    """Read the lines, polygons or points of a map file.

    Parameters
    ----------
    path : Path
        Files that GDAL reads, or Parquet with a WKB column named wkb, geometry or geom.
    sort : {"line", "polygon", "point"}
        Things of another sort are left out with a finding.
    datum : {"wgs84", "gcj02"}
        Datum of a file that names none, or names WGS 84 though it was drawn on a Chinese base map: GCJ-02 positions are moved
        to WGS 84.

    Raises
    ------
    InputError
        The file cannot be read, has no geometry of the sort, or lies outside of the globe.
    """
    try:
        geometries, attributes = _read_parquet(path) if path.suffix == ".parquet" else _read_vector(path)
    except (OSError, ValueError, RuntimeError, pl.exceptions.PolarsError, shapely.errors.ShapelyError) as error:
        raise _refused(path, f"cannot be read as a map: {str(error)[:200]}") from error
    fitting = np.isin(shapely.get_type_id(geometries), _SORTS[sort]) & ~shapely.is_empty(geometries)
    findings = []
    if left_out := int((~fitting).sum()):
        findings.append(_finding(path, "map.layer.left-out", f"{left_out} 个图形不是所需类型或为空，未采用", left_out))
    geometries = geometries[fitting]
    if not len(geometries):
        raise _refused(path, f"holds no {sort}")
    west, south, east, north = shapely.total_bounds(geometries)
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise _refused(path, f"reaches from {west:g}, {south:g} to {east:g}, {north:g}: these are no degrees")
    if datum == "gcj02":
        geometries = shapely.transform(geometries, from_gcj02)
    broken = ~shapely.is_valid(geometries)
    if broken.any():
        findings.append(
            _finding(path, "map.layer.mended", f"{int(broken.sum())} 个图形自相交等，已修复后采用", int(broken.sum()))
        )
        geometries = np.where(broken, shapely.make_valid(geometries), geometries)
    return Layer(geometries, attributes.filter(pl.Series(fitting)), tuple(findings))


def _read_parquet(path: Path) -> tuple[NDArray[np.object_], pl.DataFrame]:
    table = pl.read_parquet(path)
    name = next((name for name in _WKB if table.schema.get(name) == pl.Binary), None)
    if name is None:
        raise ValueError(f"it has no column of WKB named {', '.join(_WKB)}")
    return shapely.from_wkb(table[name].to_numpy()), table.drop(name)


def _read_vector(path: Path) -> tuple[NDArray[np.object_], pl.DataFrame]:
    layer: Any = geopandas.read_file(path)
    if layer.crs is not None and layer.crs.to_epsg() != 4326:
        layer = layer.to_crs(4326)
    table = pl.DataFrame(
        {str(name): _plain(layer[name].tolist()) for name in layer.columns if name != layer.geometry.name}
    )
    return np.asarray(layer.geometry.values), table if table.width else pl.DataFrame({"row": range(len(layer))})


def _plain(values: Sequence[Any]) -> list[Any]:
    sorts = {type(value) for value in values if value is not None and value == value}
    alike = len(sorts) == 1 and sorts <= {int, float, str, bool}
    return [None if value is None or value != value else value if alike else str(value) for value in values]


def _refused(path: Path, problem: str) -> InputError:
    return InputError(
        f"{path.name} {problem}",
        doing="read a map",
        expected="GeoJSON, GeoPackage, Shapefile or Parquet with WKB, in degrees or with its reference system",
        next_step="export the layer as GeoJSON in WGS 84",
        file=path.name,
        name="map.file.refused",
    )


def _finding(path: Path, name: str, sentence: str, count: int) -> Finding:
    return Finding(
        name=name,
        severity=Severity.WARNING,
        sentence=sentence,
        expected="同一图层只有同类的有效图形",
        next_step="在制图软件中检查这些图形",
        where=Location(file=path.name),
        evidence={"shapes": count},
    )
