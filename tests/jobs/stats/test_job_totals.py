"""The stored counts of jobs, and how wrong ones are corrected."""

import pytest

from jobs.models import JobCount, Status
from jobs.stats import job_totals
from tests.job_states import STATES

pytestmark = pytest.mark.both  # SQL of our own


def columns(user):
    return JobCount.objects.values_list(*job_totals.COLUMNS).get(user=user)


def test_job_totals_match_in_each_state(alice, new_job, settings):
    settings.VIDEO_MAX_ACTIVE_JOBS = 10
    for state in reversed(STATES):
        new_job(state)
    assert columns(alice) == (7, 1, 1, 1)
    assert job_totals.repair() == 0


def test_wrong_job_totals_are_repaired(alice, bob, new_job):
    new_job(Status.FAILED)
    new_job(Status.SUCCEEDED, user=bob)
    JobCount.objects.filter(user=alice).update(failed=0, jobs=9)
    assert job_totals.repair() == 1
    assert columns(alice) == (1, 0, 1, 0)
    assert columns(bob) == (1, 1, 0, 0)
