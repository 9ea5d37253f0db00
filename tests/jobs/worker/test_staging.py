"""The staging folder is private and bounded; nothing is submitted while it fills up."""

import os
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from jobs import lifecycle, messages
from jobs.storage.base import StorageError
from jobs.worker import staging, steps

REFUSED = StorageError("Cloudinary: AuthorizationRequired", retryable=True, needs_operator=True)

pytestmark = pytest.mark.once


@pytest.fixture
def staging_dir(tmp_path, settings):
    settings.STAGING_DIR = str(tmp_path / "staging")
    settings.STAGING_MAX_BYTES = 1_000
    return tmp_path / "staging"


def fail_to_store(job):
    assert lifecycle.step_failed(job=job, error=REFUSED, now=timezone.now())


def front_page(browser):
    return browser.get("/admin/").text


class TestFolder:
    def test_folder_of_the_setting_is_made_private(self, staging_dir):
        assert staging.folder() == staging_dir
        assert staging_dir.stat().st_mode & 0o777 == 0o700

    def test_folder_without_the_setting_is_the_users_own_in_the_temporary_folder(
        self, tmp_path, monkeypatch, settings
    ):
        settings.STAGING_DIR = ""
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        assert staging.folder() == tmp_path / f"videostudio-{os.getuid()}"

    @pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
    def test_cluster_does_not_start_with_a_folder_that_others_can_use(self, staging_dir, mode):
        staging_dir.mkdir()
        staging_dir.chmod(mode)
        with pytest.raises(CommandError, match=r"^STAGING_DIR: .* is not private"):
            call_command("qcluster")

    def test_cluster_does_not_start_with_a_folder_of_another_user(self, staging_dir, monkeypatch):
        staging_dir.mkdir(mode=0o700)
        owner = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: owner + 1)
        with pytest.raises(CommandError, match=r"^STAGING_DIR: .* is not this user's own folder"):
            call_command("qcluster")

    def test_cluster_does_not_start_with_a_link_to_a_folder(self, staging_dir, tmp_path):
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        staging_dir.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(CommandError, match=r"^STAGING_DIR: "):
            call_command("qcluster")


class TestFilling:
    @pytest.fixture
    def filled(self, staging_dir):
        """`filled(bytes)`: another job's video has this size."""
        return lambda size: (staging.folder() / "other.mp4").write_bytes(b"x" * size)

    def test_waiting_jobs_are_not_submitted_and_say_why(self, client, new_job, filled):
        filled(800)
        job = new_job()
        before = client.job(job)
        steps.submit_due()
        held = client.job(job)
        assert (held["status"], held["statusMessage"]) == ("PENDING", messages.STAGING_FULL)
        assert before["statusMessage"] != messages.STAGING_FULL

    def test_waiting_jobs_are_submitted_when_there_is_room_again(self, client, new_job, filled):
        filled(800)
        job = new_job()
        steps.submit_due()
        filled(799)
        steps.submit_due()
        assert client.job(job)["status"] == "RUNNING"

    @pytest.mark.parametrize(
        ("function", "answer"),
        [("os.access", False), ("shutil.disk_usage", SimpleNamespace(free=10_000_000))],
    )
    def test_nothing_is_submitted_while_the_disk_is_read_only_or_full(
        self, staging_dir, client, new_job, monkeypatch, function, answer
    ):
        job = new_job()
        with monkeypatch.context() as patched:
            patched.setattr(function, lambda *_: answer)
            steps.submit_due()
        assert client.job(job)["statusMessage"] == messages.STAGING_FULL
        steps.submit_due()
        assert client.job(job)["status"] == "RUNNING"

    def test_held_jobs_do_not_count_as_a_stalled_worker(self, new_job, filled, anonymous):
        filled(800)
        new_job(now=timezone.now() - timedelta(minutes=5))
        steps.submit_due()
        assert anonymous.get("/readyz").json()["checks"]["waiting"] == "ok"

    def test_overview_says_why_jobs_wait(self, support, new_job, filled):
        filled(800)
        new_job()
        steps.submit_due()
        assert f"1 PENDING job with the message “{messages.STAGING_FULL}”" in front_page(support)


class TestUnstored:
    def test_overview_names_the_videos_that_cannot_be_stored_and_the_cause(self, support, new_job):
        fail_to_store(new_job("storing"))
        text = front_page(support)
        assert "1 finished video could not be stored" in text
        assert "(Cloudinary: AuthorizationRequired)" in text
        assert text.count("errornote") == 1

    def test_overview_is_silent_while_videos_are_stored(self, support, new_job):
        new_job("storing")
        assert "could not be stored" not in front_page(support)

    def test_owner_reads_that_saving_is_tried_again(self, client, new_job):
        job = new_job("storing")
        fail_to_store(job)
        assert client.job(job)["statusMessage"] == messages.STORING_AGAIN
