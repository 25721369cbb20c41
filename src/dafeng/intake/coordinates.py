"""Positions of Chinese maps (GCJ-02) in WGS 84 and back."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["from_gcj02", "to_gcj02"]

_KRASOVSKY: Final = 6378245.0
_ECCENTRICITY: Final = 0.00669342162296594323
_STEPS: Final = 8


def to_gcj02(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return WGS 84 positions as Chinese maps show them (GCJ-02, shifted by 100 to 700 m).

    Parameters
    ----------
    coordinates : array, shape (n, 2)
        Longitude and latitude in degrees, within China.

    Notes
    -----
    The shift as it is publicly known; there is no official publication of it. Grade B.
    """
    x, y = coordinates[:, 0] - 105.0, coordinates[:, 1] - 35.0
    latitude = np.radians(coordinates[:, 1])
    root = np.sqrt(np.abs(x))
    wave = (20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y**2 + 0.1 * x * y + 0.2 * root + wave
    north += (20.0 * np.sin(y * np.pi) + 40.0 * np.sin(y / 3.0 * np.pi)) * 2.0 / 3.0
    north += (160.0 * np.sin(y / 12.0 * np.pi) + 320.0 * np.sin(y * np.pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x**2 + 0.1 * x * y + 0.1 * root + wave
    east += (20.0 * np.sin(x * np.pi) + 40.0 * np.sin(x / 3.0 * np.pi)) * 2.0 / 3.0
    east += (150.0 * np.sin(x / 12.0 * np.pi) + 300.0 * np.sin(x / 30.0 * np.pi)) * 2.0 / 3.0
    bulge = 1.0 - _ECCENTRICITY * np.sin(latitude) ** 2
    north = np.degrees(north / (_KRASOVSKY * (1.0 - _ECCENTRICITY) / bulge**1.5))
    east = np.degrees(east / (_KRASOVSKY / np.sqrt(bulge) * np.cos(latitude)))
    return coordinates + np.column_stack([east, north])


def from_gcj02(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return positions of Chinese maps (GCJ-02) in WGS 84, to about a millimetre.

    Examples
    --------
    >>> jinan = np.array([[117.0, 36.65]])
    >>> bool(np.abs(from_gcj02(to_gcj02(jinan)) - jinan).max() < 1e-8)
    True
    """
    guess = coordinates.copy()
    for _ in range(_STEPS):
        guess += coordinates - to_gcj02(guess)
    return guess
