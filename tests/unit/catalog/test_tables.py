"""Critical values that ship with the catalog: shape, order, refusals."""

from pathlib import Path

import pytest

from dafeng.base.errors import ContentError, InputError
from dafeng.catalog.tables import peak_critical_values, read_critical_values


def test_the_shipped_table_has_every_length_and_grows_as_the_level_falls() -> None:
    table = peak_critical_values()
    for test in ("peaked", "rising", "level_shift"):
        assert table.lengths(test) == tuple(range(8, 61))
    assert all(list(row) == sorted(row) for row in table.values.values())


def test_the_p_range_brackets_the_statistic() -> None:
    table = peak_critical_values()
    critical = table.at("peaked", 25, 0.05)
    assert table.p_range("peaked", 25, critical - 0.001) == (0.05, 0.1)
    assert table.p_range("peaked", 25, critical + 0.001) == (0.025, 0.05)
    assert table.p_range("peaked", 25, 99.0) == (0.0, 0.01)
    assert table.p_range("peaked", 25, -1.0) == (0.2, 1.0)


@pytest.mark.parametrize(("test", "length", "level"), [("peaked", 7, 0.05), ("peaked", 61, 0.05), ("fallen", 25, 0.05)])
def test_what_the_table_lacks_is_refused(test: str, length: int, level: float) -> None:
    with pytest.raises(InputError, match=f"{length} points for the test '{test}'"):
        peak_critical_values().at(test, length, level)


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"0\.2, 0\.1, 0\.05, 0\.025, 0\.01"):
        peak_critical_values().at("peaked", 25, 0.03)


@pytest.mark.parametrize(
    "text", ["", "test,length,p0.05\npeaked,eight,2\n", "length,p0.05\n8,2\n", "test,length,pfive\n"]
)
def test_a_faulty_table_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "critical.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContentError, match=r"critical\.csv"):
        read_critical_values(path)
