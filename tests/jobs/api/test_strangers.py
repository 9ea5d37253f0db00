"""Another user's job answers 404 on every path."""

from itertools import product

import pytest
from django.urls import URLPattern

from jobs.api.urls import router
from jobs.input_images import Image
from jobs.providers.base import Inputs
from tests.api import ID, JOBS, TOKENS, assert_problem

PATHS = {
    "video-job-detail": [("get", ""), ("head", ""), ("delete", "")],
    "video-job-cancel": [("post", "/cancel")],
    "video-job-video": [("delete", "/video")],
    "video-job-download": [("get", "/download"), ("head", "/download/")],
}
EVERY_PATH = [each for row in PATHS.values() for each in row]


def but_for_its_id(answer):
    """The answer's headers without the one that tells it from all others."""
    return {name: value for name, value in answer.items() if name != "X-Request-ID"}


PICTURES = Inputs(initial_image=Image(content=b"x", width=1, height=1))


class TestStranger:
    def test_every_path_of_a_job_is_tested(self):
        routes = [route for route in router.urls if isinstance(route, URLPattern)]
        named = {route.name for route in routes if "pk" in route.pattern.regex.groupindex}
        assert named == set(PATHS)

    @pytest.mark.parametrize("state", ["PENDING", "generating", "SUCCEEDED"])
    def test_job_of_another_user_is_404_and_unchanged(self, client, stranger, new_job, state):
        job = new_job(state, inputs=PICTURES, initial_image=True)
        before = client.job(job)
        for method, path in EVERY_PATH:
            answer = getattr(stranger, method)(f"{JOBS}/{job.pk}{path}")
            assert answer.status_code == 404, (method, path)
            if method != "head":
                assert_problem(answer, 404, "not_found")
            assert "ETag" not in answer
            assert client.job(job) == before

    def test_404_is_the_same_for_other_and_unknown_jobs(self, stranger, new_job):
        job = new_job()
        for method, path in EVERY_PATH:
            theirs, none = (getattr(stranger, method)(f"{JOBS}/{id}{path}") for id in (job.pk, ID))
            assert theirs.content == none.content
            assert but_for_its_id(theirs) == but_for_its_id(none)

    def test_known_etag_of_another_users_job_is_404(self, client, stranger, new_job):
        job = new_job()
        tag = client.get(f"{JOBS}/{job.pk}")["ETag"]
        answer = stranger.get(f"{JOBS}/{job.pk}", headers={"if-none-match": tag})
        assert answer.status_code == 404

    def test_tokens_of_other_users_are_not_shown(self, client, stranger, new_job):
        new_job()
        assert stranger.get("/api/v1/tokens").json()["availableTokens"] == TOKENS
        [entry] = stranger.get("/api/v1/tokens/entries").json()["entries"]
        assert entry["kind"] == "grant"

    def test_customer_is_sent_to_the_admin_login(self, stranger, bob, new_job):
        new_job()
        stranger.force_login(bob)
        for page in ("", "overview/", "jobs/videojob/"):
            answer = stranger.get(f"/admin/{page}")
            assert answer.status_code == 302
            assert answer["Location"].startswith("/admin/login/")


class TestNobody:
    def test_anonymous_is_401_for_known_and_unknown_jobs(self, client, anonymous, new_job):
        job = new_job()
        for id, (method, path) in product((job.pk, ID, "nonsense"), EVERY_PATH):
            assert getattr(anonymous, method)(f"{JOBS}/{id}{path}").status_code == 401
        assert client.job(job)["status"] == "PENDING"
