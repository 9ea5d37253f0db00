"""Removed videos leave the monitor, the media URLs and the storage, with real workers."""

from urllib.parse import urlsplit
from uuid import UUID

import pytest
import requests

from jobs.storage.base import video_name
from tests.fakes import CloudinaryImitation
from tests.stack import Stack, until

pytestmark = pytest.mark.live

ENV = {"MOCK_SECONDS": "0", "VIDEO_MAX_ACTIVE_JOBS": "100", "SIGNUP_GRANT_TOKENS": "1000"}
LEFT = "SELECT count(*) FROM jobs_videoremoval"
CLAIMED = "SELECT count(*) FROM jobs_videoremoval WHERE attempts > 0"
LEASES_END = "UPDATE jobs_videoremoval SET next_try_at = created_at"


def make(alice, count):
    ids = [alice.create(prompt="A lighthouse").json()["id"] for _ in range(count)]
    return [alice.wait(id, seconds=60) for id in ids]


def remove(alice, job):
    answer = alice.delete(f"/api/v1/video-jobs/{job['id']}/video")
    assert answer.status_code == 200, answer.text


class TestOnDisk:
    def test_video_is_gone_everywhere_within_five_seconds(self, service):
        alice = service.user("alice-who-removes")
        [job] = make(alice, 1)
        urls = [job["cloudinaryUrl"], job["posterUrl"]]
        assert [requests.get(url, timeout=10).status_code for url in urls] == [200, 200]

        def monitor():
            pages = ("/video-monitor", f"/video-monitor/{job['id']}")
            return "".join(requests.get(service.url + page, timeout=10).text for page in pages)

        path = urlsplit(job["cloudinaryUrl"]).path
        assert until(lambda: path in monitor(), seconds=5)
        files = [*(service.folder / "media").rglob(f"{job['id']}*")]
        assert len(files) == 3  # the video, its poster and the small poster
        remove(alice, job)
        assert [requests.get(url, timeout=10).status_code for url in urls] == [404, 404]
        assert until(lambda: path not in monitor(), seconds=5)
        assert until(lambda: not any(file.exists() for file in files), seconds=5)
        assert until(lambda: service.sql(LEFT) == [(0,)], seconds=5)


class TestKilledWorkers:
    @pytest.fixture
    def cloudinary(self):
        with CloudinaryImitation() as service:
            yield service
            assert service.errors == []

    @pytest.fixture
    def studio(self, cloudinary):
        with Stack(cloudinary=cloudinary.url, clusters=2, env=ENV) as stack:
            yield stack

    def test_each_video_is_deleted_after_kill_9_of_its_workers(self, studio, cloudinary):
        alice = studio.user("alice")
        jobs = make(alice, 12)
        assert len(cloudinary.public_ids) == 12
        cloudinary.fail("destroy", "hang", times=1e9)
        for job in jobs:
            remove(alice, job)
        assert until(lambda: studio.sql(CLAIMED)[0][0] >= 8, seconds=20)
        for cluster in [
            process for process in studio.started.values() if "qcluster" in str(process.args)
        ]:
            for pid in [cluster.pid, *studio.descendants(cluster.pid)]:
                studio.kill(pid)
        assert len(cloudinary.public_ids) == 12
        cloudinary.clear_faults()
        studio.sql(LEASES_END)  # a minute later
        assert studio.restart_ended() == 2
        assert until(lambda: studio.sql(LEFT) == [(0,)], seconds=60), studio.output()
        assert cloudinary.public_ids == []
        names = {video_name(UUID(job["id"])) for job in jobs}
        assert set(cloudinary.invalidated) == names
        assert len(cloudinary.invalidated) == 12  # two clusters, and each video once
