"""Google retires a model and has it again, with two web processes, a cluster and PostgreSQL."""

import time
from collections import Counter

import pytest

from tests.client import ApiClient
from tests.fakes import VertexImitation
from tests.live.test_concurrency import at_once
from tests.stack import until

pytestmark = pytest.mark.live

REOPEN = 6  # seconds
FAST, ALIAS = "veo-3.1-fast-generate-preview", "veo-3.1-fast-generate-001"
OTHER = "veo-3.1-generate-preview"
SETTINGS = {
    "VEO_REOPEN_SECONDS": str(REOPEN),
    "VIDEO_MAX_ACTIVE_JOBS": "50",
    "VEO_CREATES_PER_MINUTE": "1000",
}


def real(client, model=FAST):
    return client.create(prompt="A lighthouse", mockMode="false", model=model)


def outcomes(answers):
    return Counter(answer.json().get("code", answer.status_code) for answer in answers)


class TestMissingModel:
    def test_model_ends_and_comes_back(self, stack):
        with VertexImitation(seconds=0.2) as google:
            studio = stack(webs=2, google=google.url, env=SETTINGS)
            users = [studio.user(f"user-{number}", tokens=2000) for number in range(6)]
            elsewhere = [ApiClient(studio.urls[1]) for _ in users]
            for user, other in zip(users, elsewhere, strict=True):
                other.headers = user.headers
            alice, clients = users[0], [*users, *elsewhere]

            google.retired.add(ALIAS)
            job = alice.wait(real(alice).json()["id"])
            assert (job["errorCode"], job["tokensRefunded"]) == ("provider.rejected", 50)
            answers = [real(client, model) for client in clients for model in (FAST, ALIAS)]
            assert outcomes(answers) == {"model_unavailable": 24}
            assert alice.wait(real(alice, OTHER).json()["id"])["status"] == "SUCCEEDED"
            assert alice.tokens() == 2000 - 50

            time.sleep(REOPEN)
            answers = at_once(*[lambda client=client: real(client) for client in clients])
            assert outcomes(answers) == {202: 1, "model_unavailable": 11}
            assert sum(record.model == ALIAS for record in google.records) <= 2

            google.retired.clear()
            assert until(lambda: real(alice).status_code == 202, seconds=3 * REOPEN)
            assert until(lambda: real(alice).status_code == 202, seconds=REOPEN / 2)
            assert outcomes([real(client) for client in clients]) == {202: 12}
            assert studio.sql("SELECT count(*) FROM jobs_unavailablemodel") == [(0,)]
            assert google.errors == []
