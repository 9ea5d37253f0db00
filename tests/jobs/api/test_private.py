"""`private` on an order and on a job, over HTTP. tests/jobs/monitor/test_private.py tests what the
monitor shows."""

import csv
import json
from typing import Any

import pytest
from django.utils import timezone

from jobs import reruns
from jobs.models import VideoJob, WebhookDelivery
from tests.api import FORM, JOBS, assert_fault, assert_problem, by
from tests.job_states import ENDED, bring, kept
from tests.staff_site import LIST, page_of

JSON, FORMS = "application/json", "application/x-www-form-urlencoded"


@pytest.fixture
def change(client):
    """The answer to a PATCH of the job with this body."""

    def change(job, body, *, client=client, content_type=JSON):
        text = body if isinstance(body, str) else json.dumps(body)
        return client.generic("PATCH", f"{JOBS}/{getattr(job, 'pk', job)}", text, content_type)

    return change


class TestOrder:
    @pytest.mark.parametrize("sent", ["true", " TRUE", "false", None])
    def test_order_is_private_if_it_says_so_in_any_format(self, client, settings, sent):
        settings.VIDEO_MAX_ACTIVE_JOBS = 9
        form = FORM | ({} if sent is None else {"private": sent})
        body = "&".join(f"{name}={value}" for name, value in form.items())
        answers = [client.create(private=sent), client.create_json(private=sent)]
        answers.append(client.send(body.encode(), FORMS))
        assert [each.status_code for each in answers] == [202] * 3
        expected = [str(sent).strip().lower() == "true"] * 3
        assert [each.json()["private"] for each in answers] == expected
        assert [job["private"] for job in client.get(JOBS).json()["jobs"]] == expected

    def test_operator_sets_the_default_and_an_order_overrides_it(self, client, settings):
        settings.VIDEO_DEFAULT_PRIVATE = True
        assert client.create().json()["private"] is True
        assert client.create_json(private=None).json()["private"] is True
        assert client.create_json(private=False).json()["private"] is False

    def test_other_value_is_refused(self, client, nothing_happens):
        values: list[Any] = ["yes", "1", "", 1, 0, [], {}]
        for value in values:
            fault = assert_fault(client.create_json(private=value), field="private")
            assert fault["detail"] == "Private must be 'true' or 'false'", value

    def test_idempotency_compares_it(self, client, settings):
        key = {"Idempotency-Key": "a"}
        first = client.create(headers=key, private="true")
        assert client.create(headers=key, private="TRUE").json()["id"] == first.json()["id"]
        for other in ("false", None):
            assert client.create(headers=key, private=other).status_code == 422
        settings.VIDEO_DEFAULT_PRIVATE = True
        assert client.create(headers=key).json()["id"] == first.json()["id"]


class TestChange:
    @pytest.mark.parametrize("state", ["PENDING", "storing", *ENDED])
    def test_job_is_changed_in_every_state(self, client, new_job, change, state):
        job = new_job(state)
        for private in (True, False):
            before = client.job(job)  # which stores the JSON of an ended job
            answer = change(job, {"private": private})
            assert answer.status_code == 200
            assert answer.json() == client.job(job) == before | {"private": private}
            assert client.get(JOBS).json()["jobs"] == [answer.json()]

    def test_etag_changes_only_with_the_job(self, client, new_job, change):
        job = new_job("SUCCEEDED")
        path = f"{JOBS}/{job.pk}"
        etag = client.get(path)["ETag"]
        changed = change(job, {"private": True})
        assert changed["ETag"] not in (etag, "")
        answer = client.get(path, headers={"If-None-Match": etag})
        assert (answer.status_code, answer["ETag"]) == (200, changed["ETag"])
        assert change(job, {"private": True})["ETag"] == changed["ETag"]
        assert client.get(path, headers={"If-None-Match": changed["ETag"]}).status_code == 304

    def test_text_and_form_are_accepted(self, new_job, change):
        for body, content_type in (('{"private": "TRUE"}', JSON), ("private=true", FORMS)):
            assert change(new_job(), body, content_type=content_type).json()["private"] is True

    def test_other_body_is_refused(self, new_job, change):
        job = new_job()
        for body, field, detail in (
            ({"private": "yes"}, "private", "Private must be 'true' or 'false'"),
            ({"private": None}, "private", "Private must be 'true' or 'false'"),
            ({"private": 1}, "private", "Private must be 'true' or 'false'"),
            ({}, "private", "Private is required"),
            ({"privat": True}, "privat", "Unknown field 'privat': did you mean 'private'?"),
            ({"private": True, "status": "FAILED"}, "status", "Unknown field 'status'"),
        ):
            assert assert_fault(change(job, body), field=field)["detail"] == detail
        assert (kept(job).private, kept(job).version) == (False, job.version)

    def test_body_is_small_and_of_a_known_type(self, new_job, change):
        job = new_job()
        for body in ("{", "[]"):
            assert_fault(change(job, body), code="malformed")
        body = json.dumps({"private": "x" * 1_000_000})
        assert_fault(change(job, body), 413, "too_large")
        answer = change(job, "private", content_type="text/plain")
        detail = assert_fault(answer, 415, "unsupported_media_type")["detail"]
        assert "multipart" not in detail

    def test_only_the_owner_with_a_full_key_changes_it(
        self, client, stranger, anonymous, new_job, change, make_key
    ):
        job = new_job()
        private = {"private": True}
        assert_problem(change(job, private, client=stranger), 404, "not_found")
        assert_problem(change(job, private, client=anonymous), 401, "not_authenticated")
        assert_problem(change(job, private, client=make_key("read")), 403, "read_only_key")
        for path in ("not-a-uuid", "00000000-0000-4000-8000-000000000000"):
            assert_problem(change(path, private), 404, "not_found")
        assert not kept(job).private
        assert change(job, private, client=make_key("full")).json()["private"] is True


@pytest.fixture
def make_key(alice, client):
    """The client of a key of Alice's, with this scope."""

    def make(scope):
        answer = client.post("/api/v1/keys", {"name": scope, "scope": scope}, format="json")
        return by(answer.json()["key"])

    return make


class TestElsewhere:
    def test_webhook_says_it(self, client, settings):
        settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
        client.put("/api/v1/webhook", {"url": "http://127.0.0.1:9/"}, format="json")
        job = VideoJob.objects.get(pk=client.create(private="true").json()["id"])
        bring(job, "SUCCEEDED")
        assert json.loads(WebhookDelivery.objects.get().body)["data"]["private"] is True

    def test_retry_by_staff_is_as_private(self, new_job, member):
        job = new_job("FAILED")
        VideoJob.objects.update(private=True)
        rerun = reruns.retry(
            job=job, actor=member("Operator"), reason="x", charged=False, now=timezone.now()
        )
        assert kept(rerun).private

    def test_staff_see_filter_and_export_it(self, finance, new_job):
        public, hidden = new_job(prompt="An open field"), new_job(prompt="A closed garden")
        VideoJob.objects.filter(pk=hidden.pk).update(private=True)
        assert ">private<" in finance.get(page_of(hidden)).text
        assert ">private<" not in finance.get(page_of(public)).text
        shown = finance.get(f"{LIST}?private__exact=1").text
        assert "A closed garden" in shown
        assert "An open field" not in shown
        selected = {"action": "export", "_selected_action": [str(public.pk), str(hidden.pk)]}
        answer = finance.post(LIST, selected)
        rows = csv.DictReader(b"".join(answer.streaming_content).decode().splitlines())
        assert {row["id"]: row["private"] for row in rows} == {
            str(public.pk): "False",
            str(hidden.pk): "True",
        }
