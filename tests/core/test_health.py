"""`/healthz` and `/readyz`."""

from datetime import timedelta
from shutil import disk_usage
from tempfile import gettempdir

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from jobs import readiness
from jobs.models import Heartbeat, PeriodicTask, Stage, Status, SubmissionGate, Tick, VideoJob
from jobs.readiness import CHECKS
from jobs.stats import periodic
from jobs.worker import leases

pytestmark = pytest.mark.both  # SQL of our own

NO_TEMPORARY_FILES = "the temporary folder is full or cannot be written"
WAITING = {"waiting": "a waiting job that could start does not"}


@pytest.fixture
def failing(anonymous, db):
    """What /readyz finds wrong, while a cluster keeps time."""
    Tick.objects.update(next_at=timezone.now() + timedelta(seconds=1))

    def failing():
        answer = anonymous.get("/readyz")
        assert answer["Content-Type"] == "application/json"
        body = answer.json()
        more = {"oldestWaitingSeconds", "processes", "periodicTasks"}
        assert {"status", "checks"} <= set(body) <= {"status", "checks", *more}
        wrong = {name: said for name, said in body["checks"].items() if said != "ok"}
        assert answer.status_code == (503 if wrong else 200)
        assert body["status"] == ("unavailable" if wrong else "ok")
        return wrong

    return failing


def nobody_looked():
    SubmissionGate.objects.update(looked_at=None)


def ago(seconds):
    return timezone.now() - timedelta(seconds=seconds)


def test_healthz_is_200_without_a_query(anonymous, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = anonymous.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probe_is_answered_over_plain_http(anonymous, failing, settings, path):
    settings.SECURE_SSL_REDIRECT = True
    assert anonymous.get(path).status_code == 200
    assert anonymous.get("/video-monitor").status_code == 301


@pytest.mark.parametrize("host", ["10.0.0.5:8000", "other.example.com", "", "a b"])
def test_probe_is_answered_under_any_host_name(anonymous, failing, settings, host):
    settings.ALLOWED_HOSTS = ["studio.example.com"]
    for probe in ("/healthz", "/readyz"):
        assert anonymous.get(probe, headers={"host": host}).status_code == 200
    for other in ("/", "/healthz/", "/readyz/x", "/metrics", "/api/v1/video-models"):
        assert anonymous.get(other, headers={"host": host}).status_code == 400


class TestReadyz:
    def test_ready_service_is_200(self, anonymous, failing):
        assert failing() == {}
        body = anonymous.get("/readyz").json()
        assert {"database", "migrations", "workers"} <= set(body["checks"])
        assert body["oldestWaitingSeconds"] == 0

    def test_wait_of_the_oldest_job_is_shown(self, anonymous, failing, new_job):
        new_job(now=ago(20))
        new_job(now=ago(100))
        assert anonymous.get("/readyz").json()["oldestWaitingSeconds"] in (100, 101, 102)

    @pytest.mark.parametrize("silence", [20, 3600])
    def test_silent_cluster_is_503(self, failing, silence):
        Tick.objects.update(next_at=ago(silence))
        assert set(failing()) == {"workers"}

    def test_missing_migration_is_503(self, failing):
        MigrationRecorder.Migration.objects.filter(app="jobs").latest("id").delete()
        assert set(failing()) == {"migrations"}

    def test_unreachable_database_is_503_and_tried_once(self, anonymous, failing, monkeypatch):
        asked = []

        def fail():
            asked.append(1)
            raise OperationalError('connection to server at "10.0.0.7" failed for user "studio"')

        with monkeypatch.context() as patch:
            patch.setattr(connection, "cursor", fail)
            assert failing() == dict.fromkeys(CHECKS, "cannot be checked")
        assert len(asked) == 1

    def test_missing_temporary_folder_is_503(self, failing, monkeypatch, tmp_path):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
        assert failing() == {"temporaryFolder": NO_TEMPORARY_FILES}

    def test_full_temporary_folder_is_503(self, failing, monkeypatch):
        monkeypatch.setattr(readiness, "MIN_FREE_BYTES", disk_usage(gettempdir()).total + 1)
        assert failing() == {"temporaryFolder": NO_TEMPORARY_FILES}

    def test_database_lost_during_the_checks_is_503(self, failing, monkeypatch):
        def fail():
            raise OperationalError("10.0.0.7")

        monkeypatch.setattr("jobs.stats.queries.active_jobs", fail)
        monkeypatch.setattr("jobs.stats.queries.clocks", fail)
        assert failing() == {"workers": "cannot be checked"}


class TestProcesses:
    @pytest.fixture
    def heartbeat(self, db):
        def heartbeat(*, kind="cluster", host, seconds=0):
            Heartbeat.objects.create(
                kind=kind,
                host=host,
                pid=7,
                version="1",
                started_at=ago(600),
                seen_at=ago(seconds),
            )

        return heartbeat

    def test_silent_cluster_among_live_ones_is_named_and_not_503(
        self, anonymous, failing, heartbeat
    ):
        heartbeat(host="one")
        heartbeat(host="two", seconds=90)
        heartbeat(host="one", kind="web")
        assert failing() == {}
        assert anonymous.get("/readyz").json()["processes"] == {
            "web": {"alive": 1, "silent": []},
            "cluster": {"alive": 1, "silent": ["two:7"]},
        }

    def test_service_whose_only_cluster_is_silent_is_503(self, anonymous, failing, heartbeat):
        heartbeat(host="one", seconds=90)
        Tick.objects.update(next_at=ago(90))
        assert set(failing()) == {"workers"}
        found = anonymous.get("/readyz").json()["processes"]["cluster"]
        assert found == {"alive": 0, "silent": ["one:7"]}


def test_periodic_tasks_are_shown_and_not_503(anonymous, failing):
    with periodic.recorded(periodic.HOUSEKEEPING):
        pass
    PeriodicTask.objects.create(name=periodic.LEDGER_CHECK, started_at=ago(5 * 3600))
    PeriodicTask.objects.update(finished_at=ago(60))
    assert failing() == {}
    found = anonymous.get("/readyz").json()["periodicTasks"]
    assert set(found) == set(periodic.NAMES)
    assert found["tick"] == {"outcome": "never ran", "secondsSinceSuccess": None}
    assert 60 <= found["housekeeping"]["secondsSinceSuccess"] < 70


class TestWaiting:
    def test_waiting_job_is_late_after_a_minute(self, failing, new_job):
        new_job(now=ago(50))
        assert failing() == {}
        new_job(now=ago(70))
        assert failing() == WAITING

    def test_job_examined_by_a_worker_is_not_late(self, failing, new_job):
        new_job(now=ago(3600), mock_mode=False)
        SubmissionGate.objects.update(looked_at=ago(10))
        assert failing() == {}
        SubmissionGate.objects.update(looked_at=ago(61))
        assert failing() == WAITING

    def test_claim_records_when_it_examined_the_line(self, new_job, settings):
        settings.VEO_MAX_IN_FLIGHT = 0
        new_job(mock_mode=False)
        now = timezone.now()
        assert not leases.claim_pending(limit=5, now=now)
        assert SubmissionGate.objects.get().looked_at == now

    def test_job_postponed_by_google_is_not_late(self, failing, new_job):
        job = new_job(now=ago(3600), mock_mode=False)
        VideoJob.objects.filter(pk=job.pk).update(next_step_at=ago(-30))
        assert failing() == {}

    def test_job_behind_a_closed_gate_is_not_late(self, failing, new_job):
        new_job(now=ago(3600), mock_mode=False)
        SubmissionGate.objects.update(opens_at=ago(-30))
        assert failing() == {}
        new_job(now=ago(3600), mock_mode=True)  # which needs no gate
        assert failing() == WAITING

    def test_job_without_room_upstream_is_not_late(self, failing, new_job, settings):
        new_job(Stage.GENERATING, mock_mode=False)
        nobody_looked()
        new_job(now=ago(3600), mock_mode=False)
        settings.VEO_MAX_IN_FLIGHT = 1
        assert failing() == {}
        settings.VEO_MAX_IN_FLIGHT = 2
        assert failing() == WAITING

    def test_job_beyond_its_users_limit_is_not_late(self, failing, new_job, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS, settings.VIDEO_MAX_WAITING_JOBS = 1, 5
        running = new_job(Stage.GENERATING)
        nobody_looked()
        new_job(now=ago(3600))
        assert failing() == {}
        VideoJob.objects.filter(pk=running.pk).delete()
        assert failing() == WAITING

    @pytest.mark.parametrize("state", [*Stage, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED])
    def test_running_or_ended_job_is_not_late(self, failing, new_job, state):
        new_job(state, now=ago(3600))
        VideoJob.objects.exclude(next_step_at=None).update(next_step_at=timezone.now())
        assert failing() == {}


class TestRunning:
    @pytest.mark.parametrize("stage", Stage)
    def test_running_job_is_late_after_its_lease(self, failing, new_job, stage):
        job = new_job(stage)
        VideoJob.objects.filter(pk=job.pk).update(next_step_at=ago(59))
        assert failing() == {}
        VideoJob.objects.filter(pk=job.pk).update(next_step_at=ago(61))
        assert failing() == {"running": "a running job's next step is late"}
