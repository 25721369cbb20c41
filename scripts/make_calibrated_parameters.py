"""Calibrate every province on an inventory and write the factors that the catalog ships.

Run after a change of the pathway parameters: `python scripts/make_calibrated_parameters.py INVENTORY`, where INVENTORY is the table of
emissions by province, sector and fuel (see docs/explanation/pathway-validation.md). No value of the inventory goes into the file.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path

from dafeng.catalog import load_catalog, shipped_folder
from dafeng.workflow.path_calibration import calibrate_place, calibration_yaml, fuel_histories, inventory_file

CHECKED_ON = date(2026, 11, 20)
TITLE = (
    "按清单校准的系数与残差：由 `dafeng path calibrate 地方 --file 清单` 逐省得到，不含清单原值。"
    "重算见 docs/explanation/pathway-validation.md。"
)


def main(inventory: Path) -> None:
    """Write `pathways/parameters_calibrated.yaml` and print the gaps before and after."""
    catalog = load_catalog()
    found = inventory_file(catalog, inventory, recorded_at=datetime(2026, 11, 20, tzinfo=UTC))
    histories = fuel_histories(catalog, found)
    parameters = []
    for place in histories:
        done = calibrate_place(catalog, place, histories, checked_on=CHECKED_ON, activity=False)
        gap = done.factors.gaps[0]
        print(f"{place}\t{done.factors.last_year}\t{gap.absolute_before:.2f}\t{gap.absolute_after:.2f}")
        parameters += done.parameters
    text = calibration_yaml(parameters, title=TITLE)
    (shipped_folder() / "pathways" / "parameters_calibrated.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
