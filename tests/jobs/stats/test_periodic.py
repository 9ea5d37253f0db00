"""The record of each periodic task's last run."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import PeriodicTask, Tick
from jobs.stats import periodic
from jobs.worker import scheduler, tasks


def run_of(name):
    return next(run for run in periodic.last_runs() if run.name == name)


def fail(name="housekeeping"):
    with pytest.raises(ZeroDivisionError), periodic.recorded(name):
        raise ZeroDivisionError("a private text")


class TestOutcome:
    def test_task_that_never_ran(self, db):
        assert {run.outcome for run in periodic.last_runs()} == {"never ran"}

    def test_success_is_recorded(self, db):
        with periodic.recorded("housekeeping"):
            assert run_of("housekeeping").outcome == "not ended"
        run = run_of("housekeeping")
        assert run.outcome == "ok"
        assert run.started_at <= run.finished_at <= timezone.now()

    def test_failure_is_recorded_without_its_text(self, db):
        fail()
        run = run_of("housekeeping")
        assert (run.outcome, run.error, run.finished_at) == ("failed", "ZeroDivisionError", None)

    def test_success_after_a_failure_keeps_the_failure_in_sight(self, db):
        fail()
        with periodic.recorded("housekeeping"):
            pass
        run = run_of("housekeeping")
        assert (run.outcome, run.error) == ("ok", "ZeroDivisionError")

    def test_killed_run_has_not_ended(self, db):
        with periodic.recorded("housekeeping"):
            pass
        later = timezone.now() + timedelta(minutes=1)
        PeriodicTask.objects.update(started_at=later)
        assert run_of("housekeeping").outcome == "not ended"

    def test_frequent_task_is_written_every_ten_seconds_and_at_a_failure(
        self, db, django_assert_num_queries, monkeypatch
    ):
        monkeypatch.setattr(periodic, "_recorded_at", {})
        with periodic.recorded("tick", seldom=True):
            pass
        with django_assert_num_queries(0), periodic.recorded("tick", seldom=True):
            pass
        with pytest.raises(ZeroDivisionError), periodic.recorded("tick", seldom=True):
            raise ZeroDivisionError
        assert run_of("tick").outcome == "failed"


@pytest.mark.parametrize(
    ("task", "name"),
    [
        (tasks.restart_ticks, "revival of the tick"),
        (tasks.purge_expired, "housekeeping"),
        (tasks.check_ledger, "ledger check"),
    ],
)
def test_scheduled_task_is_recorded(db, task, name):
    task()
    assert run_of(name).outcome == "ok"


def test_tick_is_recorded(db, monkeypatch):
    monkeypatch.setattr(periodic, "_recorded_at", {})
    scheduler.prepare()
    tasks.tick(Tick.objects.get().token)
    assert run_of("tick").outcome == "ok"
