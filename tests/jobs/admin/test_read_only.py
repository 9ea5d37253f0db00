"""The jobs' admin is read-only, for superusers too."""

import base64

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.input_images import Image
from jobs.models import IdempotencyKey, JobEvent, JobImage, SubmissionGate, Tally, Tick, VideoJob
from jobs.providers.base import Inputs
from tests.api import Client
from tests.job_states import bring, kept

PIXELS = b"pixels of a private picture " * 9
OURS = [VideoJob, JobEvent, JobImage, IdempotencyKey, SubmissionGate, Tick, Tally]


def address(model, *more):
    return "/".join(["/admin", model._meta.app_label, model._meta.model_name, *map(str, more), ""])


@pytest.fixture
def rows(new_job, client):
    """One row at least of every table."""
    picture = Image(content=PIXELS, width=1, height=1, sha256="1")
    new_job("FAILED", mock_mode=False)
    Tally.objects.create(name="ended", kind="FAILED", value="internal", count=1)
    new_job(inputs=Inputs(initial_image=picture), initial_image=True)
    client.create(headers={"idempotency-key": "key-1"})


@pytest.mark.usefixtures("rows")
class TestAdmin:
    def test_knows_every_table_of_ours(self):
        registered = {model for model in admin.site._registry if model._meta.app_label == "jobs"}
        assert registered == set(OURS)

    @pytest.mark.parametrize("model", OURS)
    def test_lists_the_rows(self, boss, model):
        answer = boss.get(address(model))
        assert answer.status_code == 200
        assert answer.context["cl"].result_count == model.objects.count() > 0

    @pytest.mark.parametrize("model", OURS)
    def test_shows_each_row_and_nothing_to_press(self, boss, model):
        for row in model.objects.all():
            answer = boss.get(address(model, row.pk, "change"))
            assert answer.status_code == 200
            for button in ('name="_save"', 'name="_continue"', "deletelink", "<textarea"):
                assert button not in answer.text

    @pytest.mark.parametrize("model", OURS)
    def test_adds_changes_and_deletes_nothing(self, boss, model):
        before = list(model.objects.order_by("pk").values())
        pk = model.objects.first().pk
        for page in (("add",), (pk, "change"), (pk, "delete")):
            assert boss.post(address(model, *page), {"post": "yes"}).status_code == 403
        assert boss.get(address(model, "add")).status_code == 403
        assert boss.get(address(model, pk, "delete")).status_code == 403
        chosen = {"action": "delete_selected", "_selected_action": [pk], "post": "yes"}
        boss.post(address(model), chosen)
        assert list(model.objects.order_by("pk").values()) == before
        assert "delete_selected" not in boss.get(address(model)).text

    def test_does_not_show_the_pictures(self, boss):
        [row] = JobImage.objects.all()
        job = row.job
        for page in (
            address(JobImage),
            address(JobImage, row.pk, "change"),
            address(VideoJob, job.pk, "change"),
        ):
            text = boss.get(page).text
            assert "pixels of" not in text
            assert base64.b64encode(PIXELS).decode()[:20] not in text

    @pytest.mark.parametrize("by", ["pk", "prompt", "user__username", "user__email"])
    def test_finds_a_job_by_what_staff_would_know(self, boss, new_job, by):
        job = new_job("CANCELLED", prompt="a needle in a haystack")
        term = {"pk": job.pk, "prompt": "needle", "user__username": "alice"}.get(by, "alice@")
        found = boss.get(address(VideoJob), {"q": term}).context["cl"].queryset
        assert job in found

    @pytest.mark.parametrize(
        ("query", "count"),
        [("status__exact=FAILED", 1), ("mock_mode__exact=1", 2), ("error_code=safety.output", 1)],
    )
    def test_filters_the_jobs(self, boss, query, count):
        answer = boss.get(f"{address(VideoJob)}?{query}")
        assert answer.status_code == 200
        assert answer.context["cl"].result_count == count

    def test_shows_staff_what_clients_do_not_see(self, boss, new_job):
        job = new_job("generating", mock_mode=False)
        assert kept(job).operation in boss.get(address(VideoJob, job.pk, "change")).text
        detail = JobEvent.objects.get(internal=True)
        assert "raw words" in boss.get(address(JobEvent, detail.pk, "change")).text

    @pytest.mark.parametrize("prompt", ["<script>alert(1)</script>", '"><img src=x>'])
    def test_escapes_what_users_wrote(self, boss, new_job, prompt):
        job = bring(new_job(prompt=prompt), "CANCELLED")
        for page in (address(VideoJob), address(VideoJob, job.pk, "change")):
            assert prompt not in boss.get(page).text

    @pytest.mark.parametrize("model", [VideoJob, JobEvent])
    def test_takes_as_many_queries_for_many_rows(self, boss, new_job, model):
        few = queries(boss, address(model))
        for _ in range(9):
            new_job("CANCELLED")
        assert queries(boss, address(model)) == few


def queries(client, page):
    """How many queries the page takes."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
    return len(captured)


class TestStaff:
    def test_sees_only_what_it_was_allowed_to(self, alice, new_job):
        new_job()
        alice.is_staff = True
        alice.save()
        browser = Client(raise_request_exception=False)
        browser.force_login(alice)
        assert browser.get(address(VideoJob)).status_code == 403
        alice.user_permissions.add(Permission.objects.get(codename="view_videojob"))
        assert browser.get(address(VideoJob)).status_code == 200
        assert browser.get(address(JobEvent)).status_code == 403
