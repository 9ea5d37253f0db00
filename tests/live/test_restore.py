"""A dump of a busy service is restored: Google is asked for no video a second time by itself."""

import subprocess
import time
from collections import Counter
from contextlib import contextmanager, suppress

import pytest
import requests

from tests.client import ApiClient
from tests.fakes import VertexImitation
from tests.live.test_key_rotation import session
from tests.postgres import programs
from tests.run import drop_database
from tests.stack import until

pytestmark = [pytest.mark.live, pytest.mark.only_on("postgresql")]

JOBS = 16
SETTINGS = {
    "VIDEO_MAX_ACTIVE_JOBS": "100",
    "VEO_MAX_IN_FLIGHT": "4",
    "VEO_CREATES_PER_MINUTE": "1000",
}
STATES = "SELECT prompt, id, status, operation FROM jobs_videojob WHERE prompt LIKE 'video %%'"
ACTIVE = "SELECT count(*) FROM jobs_videojob WHERE completed_at IS NULL"


def run(program, *arguments):
    subprocess.run([programs() / program, *map(str, arguments)], check=True)


@contextmanager
def restored(stack, dump):
    """The stack, with web and worker on a new database that has the content of `dump`."""
    for process in stack.started.values():
        process.terminate()
        assert process.wait(60) == 0
    name = "restored_" + stack.database_url.rpartition("_")[2]
    url = stack.database_url.rpartition("/")[0] + f"/{name}"
    run("createdb", "--maintenance-db", stack.database_url, name)
    try:
        run("pg_restore", "--single-transaction", "--exit-on-error", "--dbname", url, dump)
        stack.database_url = stack.env["DATABASE_URL"] = url
        stack.restart_ended()
        assert until(lambda: is_up(stack.url), 120), stack.output()
        yield
    finally:
        stack.stop()
        drop_database(stack.server, url)


def is_up(url):
    with suppress(requests.ConnectionError):
        return ApiClient(url).get("/healthz").status_code == 200


def readiness(client):
    return client.get("/readyz").json()["checks"]


def submissions(google):
    return Counter(record.prompt for record in google.records if record.operation)


def act(browser, url, job, action):
    """Fill in the form of a staff action."""
    page = f"{url}/admin/jobs/videojob/{job}/{action}/"
    form = {"reason": "Decided after the restore", "post": "yes"}
    form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
    answer = browser.post(page, data=form, headers={"Referer": url})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_nothing_is_ordered_twice_before_staff_decide(stack, tmp_path):
    with VertexImitation(seconds=4) as google:
        running = stack(google=google.url, env=SETTINGS)
        alice = running.user("alice", tokens=10_000)
        for number in range(JOBS):
            alice.order(f"video {number}", mockMode="false")
        assert until(lambda: google.in_flight == 4, 30)
        dump = tmp_path / "videostudio.dump"
        run("pg_dump", "--format=custom", "--file", dump, running.database_url)
        assert until(lambda: running.sql(ACTIVE) == [(0,)], 120)
        assert set(submissions(google).values()) == {1}

        with restored(running, dump):
            lost = [prompt for prompt, _, _, operation in running.sql(STATES) if not operation]
            assert len(lost) >= JOBS - 8
            assert until(lambda: readiness(alice).get("workers") == "ok", 120)
            time.sleep(5)  # several ticks
            assert "after_restore" in readiness(alice)["restore"]
            assert set(submissions(google).values()) == {1}

            said = running.manage("after_restore").stdout
            assert f"{len(lost)} jobs were held now, {len(lost)} in total" in said
            assert until(lambda: running.sql(ACTIVE) == [(len(lost),)], 60)
            done = [row for row in running.sql(STATES) if row[3]]
            assert {status for _, _, status, _ in done} == {"SUCCEEDED"}
            assert readiness(alice)["restore"] == "ok"
            assert set(submissions(google).values()) == {1}

            browser = session(running, running.url)
            ids = {prompt: str(id) for prompt, id, *_ in running.sql(STATES)}
            act(browser, running.url, ids[lost[0]], "run")
            assert "50 tokens refunded" in act(browser, running.url, ids[lost[1]], "fail")
            assert alice.wait(ids[lost[0]])["status"] == "SUCCEEDED"
            refunded = alice.job(ids[lost[1]])
            assert (refunded["status"], refunded["tokensRefunded"]) == ("FAILED", 50)
            twice = [prompt for prompt, times in submissions(google).items() if times > 1]
            assert twice == [lost[0]]
            assert "Ledger in order" in running.manage("check_ledger").stdout
