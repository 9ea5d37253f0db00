"""The documentation says who sees a job, in the right place, and it is true."""

import time
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import requests
from django.utils import timezone

from tests.run import PROJECT

pytestmark = [pytest.mark.live, pytest.mark.once]

GUIDE = PROJECT / "docs" / "api.md"
FACTS = (
    *("/video-monitor", "24 hours", "MONITOR_SHOW_PROMPTS=false", "user names", "logs"),
    *("need", "login", "expire", "`DELETE`", "private=true", "VIDEO_DEFAULT_PRIVATE=true"),
)
WAIT_SECONDS = 30  # on a busy machine
LONG = "A kingfisher dives into a pond, " * 12 + "and rests"


@pytest.fixture(scope="module")
def watched(service):
    """The owner of the jobs that somebody without a login looks at."""
    return service.user("watched", tokens=400)


@pytest.fixture
def look(service):
    """`look("/video-monitor")`: the answer without a login."""
    return lambda path: requests.get(service.url + path, timeout=30)


@pytest.fixture
def monitor(look):
    """`monitor("An owl")` is the monitor once it shows that text; each web process makes it every
    two seconds.

    `monitor("An owl", shown=False)` is the monitor once it does not.
    """

    def monitor(text, *, shown=True, query=""):
        start = time.monotonic()
        while (text in (page := look(f"/video-monitor{query}").text)) != shown:
            waited = time.monotonic() - start
            assert waited < WAIT_SECONDS, f"{text}, shown={shown}: {waited:.0f} s\n{page}"
            time.sleep(0.25)
        return page

    return monitor


class TestDocumentation:
    def test_guide_says_who_sees_a_job_before_the_first_order(self):
        before, _, after = GUIDE.read_text().partition("## Who sees it\n")
        section, _, rest = after.partition("\n## ")
        assert "/video-jobs" not in before
        assert rest.startswith("Quick start")
        assert [fact for fact in FACTS if fact not in section] == []

    def test_api_page_says_who_sees_a_job_before_the_first_order(self, look):
        description = look("/api/v1/schema?format=json").json()["info"]["description"]
        before, _, after = description.partition("**Try it here.**")
        assert "Create a video" in " ".join(after.split())
        assert [fact for fact in FACTS if fact not in before] == []


class TestMonitor:
    def test_monitor_shows_prompt_log_and_video_but_no_user(self, watched, look, monitor):
        job = watched.wait(watched.order("A heron on one leg")["id"])
        for page in (monitor("A heron on one leg"), look(f"/video-monitor/{job['id']}").text):
            assert "A heron on one leg" in page
            assert job["logs"][0]["message"] in page
            assert urlsplit(job["cloudinaryUrl"]).path in page
            assert "watched" not in page
            assert job["userId"] not in page

    def test_monitor_shortens_a_prompt_and_the_page_of_the_job_does_not(
        self, watched, look, monitor
    ):
        job = watched.wait(watched.order(LONG)["id"])
        assert LONG in look(f"/video-monitor/{job['id']}").text
        assert LONG[:301] not in monitor(LONG[:299])

    def test_monitor_shows_a_job_for_24_hours_and_its_page_longer(
        self, service, watched, look, monitor
    ):
        job = watched.wait(watched.order("A comet over the sea")["id"])
        monitor("A comet over the sea")
        yesterday = str(timezone.now() - timedelta(hours=24, minutes=1))
        created = "UPDATE jobs_videojob SET created_at = %s WHERE id = %s"
        service.sql(created, yesterday, UUID(job["id"]).hex)
        monitor("A comet over the sea", shown=False)
        assert "A comet over the sea" in look(f"/video-monitor/{job['id']}").text

    def test_private_job_is_gone_at_once_from_its_page_and_soon_from_the_monitor(
        self, watched, look, monitor
    ):
        job = watched.wait(watched.order("A closed garden")["id"])
        monitor("A closed garden")
        path = f"/video-monitor/{job['id']}"
        assert {look(path).status_code for _ in range(20)} == {200}  # in the cache of each process
        answer = watched.patch(f"/api/v1/video-jobs/{job['id']}", json={"private": True})
        assert answer.json() == job | {"private": True}
        assert {look(path).status_code for _ in range(20)} == {404}
        for query in ("", "?status=SUCCEEDED"):
            monitor("A closed garden", shown=False, query=query)
            monitor(job["id"], shown=False, query=query)
        assert watched.job(job["id"])["private"] is True

    def test_monitor_shows_no_deleted_job(self, watched, look, monitor):
        job = watched.wait(watched.order("A well at noon")["id"])
        monitor("A well at noon")
        assert watched.delete(f"/api/v1/video-jobs/{job['id']}").status_code == 204
        monitor("A well at noon", shown=False)
        assert look(f"/video-monitor/{job['id']}").status_code == 404


class TestVideo:
    def test_video_needs_no_login_and_outlives_its_job(self, watched):
        job = watched.wait(watched.order("A lantern in the fog")["id"])
        addresses = {"cloudinaryUrl": "video/mp4", "posterUrl": "image/jpeg"}
        for when in ("before", "after"):
            for field, content_type in addresses.items():
                answer = requests.get(job[field], timeout=30)
                assert answer.status_code == 200, (field, when)
                assert answer.headers["Content-Type"] == content_type
                assert not urlsplit(job[field]).query  # holds nothing that could expire
            watched.delete(f"/api/v1/video-jobs/{job['id']}")
        assert watched.get(f"/api/v1/video-jobs/{job['id']}").status_code == 404
