"""Reports of these tests leave out the portfolio, which takes ten seconds and has tests of its own (`test_portfolio.py`)."""

import pytest

from dafeng.workflow import reporting


@pytest.fixture(autouse=True)
def without_portfolio(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "portfolio" not in request.path.name:
        monkeypatch.setattr(reporting, "portfolio_for_report", lambda *given, **named: "测试中不作测算。")
