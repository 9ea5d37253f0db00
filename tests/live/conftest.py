"""Fixtures: a `studio` for the tests of a module, with a user for each."""

from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows with a failed test what its servers wrote."""
    report = yield
    studio = getattr(item, "funcargs", {}).get("studio")
    if report.failed and studio:
        report.sections.append(("What the servers wrote", studio.output()))
    return report
