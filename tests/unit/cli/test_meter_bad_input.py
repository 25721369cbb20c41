"""Bad input to `dafeng meter` as new users meet it: each case of tests/cases/meter_cli_bad_input.yaml through the command line."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from command_line import run
from metering_city import meter_row, write_ledgers

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "meter_cli_bad_input.yaml").read_text(encoding="utf-8")
)["cases"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    assert run("init", str(folder / "w"), "--place", "qingdao", "--quiet") == 0
    meters, buildings = write_ledgers(folder, [meter_row("m")])
    words = ("--meters", str(meters), "--buildings", str(buildings))
    assert run("meter", "import", *words, "-w", str(folder / "w"), "--quiet") == 0
    return folder / "w"


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_bad_input_ends_with_a_clean_exit_code(
    case: dict[str, Any], workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"表.{case.get('ending', 'csv')}"
    if "file" in case:
        file.write_text(case["file"], encoding="utf-8")
    elif "hex" in case:
        file.write_bytes(bytes.fromhex(case["hex"]))
    words = [str(word).replace("{file}", str(file)).replace("{folder}", str(tmp_path)) for word in case["words"]]
    capsys.readouterr()
    assert run("meter", *words, "-w", str(workspace)) == case["code"]
    told = capsys.readouterr()
    assert case["says"] in told.out + told.err
    assert "Traceback" not in told.err
