"""`manage.py doctor`: a line for each part, a verdict, an exit code, and no secret."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from jobs import providers, readiness
from jobs.models import Heartbeat, PeriodicTask, SubmissionGate, Tick
from tests.fakes import CloudinaryImitation, VertexImitation, use_cloudinary

pytestmark = [pytest.mark.both, pytest.mark.slow]
PARTS = [
    *("settings", "database", "migrations", "cache", "workers", "clock", "storage", "Google"),
    "disk",
]


@pytest.fixture
def google(settings):
    settings.GOOGLE_API_KEY, settings.GOOGLE_CLOUD_PROJECT = "test-google-key", "test-project"
    with VertexImitation() as service:
        settings.GOOGLE_VERTEX_BASE_URL = service.url
        yield service
        assert service.records == []
    providers._make.cache_clear()


@pytest.fixture
def disk(settings, tmp_path):
    settings.MEDIA_ROOT, settings.STAGING_DIR = tmp_path / "media", str(tmp_path / "staging")
    settings.STAGING_MAX_BYTES = 0
    settings.STORAGES = {**settings.STORAGES}  # so that the storage is made again
    return settings.MEDIA_ROOT


@pytest.fixture
def cloudinary(disk, settings):
    with CloudinaryImitation() as service:
        use_cloudinary(service, settings)
        yield service
        assert service.errors == []


@pytest.fixture
def doctor(db, google, disk, settings):
    """The exit code, and the lines as (part, level, sentence), of a service without a problem."""
    settings.ALLOWED_HOSTS, settings.HTTPS_ONLY = ["studio.example.com"], False
    from_browser_tests = "async.E001"  # they set DJANGO_ALLOW_ASYNC_UNSAFE
    silenced = [*settings.SILENCED_SYSTEM_CHECKS, "jobs.W002", from_browser_tests]
    settings.SILENCED_SYSTEM_CHECKS = silenced
    Tick.objects.update(next_at=timezone.now() + timedelta(seconds=1))

    def doctor():
        providers._make.cache_clear()
        written = io.StringIO()
        with pytest.raises(SystemExit) as exit:
            call_command("doctor", stdout=written)
        if providers.veo_is_configured():
            veo: Any = providers.provider_for(mock_mode=False)
            veo.client.close()
        for secret in (settings.SECRET_KEY, "test-google-key", "test-cloudinary-secret"):
            assert secret not in written.getvalue()
        lines = written.getvalue().splitlines()
        return exit.value.code, [*map(columns, lines[:-1])], lines[-1]

    return doctor


def columns(line):
    return line[:12].strip(), line[12:24].strip(), line[24:]


def wrong(lines):
    return {(part, level) for part, level, _ in lines if level != "ok"}


class TestWell:
    def test_each_part_is_tried_and_well(self, doctor, disk):
        code, lines, verdict = doctor()
        assert wrong(lines) == set()
        assert (code, verdict) == (0, "Verdict: the service can work.")
        assert list(dict.fromkeys(part for part, _, _ in lines)) == PARTS
        assert [path for path in disk.rglob("*") if path.is_file()] == []

    def test_cloudinary_stores_delivers_and_deletes(self, doctor, cloudinary):
        code, lines, _ = doctor()
        assert code == 0
        assert ("storage", "ok", "Cloudinary stored, delivered and deleted a small video.") in lines
        assert cloudinary.records
        assert cloudinary.public_ids == []


class TestWarning:
    def test_warnings_are_named_and_exit_with_zero(self, doctor, settings):
        settings.TRUSTED_PROXIES, settings.HTTPS_ONLY = 0, True
        settings.STAGING_MAX_BYTES = 10**18
        long_ago = timezone.now() - timedelta(minutes=10)
        Heartbeat.objects.create(
            kind="cluster", host="b", pid=7, version="x", started_at=long_ago, seen_at=long_ago
        )
        Heartbeat.objects.create(
            kind="web", host="c", pid=8, version="old", started_at=long_ago, seen_at=timezone.now()
        )
        PeriodicTask.objects.update_or_create(
            name="housekeeping", defaults={"started_at": long_ago, "failed_at": long_ago}
        )
        code, lines, verdict = doctor()
        assert code == 0
        assert verdict == "Verdict: the service can work. Warnings: settings, workers, disk."
        said = " ".join(sentence for _, level, sentence in lines if level == "warning")
        for part in ("jobs.W003", "silent", "other code (old)", "housekeeping failed", "GB may be"):
            assert part in said

    def test_sqlite_is_named_without_an_url_that_looks_like_a_secret(
        self, doctor, settings, monkeypatch
    ):
        settings.SILENCED_SYSTEM_CHECKS = ["async.E001"]
        monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
        _, lines, _ = doctor()
        [said] = [sentence for _, _, sentence in lines if "jobs.W002" in sentence]
        assert "DATABASE_URL" in said
        assert "[secret]" not in said

    @pytest.mark.parametrize(("mock", "warned"), [(None, True), (True, False)])
    def test_missing_google_account(self, doctor, settings, mock, warned):
        settings.GOOGLE_API_KEY = settings.GOOGLE_CLOUD_PROJECT = ""
        settings.VIDEO_DEFAULT_MOCK_MODE = mock
        code, lines, _ = doctor()
        assert code == 0
        assert (("Google", "warning") in wrong(lines)) == warned


class TestFailure:
    def failed(self, doctor):
        code, lines, verdict = doctor()
        assert code == 1
        assert "cannot do all of its work. Failed: " in verdict
        return verdict.partition("Failed: ")[2], lines

    def test_setting_that_stops_the_start(self, doctor, settings):
        settings.VEO_MODEL_IDS = {"veo-9": "x"}
        assert self.failed(doctor)[0] == "settings."

    def test_missing_migration_no_cluster_and_wrong_google_key(self, doctor, settings):
        MigrationRecorder.Migration.objects.filter(app="jobs").latest("id").delete()
        Tick.objects.update(next_at=timezone.now() - timedelta(minutes=1))
        settings.GOOGLE_API_KEY = "another-key"
        failed, lines = self.failed(doctor)
        assert failed == "migrations, workers, Google."
        assert "another-key" not in str(lines)

    def test_restored_database_in_which_no_job_starts(self, doctor):
        SubmissionGate.objects.update(database="another server/1")
        failed, lines = self.failed(doctor)
        assert failed == "workers."
        assert "run manage.py after_restore" in str(lines)

    def test_media_root_that_is_a_file(self, doctor, disk):
        disk.write_text("")
        assert self.failed(doctor)[0] == "storage, disk."

    def test_cloudinary_that_refuses_the_upload(self, doctor, cloudinary):
        cloudinary.fail("upload", "401", times=9)
        assert self.failed(doctor)[0] == "storage."
        assert cloudinary.public_ids == []

    def test_cloudinary_that_delivers_other_bytes(self, doctor, cloudinary, monkeypatch):
        monkeypatch.setattr("jobs.storage.trial._read", lambda video: b"other")
        assert self.failed(doctor)[0] == "storage."
        assert cloudinary.public_ids == []

    def test_full_disk(self, doctor, monkeypatch):
        monkeypatch.setattr(readiness, "MIN_FREE_BYTES", 10**18)
        assert self.failed(doctor)[0] == "disk."

    def test_others_staging_folder(self, doctor, settings, tmp_path):
        (tmp_path / "staging").mkdir(mode=0o755)
        failed, lines = self.failed(doctor)
        assert failed == "disk."
        assert "its mode must be 700" in lines[-1][2]

    def test_database_that_does_not_answer(self, doctor, monkeypatch):
        def fail():
            raise OperationalError('connection to server at "10.0.0.7" failed')

        with monkeypatch.context() as patch:
            patch.setattr(connection, "ensure_connection", fail)
            patch.setattr(connection, "cursor", fail)
            failed, lines = self.failed(doctor)
        assert failed == "database."
        skipped = [part for part, level, _ in lines if level == "not checked"]
        assert skipped == ["migrations", "cache", "workers", "clock"]
        assert ("storage", "ok") in {(part, level) for part, level, _ in lines}
