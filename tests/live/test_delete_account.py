"""Deletion of an account while the same user orders and makes keys, on two web processes."""

import pytest

from tests.live.test_concurrency import at_once
from tests.stack import Stack

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def studio():
    env = {"WEB_CONCURRENCY": "2", "VIDEO_MAX_ACTIVE_JOBS": "100", "THROTTLE_CREATE": "1000/min"}
    with Stack(clusters=1, env=env | {"MOCK_SECONDS": "1"}) as stack:
        yield stack


@pytest.mark.parametrize("name", ["alice", "anna", "amy"])
def test_no_job_or_key_outlives_the_account(studio, name):
    alice = studio.user(name, tokens=5000)
    [(id,)] = studio.sql("SELECT id FROM accounts_user WHERE username = %s", name)
    password = "another good password"
    studio.manage("shell", "-c", SET.format(name=name, password=password))
    alice.sign_in(name, password)
    for _ in range(5):
        alice.create(prompt="A lighthouse")
    answers = at_once(
        lambda: alice.delete("/api/v1/auth/me", json={"password": password}),
        *[lambda: alice.create(prompt="A lighthouse")] * 12,
        *[lambda: alice.post("/api/v1/keys", json={"name": "x"})] * 6,
    )
    assert answers[0].status_code == 204, answers[0].text
    assert {answer.status_code for answer in answers[1:]} <= {201, 202, 401}
    assert studio.sql("SELECT count(*) FROM jobs_videojob WHERE user_id = %s", id) == [(0,)]
    assert studio.sql("SELECT count(*) FROM accounts_apikey WHERE user_id = %s", id) == [(0,)]
    assert studio.manage("check_ledger").returncode == 0


SET = (
    "from accounts.models import User; user = User.objects.get(username={name!r}); "
    "user.set_password({password!r}); user.save()"
)
