"""What the monitor may show, and how few queries it needs."""

import dataclasses
import gzip
import json
import re

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from jobs.models import JobEvent, VideoJob
from jobs.monitor import figures, public_jobs


class TestAllowed:
    """A column added later is on no page until somebody writes it here."""

    def test_fields_of_a_card(self):
        assert fields(public_jobs.Card) == {
            *("id", "prompt", "model", "resolution", "aspect_ratio", "duration_seconds"),
            *("with_sound", "is_mock", "status", "ended", "status_message"),
            *("progress_percentage", "seconds_left", "before_it", "error_message"),
            *("video_url", "poster_url", "created_at", "started_at", "completed_at"),
            *("lines", "earlier_lines"),
        }

    def test_fields_of_a_line(self):
        assert fields(public_jobs.Line) == {"at", "level", "message"}

    def test_columns_that_are_read(self):
        assert set(public_jobs.COLUMNS) == {
            *("id", "prompt", "model", "resolution", "aspect_ratio", "duration_seconds"),
            *("generate_audio", "mock_mode", "status", "status_message", "progress_percentage"),
            *("error_message", "video_url", "poster_url", "created_at", "started_at"),
            *("completed_at", "expected_seconds", "stage"),
        }

    def test_fields_of_the_figures(self):
        assert fields(figures.Figures) == {
            *("counts", "oldest_pending", "pending_for_veo", "submit_retries", "poll_retries"),
            *("store_retries", "retrying_since", "throttled", "recent_failures", "failing_since"),
            *("recent_successes", "workers_alive", "last_tick"),
        }
        assert fields(figures.TypicalRun) == {"seconds", "is_mock", "hosts"}

    def test_lines_that_are_for_staff_are_left_out(self, new_job):
        job = new_job()
        JobEvent.objects.create(
            job=job, created_at=timezone.now(), message="for staff alone", internal=True
        )
        card = public_jobs.job(id=job.pk, now=timezone.now())
        assert "for staff alone" not in [line.message for line in card.lines]


def fields(kind):
    return {field.name for field in dataclasses.fields(kind)}


# Twenty viewers open pages that no thread has computed yet, each on a connection of its own.
STORM = """
import json, threading
from collections import Counter
from django.db import connection
from django.test import Client

statements, statuses = [], []
start = threading.Barrier(20)

def write_down(execute, sql, *arguments):
    statements.append(sql)
    return execute(sql, *arguments)

def look(path):
    connection.ensure_connection()  # what a new connection asks first is not counted
    with connection.execute_wrapper(write_down):
        start.wait()
        statuses.append(Client().get(path).status_code)
    connection.close()

for paths in (["/video-monitor"] * 20, [f"/video-monitor?page={n % 2 + 2}" for n in range(20)]):
    viewers = [threading.Thread(target=look, args=[path]) for path in paths]
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.join()
    print(json.dumps([Counter(statuses), len(statements)]))
    statements.clear(), statuses.clear()
"""


@pytest.mark.live
class TestStorm:
    def test_of_viewers_costs_the_queries_of_one(self, stack):
        """Without jobs: 2 queries for the figures, 2 for the typical run, 1 for the jobs."""
        shell = stack(webs=0, clusters=0).manage("shell", "--verbosity", 0, "-c", STORM)
        one_page, two_pages = [json.loads(line) for line in shell.stdout.splitlines()[-2:]]
        assert one_page == [{"200": 20}, 5]
        assert two_pages == [{"200": 20}, 2]


@pytest.fixture
def look(db, anonymous):
    """A look of the page's own, as htmx sends it."""

    def look(path="/video-monitor", **headers):
        return anonymous.get(path, headers={"HX-Request": "true"} | headers)

    return look


class TestAnswer:
    def test_to_a_look_is_the_live_part_alone(self, look):
        answer = look()
        assert answer.status_code == 200
        assert answer.text.startswith('<div id="state"')
        assert "<html" not in answer.text

    def test_to_who_knows_it_is_304(self, look):
        etag = look()["ETag"]
        answer = look(**{"If-None-Match": etag})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer["ETag"] == etag
        assert {"HX-Request", "Accept-Encoding"} <= set(re.split(r", *", answer["Vary"]))
        assert answer["Cache-Control"] == "no-cache"
        assert look(**{"If-None-Match": 'W/"another"'}).status_code == 200

    def test_is_packed_for_who_can_unpack_it(self, look):
        packed = look(**{"Accept-Encoding": "gzip, br"})
        assert packed["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.content) == look().content

    def test_has_a_weak_etag_which_compression_does_not_change(self, look):
        etags = {look(**{"Accept-Encoding": coding})["ETag"] for coding in ("gzip", "identity")}
        assert len(etags) == 1
        assert etags.pop().startswith('W/"')

    def test_tells_when_it_was_computed(self, look):
        assert abs(float(look()["Found-At"]) - timezone.now().timestamp()) < 60

    def test_is_packed_as_a_whole_page_too(self, look, anonymous):
        packed = anonymous.get("/video-monitor", headers={"Accept-Encoding": "gzip, br"})
        assert packed["Content-Encoding"] == "gzip"
        assert packed["Content-Length"] == str(len(packed.content))
        assert gzip.decompress(packed.content) == anonymous.get("/video-monitor").content

    def test_holds_no_secret_that_its_length_could_reveal(self, look, anonymous):
        answer = anonymous.get("/video-monitor")
        assert not answer.cookies
        assert "csrf" not in answer.text

    def test_says_what_it_depends_on(self, look, anonymous):
        for answer in (look(), anonymous.get("/video-monitor")):
            assert {"HX-Request", "Accept-Encoding"} <= set(re.split(r", *", answer["Vary"]))
            assert answer["Cache-Control"] == "no-cache"

    def test_to_head_is_a_head(self, look, anonymous):
        answer = anonymous.head("/video-monitor")
        assert (answer.status_code, answer.content) == (200, b"")

    @pytest.mark.parametrize(
        "query",
        [
            *("page=0", "page=-1", "page=x", "page=1e3", "page=", "page=99999999", "page=%00"),
            *("status=NOPE", "status=%27%3B--", "status=running%00", "page=%D9%A3"),
        ],
    )
    def test_to_nonsense_is_a_page_that_says_so(self, look, anonymous, query):
        answer = anonymous.get(f"/video-monitor?{query}")
        assert answer.status_code == 404
        assert "Nothing found on the monitor" in answer.text

    def test_to_a_page_that_is_no_more_leads_back(self, look, anonymous):
        answer = anonymous.get("/video-monitor?page=999&status=running")
        assert answer.status_code == 200
        assert "There are no more jobs on this page" in answer.text

    @pytest.mark.parametrize(
        "path", ["/video-monitor", f"/video-monitor/{'0' * 8}-0000-4000-8000-{'0' * 12}"]
    )
    def test_without_a_database_is_503(self, look, anonymous, path):
        def away(*arguments):
            raise OperationalError("connection refused")

        with connection.execute_wrapper(away):
            answer = anonymous.get(path)
        assert answer.status_code == 503
        assert answer["Retry-After"] == "5"
        assert "The database does not answer." in answer.text
        assert '<meta http-equiv="refresh" content="5">' in answer.text
        assert anonymous.get(path).status_code != 503


class TestPolicy:
    def test_lets_in_nothing_but_files_of_ours(self, look, anonymous, new_job):
        new_job("SUCCEEDED")
        policy = directives(anonymous.get("/video-monitor"))
        assert policy["default-src"] == ["'none'"]
        assert policy["script-src"] == policy["style-src"] == ["'self'"]
        assert "unsafe" not in str(policy)
        assert not re.search(r"https?:", str(policy))

    def test_lets_in_the_host_of_a_video(self, look, anonymous, new_job):
        job = new_job("SUCCEEDED")
        url = "https://videos.example.com/a/b"
        VideoJob.objects.filter(pk=job.pk).update(
            video_url=f"{url}.mp4", poster_url=f"{url}.jpg", mock_mode=False
        )
        policy = directives(anonymous.get("/video-monitor"))
        for kind in ("media-src", "img-src", "connect-src"):
            assert "https://videos.example.com" in policy[kind]
        assert policy["script-src"] == policy["style-src"] == ["'self'"]


def directives(answer):
    parts = [part.split() for part in answer["Content-Security-Policy"].split(";")]
    return {name: values for name, *values in parts}
