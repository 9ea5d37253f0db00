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


class TestPublicFields:
    """A column added later is on no page until somebody writes it here."""

    def test_card_has_only_public_fields(self):
        assert fields(public_jobs.Card) == {
            *("id", "prompt", "negative_prompt", "model", "aspect_ratio", "options"),
            *("status", "ended", "status_message"),
            *("progress_percentage", "seconds_left", "late", "before_it", "error_message"),
            *("video_url", "poster_url", "small_poster_url"),
            *("created_at", "started_at", "completed_at"),
            *("lines", "earlier_lines"),
        }

    def test_line_has_only_public_fields(self):
        assert fields(public_jobs.Line) == {"at", "level", "message"}

    def test_only_public_columns_are_read(self):
        assert set(public_jobs.COLUMNS) == {
            *("id", "prompt", "model", "resolution", "aspect_ratio", "duration_seconds"),
            *("negative_prompt", "seed"),
            *("generate_audio", "mock_mode", "status", "status_message", "progress_percentage"),
            *("error_message", "video_url", "poster_url", "created_at", "started_at"),
            *("completed_at", "expected_seconds", "stage"),
        }

    def test_figures_have_only_public_fields(self):
        assert fields(figures.Figures) == {
            *("counts", "private", "oldest_pending", "pending_for_veo", "submit_retries"),
            *("poll_retries", "store_retries", "retrying_since", "throttled", "failures"),
            *(
                "recent_failures",
                "failing_since",
                "recent_successes",
                "workers_alive",
                "last_tick",
                "missing_models",
            ),
        }
        assert fields(figures.TypicalRun) == {"seconds", "is_mock", "hosts"}

    def test_internal_lines_are_left_out(self, new_job):
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
import json, threading, time
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

lists = [f"/video-monitor?status={status}" for status in ("FAILED", "SUCCEEDED")]
for paths in (["/video-monitor"] * 20, lists * 10):
    viewers = [threading.Thread(target=look, args=[path]) for path in paths]
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.join()
    print(json.dumps([Counter(statuses), len(statements)]))
    statements.clear(), statuses.clear()
    time.sleep(2.5)  # until the figures are read again
"""


@pytest.mark.live
class TestStorm:
    def test_twenty_concurrent_viewers_take_the_queries_of_one(self, stack):
        """Without jobs: 3 queries for the figures, 2 for the typical run, 2 for the jobs of page 1.

        The list of an ended status shows no active jobs.
        """
        shell = stack(webs=0, clusters=0).manage("shell", "--verbosity", 0, "-c", STORM)
        all_jobs, two_lists = [json.loads(line) for line in shell.stdout.splitlines()[-2:]]
        assert all_jobs == [{"200": 20}, 7]
        assert two_lists == [{"200": 20}, 5]


@pytest.fixture
def look(db, anonymous):
    """A look of the page's own, as htmx sends it."""

    def look(path="/video-monitor", **headers):
        return anonymous.get(path, headers={"HX-Request": "true"} | headers)

    return look


class TestAnswer:
    def test_htmx_request_gets_the_live_part_alone(self, look):
        answer = look()
        assert answer.status_code == 200
        assert answer.text.startswith('<div id="state"')
        assert "<html" not in answer.text

    def test_known_etag_gets_304(self, look):
        etag = look()["ETag"]
        answer = look(**{"If-None-Match": etag})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer["ETag"] == etag
        assert {"HX-Request", "Accept-Encoding"} <= set(re.split(r", *", answer["Vary"]))
        assert answer["Cache-Control"] == "no-cache"
        assert look(**{"If-None-Match": 'W/"another"'}).status_code == 200

    def test_answer_is_gzipped_where_accepted(self, look, anonymous):
        for get in (look, lambda **headers: anonymous.get("/video-monitor", headers=headers)):
            packed = get(**{"Accept-Encoding": "gzip, br"})
            assert packed["Content-Encoding"] == "gzip"
            assert packed["Content-Length"] == str(len(packed.content))
            assert {"HX-Request", "Accept-Encoding"} <= set(re.split(r", *", packed["Vary"]))
            assert packed["Cache-Control"] == "no-cache"
            assert gzip.decompress(packed.content) == get().content

    def test_etag_is_weak_and_independent_of_compression(self, look):
        etags = {look(**{"Accept-Encoding": coding})["ETag"] for coding in ("gzip", "identity")}
        assert len(etags) == 1
        assert etags.pop().startswith('W/"')

    def test_found_at_is_the_time_of_computation(self, look):
        assert abs(float(look()["Found-At"]) - timezone.now().timestamp()) < 60

    def test_page_has_no_cookie_and_csrf_token(self, look, anonymous):
        answer = anonymous.get("/video-monitor")
        assert not answer.cookies
        assert "csrf" not in answer.text

    @pytest.mark.parametrize(
        "query",
        [
            *("page=0", "page=x", "page=", "page=99999999", "page=%00", "page=%D9%A3"),
            *("status=NOPE", "status=running%00"),
        ],
    )
    def test_invalid_query_is_a_404_page(self, look, anonymous, query):
        answer = anonymous.get(f"/video-monitor?{query}")
        assert answer.status_code == 404
        assert "Nothing found on the monitor" in answer.text

    def test_page_beyond_the_last_links_back(self, look, anonymous):
        answer = anonymous.get("/video-monitor?page=999&status=running")
        assert answer.status_code == 200
        assert "There are no more jobs on this page" in answer.text

    @pytest.mark.parametrize(
        "path", ["/video-monitor", f"/video-monitor/{'0' * 8}-0000-4000-8000-{'0' * 12}"]
    )
    def test_database_error_is_503_and_reloads(self, look, anonymous, path):
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
    def test_policy_allows_only_own_files(self, look, anonymous, new_job):
        new_job("SUCCEEDED")
        policy = directives(anonymous.get("/video-monitor"))
        assert policy["default-src"] == ["'none'"]
        assert policy["script-src"] == policy["style-src"] == ["'self'"]
        assert "unsafe" not in str(policy)
        assert not re.search(r"https?:", str(policy))

    def test_policy_allows_the_host_of_a_video(self, look, anonymous, new_job):
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
