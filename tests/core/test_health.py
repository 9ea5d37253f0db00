"""`/healthz` and `/readyz`."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from jobs.models import Tick, VideoJob


@pytest.fixture
def alive(db):
    """A cluster keeps time."""
    Tick.objects.update(next_at=timezone.now() + timedelta(seconds=1))


@pytest.fixture
def ready(anonymous):
    def ready():
        answer = anonymous.get("/readyz")
        assert answer["Content-Type"] == "application/json"
        assert set(answer.json()) <= {"status", "checks", "oldestWaitingSeconds"}
        return answer.status_code, answer.json()

    return ready


def failing(body):
    return {name for name, outcome in body["checks"].items() if outcome != "ok"}


class TestHealthz:
    def test_is_200_while_the_process_is_up(self, anonymous):
        answer = anonymous.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    def test_does_not_need_the_database(self, anonymous, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert anonymous.get("/healthz").status_code == 200


@pytest.mark.usefixtures("alive")
class TestReadyz:
    def test_is_200_when_all_is_well(self, ready):
        status, body = ready()
        assert status == 200
        assert body["status"] == "ok"
        assert set(body["checks"].values()) == {"ok"}
        assert {"database", "migrations", "workers"} <= set(body["checks"])
        assert body["oldestWaitingSeconds"] == 0

    def test_tells_how_long_the_oldest_job_waits(self, ready, new_job):
        new_job(now=timezone.now() - timedelta(seconds=20))
        new_job(now=timezone.now() - timedelta(seconds=100))
        assert ready()[1]["oldestWaitingSeconds"] in (100, 101, 102)

    @pytest.mark.parametrize("silence", [20, 3600])
    def test_is_503_without_a_live_cluster(self, ready, silence):
        Tick.objects.update(next_at=timezone.now() - timedelta(seconds=silence))
        status, body = ready()
        assert (status, body["status"]) == (503, "unavailable")
        assert failing(body) == {"workers"}

    def test_is_503_with_a_migration_missing(self, ready):
        MigrationRecorder.Migration.objects.filter(app="jobs").latest("id").delete()
        status, body = ready()
        assert status == 503
        assert failing(body) == {"migrations"}

    def test_is_503_with_a_running_job_that_nobody_works_on(self, ready, new_job):
        job = new_job("generating")
        assert ready()[0] == 200
        VideoJob.objects.filter(pk=job.pk).update(
            next_step_at=timezone.now() - timedelta(seconds=90)
        )
        status, body = ready()
        assert status == 503
        assert failing(body) == {"running"}

    def test_is_503_without_the_database_and_does_not_tell_where_it_is(self, ready, monkeypatch):
        def fail(*arguments, **named):
            raise OperationalError('connection to server at "10.0.0.7" failed for user "studio"')

        with monkeypatch.context() as patch:
            patch.setattr(connection, "cursor", fail)
            status, body = ready()
        assert status == 503
        assert "database" in failing(body)
        assert "10.0.0.7" not in str(body)
        assert "studio" not in str(body)

    @pytest.mark.parametrize("path", ["/healthz", "/readyz"])
    def test_is_asked_over_plain_http_from_inside(self, anonymous, settings, path):
        settings.SECURE_SSL_REDIRECT = True
        assert anonymous.get(path).status_code == 200
        assert anonymous.get("/video-monitor").status_code == 301
