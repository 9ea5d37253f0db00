"""SECRET_KEY changes while users order videos."""

import itertools
import signal

import pytest
import requests
from standardwebhooks import Webhook as Verifier

from tests.client import ApiClient
from tests.live.test_deploys import listed, load
from tests.receiver import receiver
from tests.stack import until

pytestmark = pytest.mark.live
OLD, NEW = "the old key is known to everybody", "the new key is known to everybody"
REFRESH = "/api/v1/auth/token/refresh"


def pair_of(url, name, password):
    answer = ApiClient(url).post(
        "/api/v1/auth/token", json={"username": name, "password": password}
    )
    return answer.json()


def test_nobody_is_logged_out_and_no_job_or_webhook_is_lost(stack):
    with receiver() as hooks:
        step_1 = {"SECRET_KEY": OLD, "SECRET_KEY_FALLBACKS": NEW}
        running = stack(
            env=step_1 | {"MOCK_SECONDS": "1", "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1"},
        )
        first = running.url
        alice = running.user("alice", tokens=1_000_000)
        ApiClient(first).register("bob", "a password of Bob's")
        bob = pair_of(first, "bob", "a password of Bob's")
        made = alice.put("/api/v1/webhook", json={"url": hooks.url})
        verifier = Verifier(made.json()["secret"])
        staff = session(running, first)

        running.env |= {"SECRET_KEY": NEW, "SECRET_KEY_FALLBACKS": OLD}
        running.start_web()
        second = running.urls[-1]
        urls = [first, second]
        renewed = ApiClient(second).post(REFRESH, json={"refresh": bob["refresh"]}).json()
        for url in urls:
            for access in (bob["access"], renewed["access"]):
                assert ApiClient(url, access).get("/api/v1/auth/me").status_code == 200
            assert staff.get(f"{url}/admin/", allow_redirects=False).status_code == 200

        with load(alice, itertools.cycle(urls).__next__):
            *_, cluster = (each for log, each in running.started.items() if "cluster" in log.name)
            running.kill(cluster.pid, signal.SIGTERM)
            assert cluster.wait(35) == 0
            assert listed(first)["cluster"] == (0, [])
            assert "1 webhooks" in running.manage("reencrypt_webhook_secrets").stdout
            # Without the fallback it drops what is queued, as if no step had been taken.
            running.env["SECRET_KEY_FALLBACKS"] = ""
            running.start_cluster()
            assert until(lambda: len(hooks.received) > 3, 60)

        active = "SELECT count(*) FROM jobs_videojob WHERE completed_at IS NULL"
        assert until(lambda: running.sql(active) == [(0,)], 60)
        [(jobs, succeeded)] = running.sql(
            "SELECT count(*), sum(CASE status WHEN 'SUCCEEDED' THEN 1 ELSE 0 END)"
            " FROM jobs_videojob"
        )
        assert jobs == succeeded
        assert until(lambda: len(ids(verifier, hooks)) == jobs, 60)


def ids(verifier, hooks):
    """The jobs whose end arrived, each with a signature of the secret that the user knows."""
    return {verifier.verify(got.body, got.headers)["data"]["id"] for got in hooks.received}


def session(running, url):
    """A browser of a member of staff, who is logged in."""
    running.env |= {"DJANGO_SUPERUSER_PASSWORD": "a password of Sam's"}
    running.manage(
        *("createsuperuser", "--noinput", "--username", "sam", "--email", "sam@example.com")
    )
    browser = requests.Session()
    page = browser.get(f"{url}/admin/login/")
    form = {"username": "sam", "password": "a password of Sam's", "next": "/admin/"}
    form["csrfmiddlewaretoken"] = page.text.partition('csrfmiddlewaretoken" value="')[2][:64]
    answer = browser.post(f"{url}/admin/login/", data=form, headers={"Referer": url})
    assert answer.url == f"{url}/admin/", answer.text
    return browser
