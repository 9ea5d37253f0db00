"""The fast ways of a poll answer as the slow ones would."""

import pytest
from django.test import RequestFactory
from django.utils import timezone
from rest_framework_simplejwt.authentication import JWTAuthentication

from jobs import estimates
from jobs.api import representation
from jobs.api.serializers import VideoJobSerializer
from jobs.models import JobEvent
from tests.jobs.conftest import JOBS, STATES


class TestRepresentation:
    @pytest.mark.parametrize("state", STATES)
    def test_is_what_the_serializer_says(self, new_job, state):
        job, now = new_job(state), timezone.now()
        request = RequestFactory().get("/")
        positions = estimates.queue_positions([job])
        job.log = JobEvent.objects.filter(job=job, internal=False).order_by("id")
        context = {"request": request, "now": now, "positions": positions}
        assert representation.as_json(
            job=job,
            lines=representation.logs([job])[job.pk],
            position=positions.get(job.pk),
            now=now,
            absolute=request.build_absolute_uri,
        ) == dict(VideoJobSerializer(job, context=context).data)


class TestOwnerAuthentication:
    """Against simplejwt's own, asked for the same user."""

    @pytest.mark.parametrize(
        "spoil",
        [
            {"is_active": False},
            {"password": "changed"},
            {},
        ],
        ids=["deactivated", "changed password", "welcome"],
    )
    def test_refuses_whom_simplejwt_refuses(self, client, new_job, alice, spoil):
        job = new_job()
        for name, value in spoil.items():
            setattr(alice, name, value)
        alice.save()
        fast = client.get(f"{JOBS}/{job.pk}")
        slow = client.get("/api/v1/auth/me")
        assert (fast.status_code == 200) == (slow.status_code == 200) == (not spoil)
        if spoil:
            assert fast.json() == slow.json()

    def test_looks_up_user_and_job_at_once(self, client, new_job, django_assert_num_queries):
        job = new_job("generating")
        with django_assert_num_queries(2):
            client.get(f"{JOBS}/{job.pk}")

    def test_is_simplejwts_where_no_job_is_named(self, client, monkeypatch):
        asked = []
        stock = JWTAuthentication.get_user

        def get_user(self, token):
            asked.append(token)
            return stock(self, token)

        monkeypatch.setattr(JWTAuthentication, "get_user", get_user)
        assert client.get(JOBS).status_code == 200
        assert asked
