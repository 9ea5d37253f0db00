"""The monitor's headline: one sentence for each state of the service, shown as one paragraph."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from django.utils import timezone
from django.utils.html import strip_tags

from jobs import failures, lifecycle, model_availability
from jobs.models import HELD, JobEvent, Stage, Status, SubmissionGate, Tick, VideoJob
from jobs.monitor import figures, status_message
from jobs.stats.queries import PERIOD
from tests.browser import MIDDLE, NARROW, screenshot
from tests.job_states import bring
from videostudio.core import formatting

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
AWAY = failures.Failure(code="provider.unavailable", message="Google is away.", detail="")


@pytest.fixture
def now(db):
    """The workers tick on time, and the submission gate is open."""
    now = timezone.now()
    Tick.objects.update(next_at=now + PERIOD)
    SubmissionGate.objects.update(opens_at=now - HOUR)
    return now


# ---- The states, each brought about by a function of its own ----


def is_quiet(new_job, now):
    pass


def has_a_new_job(new_job, now):
    new_job()


def holds_a_job(new_job, now):
    VideoJob.objects.filter(pk=new_job().pk).update(next_step_at=HELD)


def makes_a_video(new_job, now):
    new_job(Stage.GENERATING)


def makes_two_videos(new_job, now):
    new_job(Stage.GENERATING)
    new_job(Stage.GENERATING)


def has_silent_workers(new_job, now):
    Tick.objects.update(next_at=now - HOUR + PERIOD)


def has_silent_workers_and_a_job(new_job, now):
    new_job()
    has_silent_workers(new_job, now)


def has_never_had_workers(new_job, now):
    new_job()
    Tick.objects.update(next_at=datetime(2000, 1, 1, tzinfo=UTC))  # as migrations insert it


def cannot_reach_google(new_job, now):
    for _ in range(2):
        fails_once(new_job(mock_mode=False), now, internal=False, level="warning")


def is_throttled_by_google(new_job, now):
    cannot_reach_google(new_job, now)
    SubmissionGate.objects.update(opens_at=now + HOUR)


def cannot_store(new_job, now):
    fails_once(new_job(Stage.STORING, now=now - 2 * HOUR), now)


def hears_nothing_from_google(new_job, now):
    fails_once(new_job(Stage.GENERATING, now=now - 2 * HOUR), now)


def mostly_fails(new_job, now):
    for _ in range(3):
        job = new_job(Stage.STORING, now=now)
        lifecycle.fail(job=job, failure=AWAY, now=now)


def has_more_jobs_than_google_takes(new_job, now):
    new_job(mock_mode=False, now=now - HOUR)


def misses_a_model(new_job, now):
    since = now - HOUR
    model_availability.close(google_id="veo-3.1-lite-generate-001", cause="404", now=since)


def misses_a_model_and_has_silent_workers(new_job, now):
    has_silent_workers(new_job, now)
    misses_a_model(new_job, now)


def fails_once(job, now, *, internal=True, level="info"):
    VideoJob.objects.filter(pk=job.pk).update(failure_count=2)
    JobEvent.objects.create(
        job=job, created_at=now - HOUR, level=level, message="Failed", internal=internal
    )


State = Callable[..., None]
MISSING = (
    "Google has not offered veo-3.1-lite-generate-001 since {hour_ago}: new orders of it are "
    "refused, and nothing is charged."
)
STATES: dict[State, tuple[str, str]] = {
    is_quiet: ("ok", "All is well: no videos in progress."),
    has_a_new_job: ("ok", "All is well: the next video is about to start."),
    holds_a_job: ("ok", "All is well: no videos in progress."),
    makes_a_video: ("ok", "All is well: 1 video in progress."),
    makes_two_videos: ("ok", "All is well: 2 videos in progress."),
    has_silent_workers: (
        "problem",
        (
            "The workers have not responded since {hour_ago}. No tokens are lost: the jobs "
            "continue when the workers are back."
        ),
    ),
    has_silent_workers_and_a_job: (
        "problem",
        (
            "The workers have not responded since {hour_ago}; 1 job waits for them. No tokens are "
            "lost: the jobs continue when the workers are back."
        ),
    ),
    has_never_had_workers: (
        "problem",
        "The workers have not been started yet; 1 job waits for them.",
    ),
    is_throttled_by_google: (
        "problem",
        (
            "Google has been answering “too many requests” since {hour_ago}; 2 jobs wait; no "
            "tokens are lost."
        ),
    ),
    cannot_reach_google: (
        "problem",
        "Google Veo has not been available since {hour_ago}; 2 jobs wait; no tokens are lost.",
    ),
    cannot_store: (
        "problem",
        (
            "Storing finished videos has failed since {hour_ago}; 1 job waits to be tried again; "
            "no tokens are lost."
        ),
    ),
    hears_nothing_from_google: (
        "problem",
        (
            "Google has not reported the progress of its videos since {hour_ago}; 1 job waits for "
            "the answer; no tokens are lost."
        ),
    ),
    mostly_fails: (
        "problem",
        (
            "Most videos have failed since {now}; 3 jobs failed in the last 15 minutes; "
            "their tokens were refunded."
        ),
    ),
    misses_a_model: ("problem", MISSING),
    misses_a_model_and_has_silent_workers: (
        "problem",
        (
            "The workers have not responded since {hour_ago}. No tokens are lost: the jobs "
            f"continue when the workers are back. {MISSING}"
        ),
    ),
    has_more_jobs_than_google_takes: (
        "busy",
        (
            "More videos are ordered than Google can make at once: 1 job waits, the oldest "
            "since {hour_ago}."
        ),
    ),
}


def expected(state, now):
    severity, text = STATES[state]
    times = {"now": now, "hour_ago": now - HOUR}
    return severity, text.format(**{name: formatting.clock(at, now) for name, at in times.items()})


def headline(now):
    found = status_message.service_status(figures.read(now=now), now=now)
    return found.severity, strip_tags(found.text)


class TestSentence:
    @pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
    def test_sentence_describes_the_state(self, now, new_job, state):
        state(new_job, now)
        assert headline(now) == expected(state, now)

    def test_thousands_have_a_comma(self, now, new_job):
        many = figures.read(now=now)
        many = replace(many, counts={**many.counts, Status.RUNNING: 1_234_567})
        text = status_message.service_status(many, now=now).text
        assert text == "All is well: 1,234,567 videos in progress."

    def test_refunds_are_not_mentioned_where_they_are_turned_off(self, now, new_job, settings):
        settings.VIDEO_REFUND_FAILED_JOBS = False
        mostly_fails(new_job, now)
        assert headline(now)[1].endswith("3 jobs failed in the last 15 minutes.")

    def test_model_that_is_missing_for_days_has_a_date(self, now, new_job):
        misses_a_model(new_job, now - 4 * 24 * HOUR)
        assert f"since {formatting.clock(now - 97 * HOUR, now)}: new orders" in headline(now)[1]

    def test_refusals_by_the_safety_filter_are_ignored(self, now, new_job):
        for _ in range(3):
            bring(new_job(now=now), Status.FAILED, now=now)
        assert headline(now)[0] == "ok"


# Where each line of each piece of text lies: a paragraph goes from left to right, then down.
LINES = """paragraph => {
    const walker = document.createTreeWalker(paragraph, NodeFilter.SHOW_TEXT);
    const lines = [];
    while (walker.nextNode()) {
        const range = document.createRange();
        range.selectNodeContents(walker.currentNode);
        for (const {left, right, top, bottom} of range.getClientRects())
            lines.push({left, right, top, bottom});
    }
    return lines;
}"""


@pytest.fixture
def open_monitor(open_page, anonymous):
    """The monitor in Chromium, answered by this process, since only it sees what its test changed.

    Its scripts do not run: they would ask for the live part, outside the test's transaction.
    """

    def open_monitor(**options):
        monitor = anonymous.get("/video-monitor")

        def answer(route):
            path = urlsplit(route.request.url).path
            found = monitor if path == "/video-monitor" else anonymous.get(path)
            headers = dict(found.items())
            route.fulfill(status=found.status_code, headers=headers, body=found.getvalue())

        page = open_page(javascript=False, base_url="http://localhost", **options)
        page.route("**/*", answer)
        page.goto("/video-monitor")
        return page

    return open_monitor


@pytest.mark.once
class TestHeadline:
    @pytest.mark.parametrize(
        "state",
        [is_quiet, hears_nothing_from_google, has_more_jobs_than_google_takes],
        ids=lambda state: state.__name__,
    )
    def test_headline_is_one_paragraph_in_each_state(self, now, new_job, open_monitor, state):
        state(new_job, now)
        page = open_monitor(width=MIDDLE)
        sentence = page.locator(".sentence")
        assert sentence.inner_text() == expected(state, now)[1]
        for width in (MIDDLE, NARROW):
            page.set_viewport_size({"width": width, "height": 900})
            screenshot(page, f"monitor-{state.__name__}-{width}", whole=False)
            lines = sentence.evaluate(LINES)
            for before, after in itertools.pairwise(lines):
                goes_on_to_the_right = after["left"] >= before["right"] - 1
                assert goes_on_to_the_right or after["top"] >= before["bottom"] - 1, lines
            assert lines[-1]["bottom"] - lines[0]["top"] < 260, "the sentence is too tall"
