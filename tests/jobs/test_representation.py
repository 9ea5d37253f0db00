"""The job as it is written out by hand is what the serializer, and so the documentation, says."""

import pytest
from django.test import RequestFactory
from django.utils import timezone

from jobs import estimates
from jobs.api import representation
from jobs.api.serializers import VideoJobSerializer
from jobs.models import JobEvent
from tests.jobs.conftest import STATES


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
            lines=representation.log_lines([job])[job.pk.hex],
            position=positions.get(job.pk),
            now=now,
            absolute=request.build_absolute_uri,
        ) == dict(VideoJobSerializer(job, context=context).data)
