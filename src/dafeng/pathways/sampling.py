"""Draws: for every spread group a column of quantiles from 0 to 1, by one of three designs.

A column is a pure function of the group, the number of draws, the seed and the design:

=========  =======================================================  ==================================================
design     a column depends on                                      the first draws of a longer run
=========  =======================================================  ==================================================
sobol      name, seed and the *place* of the group in the sequence  the same (a Sobol sequence goes on)
latin      name, seed and the number of draws                       others: the strata are as many as the draws
random     name and seed                                            the same
=========  =======================================================  ==================================================

No column depends on which other groups there are; with Sobol it depends on how many stand *before* it, so groups that are added
must be appended (`dafeng.pathways.ensemble` does). All columns are made at once, before any chunking.

Sobol' (1967) with the direction numbers of Joe and Kuo (2008), as scipy has them; scrambled by a random lower triangular matrix
over the binary digits and a digital shift (Matoušek 1998), each column from the stream of its own name. Latin hypercube: McKay,
Beckman and Conover (1979).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from dafeng.base.errors import InputError

__all__ = ["DESIGNS", "Design", "check_draws", "quantiles", "stream"]

Design = Literal["sobol", "latin", "random"]
Array = NDArray[np.float64]

DESIGNS: Final = get_args(Design)
"""Names of the designs."""
MOST_GROUPS: Final = 21_201
"""Dimensions for which direction numbers are known."""
_BITS: Final = 32


def stream(seed: int, *names: str) -> np.random.Generator:
    """Return the generator of random numbers that belongs to a seed and some names, whatever else is drawn.

    Examples
    --------
    >>> first, again, other = (stream(7, name).random() for name in ("a", "a", "b"))
    >>> first == again, first == other
    (True, False)
    """
    digest = hashlib.blake2b("\x1f".join(names).encode(), digest_size=16).digest()
    words = [int.from_bytes(digest[at : at + 4], "little") for at in range(0, 16, 4)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))


def quantiles(groups: Sequence[str], draws: int, *, seed: int, design: Design = "sobol") -> dict[str, Array]:
    """Draw a quantile for each group and draw.

    Parameters
    ----------
    groups : sequence of str
        Names of the spread groups, each once; with `sobol` their order counts.
    draws : int
        Number of draws.
    seed : int
        From zero up.
    design : {"sobol", "latin", "random"}

    Returns
    -------
    dict from group to array, shape (draw,)
        Strictly between 0 and 1, groups independent of one another.

    Raises
    ------
    InputError
        No draw, a negative seed, an unknown design, a group twice, or more groups than Sobol dimensions.

    Examples
    --------
    >>> drawn = quantiles(["grid", "heat"], 8, seed=1)
    >>> sorted((drawn["grid"] * 8).astype(int).tolist())  # one in each eighth
    [0, 1, 2, 3, 4, 5, 6, 7]
    >>> longer = quantiles(["grid", "heat", "area"], 16, seed=1)
    >>> bool(np.array_equal(longer["grid"][:8], drawn["grid"]))
    True
    """
    check_draws(draws, seed, design)
    twice = sorted({name for name in groups if list(groups).count(name) > 1})
    if twice or len(groups) > MOST_GROUPS:
        raise InputError(
            f"{len(groups)} groups, {', '.join(twice[:3]) or 'none'} twice",
            doing="draw quantiles",
            expected=f"at most {MOST_GROUPS} groups, each once",
            next_step="give each spread group once",
        )
    if design == "sobol":
        return _sobol(groups, draws, seed)
    return {name: _column(name, draws, seed, design) for name in groups}


def check_draws(draws: int, seed: int, design: str) -> None:
    """Refuse a number of draws, a seed or a design that means nothing.

    Raises
    ------
    InputError
        No draw, a negative seed, or an unknown design.
    """
    if draws >= 1 and seed >= 0 and design in DESIGNS:
        return
    raise InputError(
        f"{draws!r} draws, seed {seed!r}, design {design!r}",
        doing="draw quantiles",
        expected=f"at least one draw, a seed from 0 up, and one of {', '.join(DESIGNS)}",
        next_step="mend the number, the seed or the name",
    )


def _column(name: str, draws: int, seed: int, design: Design) -> Array:
    rng = stream(seed, design, name)
    if design == "random":
        return np.asarray(np.clip(rng.random(draws), 2.0**-53, None))
    places = rng.permutation(draws)
    return np.asarray(np.clip((places + rng.random(draws)) / draws, 2.0**-53, 1 - 2.0**-53))


def _sobol(groups: Sequence[str], draws: int, seed: int) -> dict[str, Array]:
    if not groups:
        return {}
    power = max(0, int(draws - 1).bit_length())
    plain = qmc.Sobol(len(groups), scramble=False, bits=_BITS).random_base2(power)[:draws]
    digits = np.ascontiguousarray((plain.T * 2.0**_BITS).astype(np.uint64))
    return {name: _scrambled(digits[at], stream(seed, "sobol", name)) for at, name in enumerate(groups)}


def _scrambled(digits: NDArray[np.uint64], rng: np.random.Generator) -> Array:
    """Scramble the binary digits of one column: a digit becomes itself plus a random sum of the ones before it, plus a shift."""
    random = rng.integers(0, 2**_BITS, size=_BITS, dtype=np.uint64)
    shift = rng.integers(0, 2**_BITS, dtype=np.uint64)
    mixed = np.full_like(digits, shift)
    for place in range(_BITS):
        own = np.uint64(1 << (_BITS - 1 - place))
        column = own | (random[place] & (own - np.uint64(1)))
        mixed ^= np.where(digits & own, column, np.uint64(0))
    return np.asarray((mixed.astype(np.float64) + 0.5) / 2.0**_BITS)
