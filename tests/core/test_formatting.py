"""The formats of times and durations, which are the same on all pages."""

from datetime import UTC, datetime, timedelta

import pytest

from videostudio.core import formatting

NOW = datetime(2026, 11, 30, 15, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        *((None, ""), (0, "0 s"), (0.42, "0.4 s"), (8, "8 s"), (9.96, "10 s"), (59.6, "1 min")),
        *((65, "1 min 5 s"), (3_600, "1 h"), (7_500, "2 h 5 min"), (273_600, "3 d 4 h")),
    ],
)
def test_duration_has_two_units_at_most(seconds, shown):
    assert formatting.format_duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.5, "just now"), (59, "59 s ago"), (119, "1 min ago"), (7_300, "2 h ago"), (2e5, "2 d ago")],
)
def test_age_has_one_unit(seconds, shown):
    assert formatting.ago(NOW - timedelta(seconds=seconds), NOW) == shown


def test_times_of_another_day_have_a_date():
    yesterday = NOW - timedelta(days=1)
    assert formatting.clock(NOW, NOW) == "15:21 UTC"
    assert formatting.clock(yesterday, NOW) == "29 Nov 2026, 15:21 UTC"
    assert ">29 Nov 2026, 15:21:00<" in formatting.moment(yesterday)
