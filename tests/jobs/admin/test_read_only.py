"""The jobs' admin is read-only, for superusers too."""

import base64

import pytest
from django.contrib import admin

from jobs.input_images import Image
from jobs.models import (
    IdempotencyKey,
    JobEvent,
    JobImage,
    SubmissionGate,
    Tally,
    Tick,
    VideoJob,
    VideoRemoval,
)
from jobs.providers.base import Inputs
from tests.job_states import kept

pytestmark = pytest.mark.slow

PIXELS = b"pixels of a private picture " * 9
OURS = [VideoJob, JobEvent, JobImage, IdempotencyKey, SubmissionGate, Tick, Tally, VideoRemoval]


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
    def test_every_table_is_registered(self):
        registered = {model for model in admin.site._registry if model._meta.app_label == "jobs"}
        assert registered == set(OURS)

    @pytest.mark.both  # pages of every table
    @pytest.mark.parametrize("model", OURS)
    def test_superuser_sees_list_and_rows_but_cannot_add_change_or_delete(self, boss, model):
        listed = boss.get(address(model)).context["cl"]
        assert listed.result_count == model.objects.count() > 0
        for row in model.objects.all():
            answer = boss.get(address(model, row.pk, "change"))
            assert answer.status_code == 200
            for button in ('name="_save"', 'name="_continue"', "deletelink", "<textarea"):
                assert button not in answer.text
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

    def test_no_page_holds_the_bytes_of_a_picture(self, boss):
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

    def test_operation_and_internal_detail_are_shown(self, boss, new_job):
        job = new_job("generating", mock_mode=False)
        assert kept(job).operation in boss.get(address(VideoJob, job.pk, "change")).text
        detail = JobEvent.objects.get(internal=True)
        assert "raw words" in boss.get(address(JobEvent, detail.pk, "change")).text
