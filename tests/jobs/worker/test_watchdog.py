"""When the supervisor replaces a cluster whose processes all live."""

from time import monotonic

import pytest
from django.db import OperationalError, connection

from jobs.worker import shared
from jobs.worker.broker import OutageTolerantORM
from jobs.worker.shared import state
from jobs.worker.watchdog import Watchdog

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shared_state():
    shared.reset()
    yield
    shared.reset()


@pytest.fixture
def watchdog(monkeypatch):
    """Of a cluster that has run for an hour."""
    monkeypatch.setattr("jobs.worker.watchdog.connections.close_all", lambda: None)
    watchdog = Watchdog()
    watchdog.database_down_at = watchdog.finished_at = monotonic() - 3600
    return watchdog


class TestWatchdog:
    def test_healthy_cluster_has_no_problem(self, watchdog):
        assert watchdog.problem() == ""

    def test_dead_process_is_a_problem(self, watchdog):
        state.process_died = True
        assert watchdog.problem() == "a process died"

    @pytest.mark.parametrize(("seconds", "problem"), [(14, ""), (16, "its sentinel hangs")])
    def test_silent_sentinel_is_a_problem(self, watchdog, seconds, problem):
        state.sentinel_at = monotonic() - seconds
        assert watchdog.problem() == problem

    @pytest.mark.parametrize(("seconds", "problem"), [(19, ""), (21, "it makes no progress")])
    def test_silent_pusher_of_an_idle_cluster_is_a_problem(self, watchdog, seconds, problem):
        state.idle_at = monotonic() - seconds
        assert watchdog.problem() == problem

    def test_running_task_is_no_problem(self, watchdog):
        state.idle_at = monotonic() - 250
        shared.task_starts()
        assert watchdog.problem() == ""

    def test_task_that_ended_recently_is_no_problem(self, watchdog):
        state.idle_at = monotonic() - 250
        shared.task_starts()
        shared.task_ends()
        assert watchdog.problem() == ""

    def test_task_that_runs_beyond_its_timeout_is_a_problem(self, watchdog):
        state.idle_at = monotonic() - 250
        state.worker_at[0] = monotonic() - 21
        assert watchdog.problem() == "it makes no progress"

    @pytest.mark.parametrize(("seconds", "problem"), [(315, ""), (325, "no task was finished")])
    def test_tasks_that_nothing_finishes_are_a_problem(self, watchdog, seconds, problem):
        state.taken = 1
        watchdog.finished_at = monotonic() - seconds
        assert watchdog.problem() == problem

    def test_finished_task_starts_the_time_limit_again(self, watchdog):
        state.taken, state.finished = 2, 1
        assert watchdog.problem() == ""

    def test_idle_cluster_need_not_finish_tasks(self, watchdog):
        state.taken = state.finished = 0
        assert watchdog.problem() == ""

    def test_database_that_is_down_excuses_silence(self, watchdog):
        def fail(*arguments):
            raise OperationalError

        state.sentinel_at = state.idle_at = monotonic() - 60
        with connection.execute_wrapper(fail):
            assert watchdog.problem() == ""
        assert watchdog.problem() == ""  # the time limits start when the database is back


class TestReports:
    def test_pusher_that_polls_in_an_idle_cluster(self):
        state.idle_at = 0
        OutageTolerantORM().dequeue()
        assert monotonic() - state.idle_at < 5

    def test_pusher_that_polls_while_tasks_are_unfinished(self):
        state.taken, state.idle_at = 1, 0
        OutageTolerantORM().dequeue()
        assert state.idle_at == 0

    def test_tasks_are_counted_when_taken_and_when_finished(self):
        OutageTolerantORM().enqueue("payload")
        tasks = OutageTolerantORM().dequeue()
        assert tasks
        ((task, payload),) = tasks
        assert (payload, state.has_tasks()) == ("payload", True)
        OutageTolerantORM().acknowledge(task)
        assert not state.has_tasks()

    def test_statistics_of_the_sentinel_are_its_sign_of_life(self):
        state.sentinel_at = 0
        OutageTolerantORM().set_stat("key", "value", 3)
        assert monotonic() - state.sentinel_at < 5
