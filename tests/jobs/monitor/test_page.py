"""The public page: what it shows, and what it must never show."""

import dataclasses
import re

import pytest
from django.core.cache import caches

from jobs import lifecycle, messages
from jobs.models import VideoJob
from jobs.monitor import formatting, public_jobs
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
    @pytest.mark.parametrize("path", PAGES)
    def test_is_open_to_everybody(self, db, anonymous, path):
        answer = anonymous.get(path)
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/html")
        assert "No jobs in the last 24 hours" in answer.text

    def test_is_a_door_of_the_front_page(self, anonymous):
        assert 'href="/video-monitor"' in anonymous.get("/").text

    @pytest.mark.parametrize("path", [*PAGES, "/", "/healthz", "/readyz", "/metrics"])
    @pytest.mark.parametrize("method", ["post", "put", "delete"])
    def test_is_for_looking_only(self, db, method, path):
        browser = Client(enforce_csrf_checks=True)
        assert getattr(browser, method)(path).status_code == 405

    @pytest.mark.parametrize("state", STATES)
    def test_shows_each_job_and_where_it_stands(self, page, new_job, state):
        job = new_job(state, prompt="A red balloon")
        text = page()
        assert "A red balloon" in text
        assert f">{formatting.named(job.status)}</span>" in text
        shows_progress = f'max="100" value="{job.progress_percentage}"' in text
        assert shows_progress == (job.completed_at is None) == ('data-pace="2"' in text)
        assert (job.error_message or job.status_message).split("...")[0] in text
        assert ("<video" in text) == (state == "SUCCEEDED")
        if state == "SUCCEEDED":
            assert f"/media/ai_studio/videos/{job.pk}.mp4" in text

    def test_shows_jobs_of_all_users_newest_first(self, page, new_job, bob):
        new_job(prompt="the older one")
        new_job(prompt="the newer one", user=bob)
        text = page()
        assert text.index("the newer one") < text.index("the older one")

    def test_takes_as_many_queries_for_many_jobs(self, page, new_job, django_assert_num_queries):
        new_job()
        with django_assert_num_queries(7):
            page()
        for _ in range(2):
            new_job()
        with django_assert_num_queries(7):
            page()

    def test_is_not_asked_for_twice_at_once(self, page, new_job, anonymous,
                                            django_assert_num_queries):  # fmt: skip
        new_job()
        page()
        with django_assert_num_queries(0):
            assert anonymous.get(PAGES[0]).status_code == 200

    def test_loads_nothing_from_elsewhere(self, page, new_job):
        new_job("SUCCEEDED")
        assert not re.search(r'(?:src|href|content)="[^"]*//', page())


class TestSecrets:
    @pytest.mark.parametrize("state", STATES)
    def test_are_on_no_page(self, page, new_job, alice, state):
        type(alice).objects.filter(pk=alice.pk).update(first_name="Liddell", last_name="Pleasance")
        new_job(state, mock_mode=False)
        text = page()
        for secret in (
            *(alice.username, alice.email, str(alice.pk), alice.pk.hex, "Liddell", "Pleasance"),
            *(OPERATION, "operations/", "acme-7", "AIza", "raw words"),
        ):
            assert secret not in text

    def test_are_no_field_of_what_is_shown(self):
        """A list of what is allowed: a column added by accident is not on it."""
        shown = {field.name for field in dataclasses.fields(public_jobs.Card)}
        columns = {field.name for field in VideoJob._meta.get_fields()}
        hidden = columns - shown
        assert {"user", "operation", "stage", "video_name", "submitted_at", "events"} <= hidden
        assert not {"user", "user_id", "username", "email", "operation", "detail"} & shown

    def test_are_not_in_a_failed_jobs_reason(self, page, new_job):
        new_job("FAILED")
        assert "The video was held back." in page()


class TestPrompt:
    @pytest.mark.parametrize(
        "prompt",
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "</ul><iframe src=//evil.example>",
            "{{ settings.SECRET_KEY }} {% debug %}",
            "' onmouseover='alert(1)",
        ],
    )
    def test_is_escaped(self, page, new_job, prompt):
        new_job("SUCCEEDED", prompt=prompt)
        text = page()
        assert prompt not in text or "<" not in prompt
        for dangerous in ("<script>", "<img src=x", "<iframe", "' onmouse", "known to everybody"):
            assert dangerous not in text

    def test_is_hidden_where_the_operator_wants_it(self, page, new_job, settings):
        settings.MONITOR_SHOW_PROMPTS = False
        for state in ("SUCCEEDED", "generating", "PENDING"):
            new_job(state, prompt="A private wish")
        text = page()
        assert "A private wish" not in text
        assert "Waiting" in text

    def test_is_all_that_is_hidden_then(self, page, new_job, settings):
        settings.MONITOR_SHOW_PROMPTS = False
        made, failed = new_job("SUCCEEDED", prompt="A wish"), new_job("FAILED", prompt="A wish")
        for path in (PAGES[0], f"{PAGES[0]}/{made.pk}", f"{PAGES[0]}/{failed.pk}"):
            text = page(path)
            assert "A wish" not in text
            assert messages.CREATED in text
        for shown in (made.video_url, made.poster_url, "The video was held back."):
            assert shown in page()

    def test_that_is_missing_is_no_trouble(self, page, new_job):
        new_job(prompt=None)
        assert "None" not in page()


class TestAddress:
    def test_of_a_video_cannot_break_out_of_its_place(self, page, new_job):
        job = new_job("storing")
        url = 'https://x.example/"><script>alert(1)</script>'
        video = stored(job).__class__(name="a", url=url, poster_url=url, bytes=1)
        lifecycle.succeed(job=job, video=video, now=job.created_at)
        assert "<script>" not in page()
