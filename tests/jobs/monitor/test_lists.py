"""What viewers find: rows, search, neighbours, the feed, and what other sites and robots see."""

import re
from datetime import timedelta
from functools import partial

import pytest
from django.core.cache import caches
from django.db import connection
from django.utils import timezone

from jobs.models import VideoJob
from jobs.monitor import figures, public_jobs
from jobs.monitor.masking import masked
from tests import many_jobs
from tests.queries import rows_read_by
from tokens_ledger import ledger

MONITOR = "/video-monitor"


@pytest.fixture
def look(db, anonymous):
    def look(path=MONITOR, status=200):
        caches["monitor"].clear()
        answer = anonymous.get(path)
        assert answer.status_code == status
        return answer

    return look


class TestMask:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("Mail george.miller@private.example now", "Mail [e-mail address] now"),
            ("Call me at +44 7700 900123!", "Call me at [phone number]!"),
            ("(020) 7946-0958-11", "[phone number]"),
            ("0170 123456789", "[phone number]"),
            ("On 2026-11-30 in 1920x1080, 24 fps", "On 2026-11-30 in 1920x1080, 24 fps"),
            ("[[slow:600]] 1990-2000", "[[slow:600]] 1990-2000"),
        ],
    )
    def test_addresses_and_numbers_are_masked(self, text, shown):
        assert masked(text) == shown

    def test_masked_words_are_on_no_page_and_cannot_be_found(self, look, new_job):
        job = new_job("SUCCEEDED", prompt="A kite, call +44 7700 900123 or ann@example.org")
        pages = (MONITOR, f"{MONITOR}/{job.pk}", f"{MONITOR}?view=wall", f"{MONITOR}/feed.atom")
        for path in (*pages, "/", f"{MONITOR}?q=kite"):
            text = look(path).text
            assert "A kite" in text
            assert "900123" not in text
            assert "ann@" not in text
        assert "0 jobs with" in look(f"{MONITOR}?q=ann@example").text


class TestSearch:
    def test_all_words_must_be_in_the_prompt(self, look, new_job, many):
        new_job("SUCCEEDED", prompt="A red fox in snow")
        new_job(prompt="A red kite")
        VideoJob.objects.filter(pk=new_job(prompt="A red herring").pk).update(private=True)
        text = look(f"{MONITOR}?q=RED").text
        assert "2 jobs with" in text
        assert "herring" not in text
        text = look(f"{MONITOR}?q=fox+red").text
        assert "1 job with" in text
        assert "A red kite" not in text

    def test_hidden_prompts_cannot_be_searched(self, look, new_job, settings):
        new_job(prompt="A red kite")
        settings.MONITOR_SHOW_PROMPTS = False
        look(f"{MONITOR}?q=kite", status=404)
        assert 'type="search"' not in look().text

    def test_long_query_and_unknown_view_are_404(self, look):
        look(f"{MONITOR}?q={'x' * 101}", status=404)
        look(f"{MONITOR}?view=nope", status=404)


class TestJob:
    def test_page_links_to_the_next_newer_and_older_public_job(self, look, new_job, many):
        jobs = [new_job("SUCCEEDED", prompt=f"Number {n}") for n in range(4)]
        VideoJob.objects.filter(pk=jobs[1].pk).update(private=True)
        text = look(f"{MONITOR}/{jobs[2].pk}").text
        links = dict(re.findall(r'rel="(prev|next)" href="/video-monitor/([0-9a-f-]+)"', text))
        assert links == {"prev": str(jobs[3].pk), "next": str(jobs[0].pk)}

    def test_job_is_late_after_its_usual_time(self, look, new_job):
        job = new_job("generating")
        VideoJob.objects.filter(pk=job.pk).update(expected_seconds=60)
        assert "longer than usual" not in look().text
        VideoJob.objects.filter(pk=job.pk).update(started_at=timezone.now() - timedelta(minutes=2))
        assert "longer than usual" in look().text

    def test_page_is_not_indexed_and_has_a_preview(self, look, new_job):
        job = new_job("SUCCEEDED", prompt="A red kite")
        page = look(f"{MONITOR}/{job.pk}")
        assert page["X-Robots-Tag"] == "noindex"
        assert f'property="og:video" content="http://testserver{job.video_url}"' in page.text
        assert f'property="og:image" content="http://testserver{job.poster_url}"' in page.text
        assert "X-Robots-Tag" not in look()
        assert look("/robots.txt").text.startswith("User-agent: *")

    def test_time_of_an_earlier_day_has_its_date(self, look, new_job):
        job = new_job("SUCCEEDED")
        ended = timezone.now() - timedelta(days=3)
        VideoJob.objects.filter(pk=job.pk).update(completed_at=ended)
        assert f">{ended.day} {ended:%b %Y, %H:%M} UTC</time>" in look(f"{MONITOR}/{job.pk}").text


class TestFeed:
    def test_feed_lists_the_videos_of_public_jobs(self, look, new_job, many):
        shown, hidden = (new_job("SUCCEEDED", prompt=f"{n} \x07 kite") for n in ("One", "Two"))
        VideoJob.objects.filter(pk=hidden.pk).update(private=True)
        feed = look(f"{MONITOR}/feed.atom")
        assert feed["Content-Type"].startswith("application/atom+xml")
        assert f'href="http://testserver/video-monitor/{shown.pk}"' in feed.text
        assert "One  kite" in feed.text
        assert "Two" not in feed.text


class TestHome:
    def test_front_page_has_a_video_figures_and_three_commands(self, look, new_job):
        job = new_job("SUCCEEDED", prompt="A red kite")
        text = look("/").text
        assert job.video_url in text
        assert "SUCCEEDED, last 24 h" in text
        assert text.count("<pre") == 3
        assert "http://testserver/api/v1/auth/token" in text
        VideoJob.objects.update(private=True)
        assert "A red kite" not in look("/").text


class TestFigures:
    def test_refusals_by_the_safety_filter_do_not_lower_the_success_rate(self, new_job, many):
        new_job("SUCCEEDED")
        new_job("FAILED")
        assert figures.read(now=timezone.now()).success_rate == 100


@pytest.mark.only_on("postgresql")
class TestManyJobs:
    @pytest.fixture(autouse=True)
    def full(self, alice, new_job):
        """4,000 ended jobs of three days, and 2,000 that wait."""
        ledger.grant(user=alice, amount=1_000_000, note="For many")
        database, model = connection.connection, new_job("SUCCEEDED")
        for first in (1, 3_001):
            many_jobs.copies(
                database, model=str(model.pk), owner=alice.pk, first=first, last=first + 2_999
            )
        waiting = list(VideoJob.objects.order_by("created_at").values_list("pk", flat=True)[:2_000])
        VideoJob.objects.filter(pk__in=waiting).update(
            status="PENDING", completed_at=None, next_step_at=timezone.now()
        )
        database.execute("ANALYZE")

    @pytest.mark.parametrize(
        ("read", "most"),
        [
            (partial(public_jobs.videos, most=6), 6 * 3),
            (partial(public_jobs.page, status="", number=1), 24 * 8),
            (partial(public_jobs.prompts, most=20), 60),
        ],
        ids=["videos", "page", "prompts"],
    )
    def test_lists_read_few_rows(self, read, most):
        assert rows_read_by(lambda: read(now=timezone.now())) <= most

    def test_neighbours_read_few_rows(self):
        now = timezone.now()
        [card, *_] = public_jobs.videos(most=1, now=now)
        assert rows_read_by(lambda: public_jobs.neighbours(card=card, now=now)) <= 4
