"""The fast path of a poll answers as the view would, and leaves every refusal to it."""

import pytest
from django.db import OperationalError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from jobs.api import polling
from tests.jobs.conftest import JOBS, STATES

SAME = ("ETag", "Cache-Control", "Retry-After", "Content-Type", "X-Content-Type-Options")


@pytest.fixture
def both(client, new_job):
    """`both(job, …)`: the fast answer and the view's, which is asked by an odd spelling."""

    def both(job, **headers):
        path = f"{JOBS}/{job.pk}"
        odd = f"{JOBS}/{str(job.pk).upper()}"
        assert polling.POLL.fullmatch(path)
        assert not polling.POLL.fullmatch(odd)
        return [client.get(each, headers=headers) for each in (path, odd)]

    return both


class TestPoll:
    @pytest.mark.parametrize("mock_mode", [True, False])
    @pytest.mark.parametrize("state", STATES)
    def test_is_what_the_view_answers(self, both, new_job, state, mock_mode):
        fast, slow = both(new_job(state, mock_mode=mock_mode, prompt="Übermut & <b>Tanz</b> 🎬"))
        assert fast.status_code == slow.status_code == 200
        assert fast.content == slow.content
        assert [fast.get(name) for name in SAME] == [slow.get(name) for name in SAME]
        assert fast["Content-Length"] == str(len(fast.content))

    @pytest.mark.parametrize("state", STATES)
    def test_knows_what_the_client_knows(self, both, new_job, state):
        job = new_job(state)
        tag = both(job)[0]["ETag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}'):
            fast, slow = both(job, if_none_match=known)
            assert fast.status_code == slow.status_code == 304
            assert fast.content == slow.content == b""
            assert [fast.get(name) for name in SAME] == [slow.get(name) for name in SAME]

    def test_is_answered_under_either_spelling_of_the_path(self, client, new_job):
        path = f"{JOBS}/{new_job().pk}"
        assert client.get(path).content == client.get(f"{path}/").content

    def test_takes_two_queries_and_one_for_what_is_known(
        self, client, new_job, django_assert_num_queries
    ):
        path = f"{JOBS}/{new_job('generating').pk}"
        with django_assert_num_queries(2):
            tag = client.get(path)["ETag"]
        with django_assert_num_queries(1):
            assert client.get(path, headers={"if-none-match": tag}).status_code == 304

    def test_carries_the_request_id(self, client, new_job):
        answer = client.get(f"{JOBS}/{new_job().pk}", headers={"x-request-id": "mine"})
        assert answer["X-Request-ID"] == "mine"


class TestRefusal:
    @pytest.mark.parametrize("spoil", [{"is_active": False}, {"password": "changed"}],
                             ids=["deactivated", "changed password"])  # fmt: skip
    def test_of_a_user_is_simplejwts(self, both, client, new_job, alice, spoil):
        job = new_job()
        for name, value in spoil.items():
            setattr(alice, name, value)
        alice.save()
        fast, slow = both(job)
        assert fast.status_code == slow.status_code == 401
        assert fast.json() == slow.json() == client.get("/api/v1/auth/me").json()

    @pytest.mark.parametrize("header", [
        "", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "bearer {token}", "Bearer  {token}",
        "Token {token}", "Bearer {token} x", "Bearer {token}x",
    ])  # fmt: skip
    def test_of_a_token_is_the_views(self, both, client, new_job, alice, header):
        client.credentials(HTTP_AUTHORIZATION=header.format(token=AccessToken.for_user(alice)))
        fast, slow = both(new_job())
        assert (fast.status_code, fast.content) == (slow.status_code, slow.content)
        assert fast.get("WWW-Authenticate") == slow.get("WWW-Authenticate")

    def test_of_a_refresh_token_is_the_views(self, both, client, new_job, alice):
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {RefreshToken.for_user(alice)}")
        fast, slow = both(new_job())
        assert fast.status_code == slow.status_code == 401

    def test_of_a_strangers_job_is_the_views(self, new_job, stranger):
        answer = stranger.get(f"{JOBS}/{new_job().pk}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    def test_of_an_unknown_host_is_djangos(self, client, new_job):
        assert client.get(f"{JOBS}/{new_job().pk}", HTTP_HOST="evil.example").status_code == 400

    def test_without_a_database_is_the_views(self, client, new_job, monkeypatch):
        job = new_job()

        def gone(**values):
            raise OperationalError("the server closed the connection unexpectedly")

        monkeypatch.setattr(polling.A_JOB, "rows", gone)
        assert client.get(f"{JOBS}/{job.pk}").status_code == 200
