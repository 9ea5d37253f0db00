"""The notes for an upgrade are true: what they call refused stops the start, the rest does not."""

import re

import pytest

from tests.core.test_settings import read, refusal
from tests.docs.markdown import table
from tests.run import PROJECT

pytestmark = pytest.mark.once

NOTES = PROJECT / "docs" / "upgrading.md"
CASES = [
    (re.findall(r"`(.+?)`", setting)[0], re.findall(r"`(.+?)`", bad), re.findall(r"`(.+?)`", good))
    for setting, bad, good, _ in table(NOTES, "setting")
]
REFUSED = [(name, value) for name, bad, _ in CASES for value in bad]
ACCEPTED = [(name, value) for name, _, good in CASES for value in good]


def test_each_row_has_values():
    assert len(CASES) == 18
    assert all(bad and good for _, bad, good in CASES)


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_refused_value_stops_the_start_with_its_name(name, value):
    assert refusal(**{name: value}).startswith(f"videostudio: {name}: ")


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_accepted_value_starts(name, value):
    assert read(**{name: value})["UNKNOWN_NAMES"] == {}
