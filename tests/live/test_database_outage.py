"""PostgreSQL stops while videos are generated, and is read-only when it comes back."""

import signal
import time

import psycopg
import pytest
import requests

from tests.fakes import CloudinaryImitation, VertexImitation
from tests.postgres import Server
from tests.stack import Stack, until

OUTAGE_SECONDS = 8  # several rounds of each retry (jobs.worker.outage.RETRY_SECONDS)
READ_ONLY_SECONDS = 3  # as a standby is until it is promoted
SUBMITTED = "SELECT count(*) FROM jobs_videojob WHERE submitted_at IS NOT NULL"
UNLIMITED = {"VEO_CREATES_PER_MINUTE": "1000", "VIDEO_MAX_ACTIVE_JOBS": "100"}


@pytest.mark.live
@pytest.mark.only_on("postgresql")
class TestDatabaseOutage:
    def test_requests_get_503_and_every_job_succeeds_afterwards(self):
        with (
            Server() as postgres,
            VertexImitation(seconds=(1, 10)) as google,
            CloudinaryImitation() as cloudinary,
            Stack(
                server=postgres.url, google=google.url, cloudinary=cloudinary.url, env=UNLIMITED
            ) as stack,
        ):
            alice = stack.user("alice", tokens=2_000)
            jobs = [alice.order(mockMode="false")["id"] for _ in range(20)]
            # A claim whose commit is cut off leaves a job of which nobody knows whether it was
            # submitted: it fails, and is refunded (bench.chaos counts those).
            assert until(lambda: stack.sql(SUBMITTED)[0][0] == 20, seconds=10)
            with psycopg.connect(postgres.url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            postgres.stop(signal.SIGQUIT)
            stopped = time.monotonic()
            self.everything_is_503(stack, alice, jobs[0])
            time.sleep(max(0, OUTAGE_SECONDS - (time.monotonic() - stopped)))
            postgres.start()
            self.everything_is_503(stack, alice, jobs[0])
            time.sleep(READ_ONLY_SECONDS)
            write = "-c default_transaction_read_only=off"
            with psycopg.connect(postgres.url, autocommit=True, options=write) as connection:
                connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
                connection.execute("SELECT pg_reload_conf()")
            assert until(lambda: stack.sql("SHOW transaction_read_only") == [("off",)], seconds=10)
            jobs += [alice.order(mockMode="false")["id"] for _ in range(5)]
            ended = [alice.wait(job, seconds=90) for job in jobs]
            assert {job["status"] for job in ended} == {"SUCCEEDED"}, stack.output()
            assert stack.manage("check_ledger").returncode == 0
            stack.wait_until_ready()
            assert len([record for record in google.records if record.operation]) == len(jobs)

    def everything_is_503(self, stack, alice, job):
        answers = [
            alice.create(prompt="Not now"),
            alice.get(f"/api/v1/video-jobs/{job}"),
            alice.get("/api/v1/video-jobs"),
            alice.get("/api/v1/tokens"),
            alice.post("/api/v1/auth/token", json={"username": "alice", "password": "x"}),
        ]
        for answer in answers:
            assert answer.status_code == 503, answer.text
            assert set(answer.json()) == {"detail", "code"}
            assert answer.json()["code"] == "unavailable"
            assert answer.headers["Retry-After"] == "5"
        for path in ("/admin/", "/admin/login/"):
            cookies = {"sessionid": "0" * 32}  # whose it is, the database knows
            page = requests.get(f"{stack.url}{path}", cookies=cookies, timeout=10)
            assert page.status_code == 503, page.text
            assert page.headers["Retry-After"] == "5"
            assert "The database does not answer." in page.text
        ready = requests.get(f"{stack.url}/readyz", timeout=10)
        assert ready.status_code == 503
        assert ready.json()["checks"]["database"] != "ok"
        assert requests.get(f"{stack.url}/healthz", timeout=10).status_code == 200


@pytest.mark.live
@pytest.mark.only_on("postgresql")
class TestReadOnly:
    def test_answer_of_google_is_recorded_when_the_database_can_be_written_again(self):
        """The server keeps its connections, as when a hosted database's disk is full."""
        with (
            Server() as postgres,
            VertexImitation(seconds=1) as google,
            Stack(server=postgres.url, google=google.url) as stack,
        ):
            alice = stack.user("alice", tokens=100)
            job = alice.order(mockMode="false", prompt="Dawn {{create:slow:3}}")["id"]
            assert until(lambda: google.records, seconds=10)
            write = "-c default_transaction_read_only=off"
            with psycopg.connect(postgres.url, autocommit=True, options=write) as connection:
                connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
                connection.execute("SELECT pg_reload_conf()")
                time.sleep(OUTAGE_SECONDS)
                answers = [alice.create(prompt="Not now") for _ in range(3)]
                connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
                connection.execute("SELECT pg_reload_conf()")
            assert [answer.status_code for answer in answers] == [503, 503, 503]
            assert alice.wait(job, seconds=60)["status"] == "SUCCEEDED", stack.output()
            assert alice.create(prompt="Now").status_code == 202
            assert len(google.records) == 1


CUT = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE pid <> pg_backend_pid() AND datname = current_database()"
)


@pytest.mark.live
@pytest.mark.only_on("postgresql")
class TestCutConnections:
    def test_no_request_fails(self, stack):
        stack = stack(clusters=0, env={"VIDEO_MAX_ACTIVE_JOBS": "100"})
        alice = stack.user("alice", tokens=50 * 20)

        def ask():  # each of web's threads keeps a connection; some have none yet
            created = [alice.create(prompt="A lighthouse at dusk") for _ in range(5)]
            assert {answer.status_code for answer in created} == {202}
            job = f"/api/v1/video-jobs/{created[0].json()['id']}"
            seen = [alice.get(path) for path in [job, "/api/v1/video-jobs", "/healthz"] * 5]
            assert {answer.status_code for answer in seen} == {200}

        for _ in range(4):
            ask()
            stack.sql(CUT)
