"""What the monitor may tell, and how seldom it asks for it."""

import dataclasses
import gzip
import multiprocessing
import os
import re
import threading
import time

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from jobs.models import JobEvent, VideoJob
from jobs.monitor import public_jobs, pulse, shared, views
from jobs.monitor.shared import HEAD, Kind, Shared

FORK = multiprocessing.get_context("fork")
ALWAYS = Kind(every=1e-9, queries=0)


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
        assert fields(pulse.Pulse) == {
            *("counts", "oldest_waiting", "waiting_for_veo", "put_off", "throttled", "unstored"),
            *("unanswered", "trouble_since", "failed_lately", "failing_since"),
            *("succeeded_lately", "last_tick"),
        }
        assert fields(pulse.Usual) == {"seconds", "is_mock", "hosts"}

    def test_lines_that_are_for_staff_are_left_out(self, new_job):
        job = new_job()
        JobEvent.objects.create(
            job=job, created_at=timezone.now(), message="for staff alone", internal=True
        )
        card = public_jobs.job(id=job.pk, now=timezone.now())
        assert "for staff alone" not in [line.message for line in card.lines]


def fields(kind):
    return {field.name for field in dataclasses.fields(kind)}


class TestShared:
    def test_has_one_thread_find_out_for_many(self):
        known, found = Shared(), []

        def find_out():
            found.append(1)
            time.sleep(0.1)
            return "news"

        answers = []
        threads = [
            threading.Thread(
                target=lambda: answers.append(known.get("a", Kind(every=60, queries=1), find_out))
            )
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (answers, found) == (["news"] * 20, [1])

    def test_has_one_process_find_out_for_many(self):
        known, found, answers = Shared(), FORK.SimpleQueue(), FORK.SimpleQueue()

        def find_out():
            found.put(os.getpid())
            time.sleep(0.2)
            return "news"

        def ask():
            answers.put(known.get("a", Kind(every=60, queries=1), find_out))

        processes = [FORK.Process(target=ask) for _ in range(4)]
        for process in processes:
            process.start()
        assert [answers.get() for _ in processes] == ["news"] * 4
        for process in processes:
            process.join()
        found.get()
        assert found.empty()

    def test_is_let_go_of_by_a_killed_finder(self):
        known, began = Shared(), FORK.Event()

        def hang():
            began.set()
            time.sleep(60)

        process = FORK.Process(target=lambda: known.get("a", ALWAYS, hang))
        process.start()
        assert began.wait(10)
        process.kill()
        process.join()
        started = time.monotonic()
        assert known.get("a", ALWAYS, lambda: "news") == "news"
        assert time.monotonic() - started < 5

    @pytest.mark.parametrize("spoiled", ["half", "other"])
    def test_reads_nothing_half_written(self, spoiled):
        known = Shared()
        known.get("a", Kind(every=60, queries=1), lambda: "old")
        number, length, check = HEAD.unpack(known._head)
        content = os.pread(known._file, length, HEAD.size)
        content = content[: length // 2] + (b"" if spoiled == "half" else b"?" * length)
        os.ftruncate(known._file, 0)
        os.pwrite(known._file, HEAD.pack(number + 1, length, check) + content, 0)
        assert known.get("a", Kind(every=60, queries=1), lambda: "new") == "old"

    def test_answers_with_what_is_known_while_another_finds_out(self):
        known, began, go_on = Shared(), threading.Event(), threading.Event()
        known.get("a", ALWAYS, lambda: "old")

        def slow():
            began.set()
            go_on.wait(10)
            return "new"

        finder = threading.Thread(target=lambda: known.get("a", ALWAYS, slow))
        finder.start()
        began.wait(10)
        assert known.get("a", ALWAYS, lambda: "third") == "old"
        go_on.set()
        finder.join()

    def test_keeps_to_its_queries_a_second_under_many_keys(self, monkeypatch):
        """Ten minutes of four boards and the figures, on a clock of our own."""
        at = [1000.0]
        monkeypatch.setattr(shared, "monotonic", lambda: at[0])
        known, queries = Shared(), []
        boards = [f"board {n}" for n in range(4)]
        while at[0] < 1600:
            for name in boards:
                known.get(name, views.BOARD, lambda: queries.append(views.BOARD.queries))
            known.get("pulse", views.PULSE, lambda: queries.append(views.PULSE.queries))
            at[0] += 0.1
        assert sum(queries) / 600 <= 2.1

    def test_forgets_what_nobody_looks_at(self):
        known = Shared()
        for number in range(100):
            known.get(f"job {number}", Kind(every=60, queries=1), lambda: "x" * 100)
        assert len(known._read()) == shared.KEPT


@pytest.fixture
def look(anonymous):
    """A look of the page's own, as htmx sends it."""

    def look(path="/video-monitor", **headers):
        return anonymous.get(path, headers={"HX-Request": "true"} | headers)

    views.shared.forget()
    yield look
    views.shared.forget()


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
        assert look(**{"If-None-Match": 'W/"another"'}).status_code == 200

    def test_is_packed_for_who_can_unpack_it(self, look):
        packed = look(**{"Accept-Encoding": "gzip, br"})
        assert packed["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.content) == look().content

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
        assert "The monitor has nothing here" in answer.text

    def test_to_a_page_that_is_no_more_leads_back(self, look, anonymous):
        answer = anonymous.get("/video-monitor?page=999&status=running")
        assert answer.status_code == 200
        assert "No jobs on this page any more" in answer.text

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
        assert "cannot see the jobs" in answer.text


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
