"""The public page: what it shows, and what it must never show."""

import re

import pytest
from django.core.cache import caches
from django.utils import timezone

from jobs import lifecycle, messages
from jobs.models import HELD, JobEvent, VideoJob
from jobs.storage.base import video_name
from tests.api import Client
from tests.job_states import OPERATION, STATES, stored

PAGES = ["/video-monitor", "/AIStudio/video-monitor"]


@pytest.fixture
def page(anonymous):
    def page(path=PAGES[0]):
        caches["monitor"].clear()
        answer = anonymous.get(path)
        assert answer.status_code == 200
        return answer.text

    return page


class TestMonitor:
    def test_monitor_needs_no_login(self, db, anonymous):
        for path in PAGES:
            answer = anonymous.get(path)
            assert answer.status_code == 200
            assert answer["Content-Type"].startswith("text/html")
            assert "No jobs in the last 24 hours" in answer.text

    def test_other_methods_are_405(self, db):
        browser = Client(enforce_csrf_checks=True)
        for path in (*PAGES, "/", "/healthz", "/readyz", "/metrics"):
            for method in (browser.post, browser.put, browser.delete):
                assert method(path).status_code == 405, path

    @pytest.mark.parametrize("state", STATES)
    def test_job_is_shown_without_data_of_user_and_provider(self, page, new_job, alice, state):
        type(alice).objects.filter(pk=alice.pk).update(first_name="Liddell", last_name="Pleasance")
        job = new_job(state, prompt="A red balloon", mock_mode=False)
        text = page()
        for secret in (
            *(alice.username, alice.email, str(alice.pk), alice.pk.hex, "Liddell", "Pleasance"),
            *(OPERATION, "operations/", "acme-7", "AIza", "raw words"),
        ):
            assert secret not in text
        assert "A red balloon" in text
        assert f">{job.status}</span>" in text
        shows_progress = f'max="100" value="{job.progress_percentage}"' in text
        assert shows_progress == (job.completed_at is None)
        assert (job.error_message or job.status_message).split("...")[0] in text
        assert ("<video" in text) == (state == "SUCCEEDED")
        if state == "SUCCEEDED":
            assert f"/media/{video_name(job.pk)}.mp4" in text

    def test_jobs_of_all_users_are_shown_newest_first(self, page, new_job, bob):
        new_job(prompt="the older one")
        new_job(prompt="the newer one", user=bob)
        text = page()
        assert text.index("the newer one") < text.index("the older one")

    def test_held_job_is_on_hold(self, page, new_job):
        """After a restore it waits for staff, and is not in the line."""
        held, next_ = new_job("PENDING"), new_job("PENDING")
        VideoJob.objects.filter(pk=held.pk).update(next_step_at=HELD)
        text = page()
        assert re.findall('<span class="left">([a-z ]+)</span>', text) == ["next", "on hold"]
        assert "<b>On hold</b>" in page(f"/video-monitor/{held.pk}")
        assert "<b>Next</b>" in page(f"/video-monitor/{next_.pk}")

    @pytest.mark.parametrize(
        ("lines", "shown"), [(21, ">1 earlier line<"), (1_030, ">1,010 earlier lines<")]
    )
    def test_earlier_lines_are_counted(self, page, new_job, lines, shown):
        job = new_job("CANCELLED")
        now, first = timezone.now(), job.events.count()
        JobEvent.objects.bulk_create(
            JobEvent(job=job, created_at=now, message="Again") for _ in range(lines - first)
        )
        text = page()
        assert shown in text
        assert f"Log <span>{lines:,}</span>" in text

    def test_page_loads_nothing_from_other_hosts(self, page, new_job):
        new_job("SUCCEEDED")
        own = page().replace(
            "http://testserver/", "/"
        )  # whole, for other sites' previews of a link
        assert not re.search(r'(?:src|href|content)="[^"]*//', own)


class TestPrompt:
    def test_prompt_is_escaped(self, page, new_job, many):
        prompts = (
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "</ul><iframe src=//evil.example>",
            "{{ settings.SECRET_KEY }} {% debug %}",
            "' onmouseover='alert(1)",
        )
        for prompt in prompts:
            new_job("SUCCEEDED", prompt=prompt, negative_prompt=prompt)
        text = page()
        assert "{{ settings.SECRET_KEY }} {% debug %}" in text
        assert not [prompt for prompt in prompts if "<" in prompt and prompt in text]
        for dangerous in ("<script>", "<img src=x", "<iframe", "' onmouse", "known to everybody"):
            assert dangerous not in text

    def test_negative_prompt_and_seed_are_shown(self, page, new_job):
        job = new_job("SUCCEEDED", negative_prompt="No rain", seed=0)
        for path in (PAGES[0], f"{PAGES[0]}/{job.pk}"):
            assert "Negative prompt: No rain" in page(path)
            assert "<span>seed 0</span>" in page(path)

    def test_only_the_prompts_are_hidden(self, page, new_job, settings):
        settings.MONITOR_SHOW_PROMPTS = False
        asked = {"prompt": "A wish", "negative_prompt": "A wish", "seed": 4294967295}
        made, failed = new_job("SUCCEEDED", **asked), new_job("FAILED", **asked)
        new_job(**asked)
        for path in (PAGES[0], f"{PAGES[0]}/{made.pk}", f"{PAGES[0]}/{failed.pk}"):
            text = page(path)
            assert "A wish" not in text
            assert "seed 4294967295" in text
            assert messages.CREATED in text
        for shown in (made.video_url, made.poster_url, "The video was held back."):
            assert shown in page()

    def test_missing_prompt_is_not_shown_as_none(self, page, new_job):
        new_job(prompt=None)
        assert "None" not in page()


class TestVideoUrl:
    def test_video_url_is_escaped(self, page, new_job):
        job = new_job("storing")
        url = 'https://x.example/"><script>alert(1)</script>'
        video = stored(job).__class__(name="a", url=url, poster_url=url, bytes=1)
        lifecycle.succeed(job=job, video=video, now=job.created_at)
        assert "<script>" not in page()
