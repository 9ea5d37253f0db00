"""Heartbeats: one row for each process, and which processes are silent."""

import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Heartbeat
from jobs.stats import processes
from jobs.stats.processes import Heart, Kind
from jobs.worker import cleanup


@pytest.fixture
def heart(db):
    return Heart(kind=Kind.CLUSTER)


def heartbeat(**columns):
    now = timezone.now()
    usual = {"kind": "cluster", "host": "far", "pid": 7, "version": "1", "started_at": now}
    return Heartbeat.objects.create(**usual | {"seen_at": now} | columns)


def ago(**time):
    return timezone.now() - timedelta(**time)


class TestBeat:
    def test_process_has_one_row(self, heart):
        heart.beat()
        heart.next_beat = 0
        heart.beat()
        row = Heartbeat.objects.get()
        assert (row.kind, row.version) == ("cluster", processes.version())
        assert row.started_at <= row.seen_at <= timezone.now()

    def test_row_is_written_at_most_every_fifteen_seconds(self, heart, django_assert_num_queries):
        heart.beat()
        with django_assert_num_queries(0):
            heart.beat()

    def test_each_later_beat_is_one_statement(self, heart, django_assert_num_queries):
        heart.beat()
        heart.next_beat = 0
        with django_assert_num_queries(1):
            heart.beat()

    def test_process_that_ends_deletes_its_row(self, heart):
        other = heartbeat()
        heart.beat()
        heart.stop()
        assert Heartbeat.objects.get() == other

    def test_database_error_does_not_end_the_process(self, heart, caplog):
        heart.identity["host"] = None
        heart.beat()
        assert "no heartbeat" in caplog.text


class TestReplacedProcess:
    @pytest.fixture
    def ended(self):
        """The id of a process that has ended."""
        child = subprocess.Popen([sys.executable, "-c", ""])
        child.wait()
        return child.pid

    def test_killed_process_of_this_host_and_kind_is_forgotten(self, heart, ended):
        heartbeat(host=heart.identity["host"], pid=ended)
        heart.beat()
        assert Heartbeat.objects.get().pid == heart.identity["pid"]

    def test_killed_process_of_another_host_or_kind_is_kept(self, heart, ended):
        heartbeat(host="far", pid=ended)
        heartbeat(host=heart.identity["host"], kind="web", pid=ended)
        heart.beat()
        assert Heartbeat.objects.count() == 3


class TestCurrent:
    def test_process_is_silent_after_a_minute(self, db):
        heartbeat(pid=1, seen_at=ago(seconds=50))
        heartbeat(pid=2, seen_at=ago(seconds=70))
        found = processes.current(now=timezone.now())
        assert found.alive() == {("cluster", "1"): 1}
        assert [row.pid for row in found.silent("cluster")] == [2]
        assert 70 <= found.oldest_age("cluster") < 80
        assert found.oldest_age("web") == 0

    def test_silent_process_is_removed_after_three_hours(self, db):
        kept = heartbeat(pid=1, seen_at=ago(hours=2, minutes=59))
        heartbeat(pid=2, seen_at=ago(hours=3, minutes=1))
        cleanup.purge_expired(now=timezone.now())
        assert Heartbeat.objects.get() == kept
