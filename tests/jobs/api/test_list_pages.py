"""Pages by cursor, and the filters of the list of jobs (contract 3)."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs.models import Status, VideoJob
from tests.api import ID, JOBS, assert_fault

pytestmark = pytest.mark.both  # cursors compare times and ids

FIRST = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
AFTER = "After must be the nextCursor of an earlier response"


@pytest.fixture
def dated(new_job, settings):
    """Creates jobs a minute apart, oldest first; each prompt is the job's number."""
    settings.VIDEO_MAX_ACTIVE_JOBS = 1_000

    def dated(count, status=Status.CANCELLED, step=timedelta(minutes=1)):
        number = VideoJob.objects.count()
        return [
            new_job(status, now=FIRST + step * (number + n), prompt=str(number + n))
            for n in range(count)
        ]

    return dated


@pytest.fixture
def page(client):
    def page(**query):
        answer = client.get(JOBS, query)
        assert answer.status_code == 200, answer.content
        return answer.json()

    return page


def prompts(page):
    return [job["prompt"] for job in page["jobs"]]


@pytest.mark.slow
class TestCursor:
    @pytest.mark.parametrize("step", [timedelta(minutes=1), timedelta(0)])
    def test_pages_return_every_job_once(self, page, dated, step):
        dated(5, step=step)
        dated(4, Status.FAILED, step=step)
        for filters in ({}, {"status_filter": "cancelled,failed"}):
            everything = prompts(page(**filters))
            assert len(everything) == 9
            found: list[str] = []
            cursor: dict[str, str] = {}
            while True:
                part = page(limit=2, **filters, **cursor)
                found += prompts(part)
                assert part["total"] == 9
                assert part["hasMore"] == (part["nextCursor"] is not None)
                if not part["hasMore"]:
                    break
                cursor = {"after": part["nextCursor"]}
            assert found == everything

    def test_next_page_is_unaffected_by_jobs_created_and_deleted_meanwhile(self, page, dated):
        jobs = dated(6)
        first = page(limit=2)
        dated(3)
        jobs[-1].delete()
        jobs[-2].delete()  # the job that the cursor points to
        assert prompts(page(limit=2, after=first["nextCursor"])) == ["3", "2"]

    def test_last_full_page_has_no_cursor(self, page, dated):
        dated(2)
        assert page(limit=2)["nextCursor"] is None

    def test_counted_total_is_that_of_the_first_page(self, page, dated):
        jobs = dated(5)
        first = page(limit=2, created_from="2026-01-15")
        jobs[0].delete()
        second = page(limit=2, created_from="2026-01-15", after=first["nextCursor"])
        assert (first["total"], second["total"]) == (5, 5)

    def test_broken_cursor_is_refused(self, client):
        for text in (
            *("", "x", "%00", "é", "a" * 5000),
            *(
                base64.urlsafe_b64encode(text.encode()).decode()
                for text in (
                    *("{}", "7", "[1,2,3]", "[" * 90, f'["2026-01-15","{ID}",null]'),
                    '["2026-01-15T10:00:00Z","7",null]',
                    f'["2026-01-15T10:00:00Z","{ID}",true]',
                )
            ),
        ):
            fault = assert_fault(client.get(JOBS, {"after": text}), field="after")
            assert fault["detail"] == AFTER, text

    def test_cursor_beyond_the_calendar_is_refused(self, client):
        for moment in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"):
            text = f'["{moment}","{ID}","",null]'
            after = base64.urlsafe_b64encode(text.encode()).decode()
            assert_fault(client.get(JOBS, {"after": after}), field="after")

    def test_cursor_of_other_filters_is_refused(self, client, page, dated):
        dated(3)
        query = {"after": page(limit=1)["nextCursor"], "status_filter": "FAILED"}
        body = assert_fault(client.get(JOBS, query), field="after")
        assert body["detail"] == "After must be the nextCursor of a response to the same filters"

    def test_cursor_with_offset_is_refused(self, client, page, dated):
        dated(2)
        query = {"after": page(limit=1)["nextCursor"], "offset": 1}
        body = assert_fault(client.get(JOBS, query), field="offset", code="invalid")
        assert body["detail"] == "Offset cannot be combined with after"


class TestFilters:
    def test_jobs_of_several_statuses_are_newest_first(self, page, dated):
        dated(2, Status.FAILED)
        dated(2, Status.SUCCEEDED)
        dated(2, Status.CANCELLED)
        dated(1, Status.PENDING)
        found = page(status_filter="failed, Cancelled,PENDING")
        assert (prompts(found), found["total"]) == (["6", "5", "4", "1", "0"], 5)
        found = page(status_filter="failed,cancelled", limit=2, offset=1)
        assert (prompts(found), found["total"]) == (["4", "1"], 4)

    def test_total_follows_each_change_of_a_status(self, page, client, dated):
        [failed] = dated(1, Status.FAILED)
        [job] = dated(1, Status.PENDING)
        assert page(status_filter="pending")["total"] == 1
        client.post(f"{JOBS}/{job.pk}/cancel")
        assert page(status_filter="pending")["total"] == 0
        assert page(status_filter="cancelled")["total"] == 1
        client.delete(f"{JOBS}/{job.pk}")
        client.delete(f"{JOBS}/{failed.pk}")
        assert page(status_filter="cancelled,failed")["total"] == 0

    def test_created_from_is_inclusive_and_created_before_exclusive(self, page, dated):
        dated(5)
        queries: list[tuple[dict[str, Any], list[str]]] = [
            ({"created_from": "2026-01-15T10:32:00Z"}, ["4", "3", "2"]),
            ({"created_before": "2026-01-15T10:32:00Z"}, ["1", "0"]),
            ({"created_from": "2026-01-15T11:32:00+01:00", "limit": 1}, ["4"]),
            ({"created_from": "2026-01-15", "created_before": "2026-01-16"}, list("43210")),
            ({"created_before": "2026-01-15"}, []),
            ({"created_from": "2026-01-15T10:31:00Z", "status_filter": "succeeded"}, []),
        ]
        for query, found in queries:
            answer = page(**query)
            assert prompts(answer) == found, query
            assert answer["total"] == (3 if "limit" in query else len(found))

    @pytest.mark.parametrize("name", ["created_from", "created_before"])
    def test_invalid_date_is_refused(self, client, name):
        for value in ("", "2026-13-01", "2026-01-15T10:30:99Z"):
            body = assert_fault(client.get(JOBS, {name: value}), field=name)
            advice = "a date or a time in ISO 8601, such as 2026-01-15T10:30:00Z (write + as %2B)"
            assert advice in body["detail"]

    def test_client_reference_finds_only_own_jobs(self, client, stranger, page):
        for by, name in [(client, "a"), (client, "b"), (stranger, "a"), (client, " a ")]:
            assert by.create(clientReference=name).status_code == 202
        found = page(client_reference="a")
        assert [job["clientReference"] for job in found["jobs"]] == ["a", "a"]
        assert found["total"] == 2


class TestClientReference:
    def test_missing_reference_is_null(self, client):
        assert client.create().json()["clientReference"] is None
        assert client.create_json(clientReference=None).json()["clientReference"] is None

    def test_invalid_reference_is_refused(self, client):
        for value in ("x" * 256, "a\x00b", 7, ["a"]):
            answer = client.create_json(clientReference=value)
            assert (answer.status_code, answer.json()["field"]) == (400, "clientReference")

    def test_other_reference_under_a_used_key_is_422(self, client):
        key = {"idempotency-key": "k"}
        assert client.create(headers=key, clientReference="a").status_code == 202
        assert client.create(headers=key, clientReference="b").status_code == 422
        assert client.create(headers=key, clientReference="a").status_code == 202
