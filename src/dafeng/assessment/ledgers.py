"""Which counts of ledgers go before returns.

A count of a ledger can be traced to its things; a return is a number that somebody wrote. So where a target's indicator is
counted from ledgers, the count decides and the return stands beside it as another value, unless

- the indicator ranks its datasets otherwise (`precedence`);
- the coverage is below `dafeng.assessment.series_choice.LEDGER_COVERAGE`: too many things are not known to count or not;
- it is a running total from the first row of the ledger on, in which what came before that row is missing: such a total is a
  lower bound and never speaks against a return.
"""

from __future__ import annotations

from dafeng.catalog.catalog import Catalog
from dafeng.catalog.expression import expression_names
from dafeng.catalog.schemas import Indicator

__all__ = ["trusted_ledgers"]


def trusted_ledgers(indicator: Indicator, catalog: Catalog) -> frozenset[str]:
    """Return the datasets of ledgers that go before the unranked datasets of an indicator.

    Parameters
    ----------
    indicator : Indicator
        Counted by roll-ups, or by a formula all of whose inputs are.
    catalog : Catalog

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> [sorted(trusted_ledgers(catalog.indicators[name], catalog))
    ...  for name in ("star_green_building_share", "green_building_area_total", "road_network_density")]
    [['ledger-projects'], [], []]
    """
    of_indicator = [rollup for rollup in catalog.rollups.values() if rollup.indicator == indicator.id]
    if of_indicator or indicator.formula is None:
        return frozenset(rollup.dataset for rollup in of_indicator if not rollup.open_ended)
    inputs = expression_names(indicator.formula)
    of_inputs = [[rollup for rollup in catalog.rollups.values() if rollup.indicator == name] for name in inputs]
    if not all(of_inputs) or any(rollup.open_ended for rollups in of_inputs for rollup in rollups):
        return frozenset()
    return frozenset(rollup.dataset for rollup in of_inputs[0])
