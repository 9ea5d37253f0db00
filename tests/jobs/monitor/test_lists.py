"""What viewers find: rows, search, neighbours, the feed, and what other sites and robots see."""

import re
import time
from datetime import timedelta
from functools import partial

import pytest
from django.core.cache import caches
from django.db import connection
from django.utils import timezone
from django.utils.http import http_date

from jobs.models import VideoJob
from jobs.monitor import figures, public_jobs, rendering
from jobs.monitor.masking import masked
from tests import many_jobs
from tests.queries import rows_read_by
from tokens_ledger import ledger

pytestmark = pytest.mark.both  # its search

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
    def test_addresses_and_numbers_are_masked(self):
        for text, shown in (
            ("Mail george.miller@private.example now", "Mail [e-mail address] now"),
            ("Call me at +44 7700 900123!", "Call me at [phone number]!"),
            ("(020) 7946-0958-11", "[phone number]"),
            ("0170 123456789", "[phone number]"),
            ("On 2026-11-30 in 1920x1080, 24 fps", "On 2026-11-30 in 1920x1080, 24 fps"),
            ("[[slow:600]] 1990-2000", "[[slow:600]] 1990-2000"),
            ("+442079460958x12", "[phone number]"),
            ("1 (800) 555-0123 ext. 4", "[phone number]"),
            ("call 212 555 0123 or 555 0199", "call [phone number] or 555 0199"),
            ("dial 555 0123 or 555-0199", "dial [phone number] or [phone number]"),
            ("in 2026 020 7946 0958", "in 2026 [phone number]"),
            ("49 171 1234567, 44-20-7946-0958", "[phone number], [phone number]"),
            ("'o'brien@private.example'", "'[e-mail address]'"),
            ("bob\uff20private.example", "[e-mail address]"),
        ):
            assert masked(text) == shown

    def test_number_with_any_separator_is_masked(self):
        for gap in (
            *("\u2011", "\u2013", "\u2009", "\u00a0", "\u200b", "\n", "\r\n  ", " (0)", " / "),
        ):
            assert masked(f"Call +44{gap}7700{gap}900123!") == "Call [phone number]!", gap

    def test_other_numbers_are_shown(self):
        for text in (
            "24 35 50 85 135 mm lenses",
            "years 1990 1995 2000, or 1990-1995-2000",
            "render at 1920 1080 4096 on 2026-11-30 12:00, seed 123456789",
            "at 512 1024 on 2026-11-30 1200 1300, and 01/02/2026 12:00",
            "0.5 0.25 0.125 0.0625 weights",
            "Seed: 4294967295, 192.168.100.200",
        ):
            assert masked(text) == text

    @pytest.mark.parametrize(
        "part", ["+1 ", "01 ", "9", "123 456 ", "12-", "12.34.", "(12) ", "+     ", "o'", "a@a."]
    )
    def test_time_is_linear_in_the_length(self, part):
        text = f"{part * 100_000}"[:100_000] + "x"
        before = time.process_time()
        masked(text)
        assert time.process_time() - before < 3

    def test_masked_words_are_on_no_page_and_cannot_be_found(self, look, new_job):
        job = new_job("SUCCEEDED", prompt="A kite, call +44 7700 900123 or ann@example.org")
        pages = (MONITOR, f"{MONITOR}/{job.pk}", f"{MONITOR}?view=wall", f"{MONITOR}/feed.atom")
        for path in (*pages, "/", f"{MONITOR}?q=kite"):
            text = look(path).text
            assert "A kite" in text
            assert "900123" not in text
            assert "ann@" not in text
        assert "0 of the newest jobs have" in look(f"{MONITOR}?q=ann@example").text


class TestSearch:
    def test_all_words_must_be_in_the_prompt(self, look, new_job, many):
        new_job("SUCCEEDED", prompt="A red fox in snow")
        new_job(prompt="A red kite")
        VideoJob.objects.filter(pk=new_job(prompt="A red herring").pk).update(private=True)
        text = look(f"{MONITOR}?q=RED").text
        assert "2 of the newest jobs have" in text
        assert "herring" not in text
        text = look(f"{MONITOR}?q=fox+red").text
        assert "1 of the newest jobs has" in text
        assert "A red kite" not in text

    def test_job_that_became_private_or_was_deleted_is_not_counted(self, look, anonymous, new_job):
        jobs = [new_job(prompt=f"A red kite {number}") for number in range(3)]
        assert "3 of the newest jobs have" in look(f"{MONITOR}?q=kite").text
        VideoJob.objects.filter(pk=jobs[0].pk).update(private=True)
        VideoJob.objects.filter(pk=jobs[1].pk).delete()
        # The process still has the three prompts in its cache.
        assert "1 of the newest jobs has" in anonymous.get(f"{MONITOR}?q=kite").text

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

    def test_unchanged_feed_is_304(self, look, anonymous, new_job):
        new_job("SUCCEEDED")
        zipped = {"Accept-Encoding": "gzip"}
        etag = anonymous.get(f"{MONITOR}/feed.atom", headers=zipped)["ETag"]
        known = zipped | {"If-None-Match": etag}
        assert anonymous.get(f"{MONITOR}/feed.atom", headers=known).status_code == 304

    def test_feed_without_a_video_that_became_private_is_not_304(self, look, anonymous, new_job):
        new_job("SUCCEEDED", prompt="A red fox")
        hidden = new_job("SUCCEEDED", prompt="A red kite")
        before = look(f"{MONITOR}/feed.atom")
        assert before["Cache-Control"] == "no-cache"
        VideoJob.objects.filter(pk=hidden.pk).update(private=True)
        caches["monitor"].clear()
        known = {"If-Modified-Since": before.get("Last-Modified", http_date())}
        after = anonymous.get(f"{MONITOR}/feed.atom", headers=known)
        assert after.status_code == 200
        assert "kite" not in after.text

    def test_feed_has_the_author_that_atom_requires(self, look):
        author = "<author><name>Video Studio</name></author>"
        assert author in look(f"{MONITOR}/feed.atom").text


class TestHome:
    def test_front_page_without_javascript_does_not_claim_to_refresh(self, look):
        assert "Refreshes automatically" in look().text
        for text in ("Refreshes automatically", 'http-equiv="refresh"'):
            assert text not in look("/").text

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

    @pytest.mark.parametrize("status", ["", "PENDING"])
    def test_page_after_the_last_one_reads_no_job(self, status):
        board = partial(rendering.board, status=status, now=timezone.now())
        caches["monitor"].clear()
        board(number=1)  # the figures are cached now
        assert rows_read_by(lambda: board(number=999_999)) == 0

    def test_neighbours_read_few_rows(self):
        now = timezone.now()
        [card, *_] = public_jobs.videos(most=1, now=now)
        assert rows_read_by(lambda: public_jobs.neighbours(card=card, now=now)) <= 4
