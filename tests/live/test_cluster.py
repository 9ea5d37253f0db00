"""The workers' processes: how they stop, and what happens when one of them is killed or hangs."""

import ast
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import django_q
import pytest
from django.core.management import get_commands, load_command_class
from django_q.conf import Conf
from django_q.tasks import async_task

from tests.fakes import VertexImitation
from tests.live.tasks import HANDING_IN, HOLDING, SLEEPING
from tests.stack import Stack, until

ROLES = ("sentinel", "first worker", "second worker", "monitor", "pusher")
KILL_SECONDS = 15
HANG_SECONDS = 35
ENV = {
    "MOCK_SECONDS": "0",
    "SIGNUP_GRANT_TOKENS": "5000",
    "VIDEO_MAX_ACTIVE_JOBS": "100",
    "VEO_CREATES_PER_MINUTE": "1000",
}


class Cluster:
    """One supervisor and the processes below it, by their roles."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.process = stack.start_cluster()
        assert until(self.is_complete, seconds=60), stack.output()

    def is_complete(self) -> bool:
        return len(self.below()) == len(ROLES)

    def below(self) -> list[int]:
        return self.stack.descendants(self.process.pid)

    def members(self) -> dict[str, int]:
        """Process ids by role, in the order of their start (Sentinel.spawn_cluster)."""
        assert until(self.is_complete, seconds=15), self.below()
        return dict(zip(ROLES, self.below(), strict=True))

    def busy_worker(self) -> int:
        """The worker with threads at work."""
        members = self.members()
        return max((members["first worker"], members["second worker"]), key=_threads)

    def wait_between_tasks(self) -> None:
        """Wait until the workers run no task.

        At the end of a task a worker holds the lock of its timer: who kills or stops it then sees
        a cluster that hangs, not one that lost a process.
        """
        # A task that is taken is locked for RETRY seconds. Older ones belonged to killed workers.
        query = "SELECT id FROM django_q_ormq WHERE lock > %s"

        def is_between() -> bool:
            since = datetime.now(UTC) - timedelta(seconds=5)
            locked_until = since + timedelta(seconds=Conf.RETRY)
            return not self.stack.sql(query, str(locked_until))

        assert until(is_between, seconds=10), self.stack.sql("SELECT id, lock FROM django_q_ormq")

    def left(self) -> dict[int, str]:
        """Processes of clusters, orphans too."""
        return {pid: line for pid, line in self.stack.alive().items() if "qcluster" in line}

    def end(self) -> None:
        self.process.terminate()
        assert self.process.wait(timeout=30) == 0
        assert until(lambda: not self.left(), seconds=5), self.left()


def _threads(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("Threads:")[2].split()[0])


@pytest.fixture(scope="module")
def google():
    with VertexImitation(seconds=0) as service:
        yield service
        assert service.errors == []


@pytest.fixture(scope="module")
def studio(google):
    with Stack(clusters=0, google=google.url, env=ENV) as stack:
        yield stack


@pytest.fixture(scope="module")
def alice(studio):
    return studio.user("alice")


@pytest.fixture(scope="module")
def clusters(studio):
    """Those that were started, newest last."""
    clusters: list[Cluster] = []
    yield clusters
    for cluster in clusters:
        if cluster.process.poll() is None:
            cluster.end()


@pytest.fixture
def cluster(studio, clusters):
    """The last one that was started, or a new one if a test has ended that."""
    if not clusters or clusters[-1].process.poll() is not None:
        clusters.append(Cluster(studio))
    return clusters[-1]


def create(client, prompt="A lighthouse", **fields):
    response = client.create(prompt=prompt, **fields)
    assert response.status_code == 202, response.text
    return response.json()["id"]


def submitting(google, client, prompt, seconds=30):
    """Id and prompt of a job that is being submitted: Google takes `seconds` to answer."""
    prompt = f"{prompt} {{{{create:slow:{seconds}}}}}"
    job_id = create(client, prompt, mockMode="false")
    assert until(lambda: prompt in [each.prompt for each in google.records], seconds=30)
    return job_id, prompt


class Broker:
    """Writes into the stack's queue from this process, without the start of another one."""

    list_key = Conf.PREFIX

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def enqueue(self, payload: str) -> None:
        insert = "INSERT INTO django_q_ormq (key, payload, lock) VALUES (%s, %s, now())"
        self.stack.sql(insert, self.list_key, payload)


def queue(studio, function, *arguments, **options):
    async_task(function, *arguments, broker=Broker(studio), **options)


def pid_from(studio, name):
    """The process id that a task wrote into the file `name`."""
    file = studio.folder / "tmp" / name
    assert until(file.exists, seconds=10), studio.output()
    return int(file.read_text())


@pytest.mark.live
class TestSigterm:
    @pytest.mark.parametrize(
        ("number", "to"),
        [
            (signal.SIGTERM, "the supervisor"),
            (signal.SIGTERM, "every process"),
            (signal.SIGINT, "every process"),  # Ctrl-C
        ],
    )
    def test_ends_all_processes_after_the_running_step(
        self, studio, google, alice, clusters, cluster, number, to
    ):
        job_id, prompt = submitting(google, alice, f"{number.name} to {to}", seconds=3)
        receivers = [cluster.process.pid, *(cluster.below() if to == "every process" else ())]
        for pid in receivers:
            os.kill(pid, number)
        assert cluster.process.wait(timeout=30) == 0
        assert until(lambda: not cluster.left(), seconds=5), cluster.left()
        job = alice.job(job_id)
        assert job["statusMessage"] == "Video generation in progress..."
        clusters.append(Cluster(studio))
        assert alice.wait(job_id)["status"] == "SUCCEEDED"
        assert [each.prompt for each in google.records].count(prompt) == 1

    def test_ends_idle_workers_at_once(self, cluster):
        cluster.process.terminate()
        assert cluster.process.wait(timeout=10) == 0
        assert until(lambda: not cluster.left(), seconds=5), cluster.left()

    @pytest.mark.parametrize("seconds", [0, 0.8])
    def test_ends_a_cluster_that_is_being_restarted(self, studio, cluster, seconds):
        """Before the new cluster is forked, and after."""
        old = set(cluster.members().values())
        cluster.wait_between_tasks()
        studio.kill(cluster.members()["first worker"])
        assert until(lambda: not old & set(cluster.left()), seconds=15)
        time.sleep(seconds)
        cluster.process.terminate()
        assert cluster.process.wait(timeout=10) == 0
        assert until(lambda: not cluster.left(), seconds=5), cluster.left()

    def test_given_twice_does_not_wait(self, google, alice, cluster):
        submitting(google, alice, "impatient")
        cluster.process.terminate()
        time.sleep(0.5)  # two signals at once would be one
        cluster.process.terminate()
        assert cluster.process.wait(timeout=10) == 0  # sooner than Google answers
        assert until(lambda: not cluster.left(), seconds=5), cluster.left()


def assert_recovers(cluster, client, *, seconds, old):
    """All `old` processes are replaced in time, and a job succeeds."""
    deadline = time.monotonic() + seconds
    assert until(lambda: not old & set(cluster.left()), deadline - time.monotonic())
    assert until(cluster.is_complete, deadline - time.monotonic())
    assert client.wait(create(client), deadline - time.monotonic())["status"] == "SUCCEEDED"
    assert set(cluster.left()) == {cluster.process.pid, *cluster.members().values()}


@pytest.mark.live
class TestKill:
    @pytest.mark.parametrize("role", [role for role in ROLES if role != "second worker"])
    def test_of_one_process_restarts_the_cluster(self, studio, cluster, alice, role):
        members = cluster.members()
        cluster.wait_between_tasks()
        studio.kill(members[role])
        assert_recovers(cluster, alice, seconds=KILL_SECONDS, old=set(members.values()))

    def test_of_a_worker_that_holds_the_lock_of_its_timer(self, studio, cluster, alice):
        """The worker holds it while it hands in a result; the sentinel needs it to check whether
        the worker lives."""
        members = cluster.members()
        queue(studio, "tests.live.tasks.hand_in_slowly")
        studio.kill(pid_from(studio, HANDING_IN))
        assert_recovers(cluster, alice, seconds=HANG_SECONDS, old=set(members.values()))

    def test_of_a_worker_that_holds_the_locks_of_the_queues(self, studio, cluster, alice):
        """The sentinel needs them to read the queues' sizes."""
        members = cluster.members()
        queue(studio, "tests.live.tasks.hold_the_queues")
        worker = pid_from(studio, HOLDING)
        time.sleep(1.5)  # the sentinel has read the sizes meanwhile
        studio.kill(worker)
        assert_recovers(cluster, alice, seconds=HANG_SECONDS, old=set(members.values()))

    def test_of_a_worker_during_a_submission_never_pays_twice(self, studio, cluster, google, alice):
        job_id, prompt = submitting(google, alice, "kill")
        members = cluster.members()
        studio.kill(cluster.busy_worker())
        assert_recovers(cluster, alice, seconds=KILL_SECONDS, old=set(members.values()))
        # It is unknown whether Google accepted the job. The test does not wait for its lease.
        studio.sql(
            "UPDATE jobs_videojob SET next_step_at = %s, unanswered = 1 WHERE prompt = %s",
            *("2026-01-01 00:00:00", prompt),
        )
        job = alice.wait(job_id, seconds=15)
        assert (job["status"], job["errorCode"]) == ("FAILED", "provider.unknown_submission")
        assert job["tokensRefunded"] == 50
        assert [each.prompt for each in google.records].count(prompt) == 1

    def test_of_a_worker_lets_the_other_one_record_its_answer(self, studio, cluster, google, alice):
        job_id, prompt = submitting(google, alice, "sibling", seconds=3)
        members = cluster.members()
        queue(studio, "tests.live.tasks.sleep")
        studio.kill(pid_from(studio, SLEEPING))
        assert_recovers(cluster, alice, seconds=KILL_SECONDS, old=set(members.values()))
        assert alice.wait(job_id, seconds=15)["status"] == "SUCCEEDED"
        assert [each.prompt for each in google.records].count(prompt) == 1

    def test_of_the_supervisor_leaves_no_orphan(self, studio, cluster):
        members = cluster.members().values()
        studio.kill(cluster.process.pid)
        assert until(lambda: not set(members) & set(studio.alive()), seconds=10)
        cluster.process.wait()


@pytest.mark.live
class TestStop:
    """SIGSTOP stands for any hang in which a process lives and does nothing."""

    @pytest.mark.parametrize("roles", [("sentinel",), ("first worker", "second worker")])
    def test_of_processes_that_others_need_restarts_the_cluster(
        self, studio, cluster, alice, roles
    ):
        members = cluster.members()
        # A worker that is stopped in a task is missed only when the task times out.
        cluster.wait_between_tasks()
        for role in roles:
            studio.kill(members[role], signal.SIGSTOP)
        assert_recovers(cluster, alice, seconds=HANG_SECONDS, old=set(members.values()))


class TestCommand:
    def test_replaces_the_command_of_the_package(self):
        assert get_commands()["qcluster"] == "jobs"
        command = load_command_class("jobs", "qcluster")
        assert type(command).__module__ == "jobs.management.commands.qcluster"


@pytest.mark.live
class TestTimeout:
    @pytest.mark.parametrize(
        "task", [("time.sleep", 60), ("tests.live.tasks.sleep_without_alarm",)]
    )
    def test_restarts_the_cluster(self, studio, cluster, alice, task):
        """A worker ends what took too long itself, or the sentinel ends the worker."""
        members = cluster.members()
        queue(studio, *task, timeout=1)
        assert_recovers(cluster, alice, seconds=HANG_SECONDS, old=set(members.values()))


@pytest.mark.live
class TestMemory:
    def test_is_returned_by_a_worker_that_a_new_one_replaces(self, studio, cluster):
        before = cluster.members()
        queue(studio, "statistics.median", range(3_000_000))  # for a moment about 100 MB
        assert until(lambda: set(cluster.below()) != set(before.values()), seconds=20)
        after = cluster.members()
        assert len(set(after.values()) & set(before.values())) == len(ROLES) - 1


class TestPackage:
    """The supervisor relies on this: django-q2 logs as CRITICAL that a process died, and nothing
    else. If one of these fails after an upgrade, read the package's cluster.py first."""

    def test_is_the_one_that_was_read(self):
        assert version("django-q2") == "1.11.1"

    def test_logs_as_critical_that_a_process_died_and_nothing_else(self):
        found = [
            (path.name, function.name, ast.unparse(call))
            for path in Path(django_q.__file__).parent.rglob("*.py")
            for function in ast.walk(ast.parse(path.read_text()))
            if isinstance(function, ast.FunctionDef)
            for call in ast.walk(function)
            if isinstance(call, ast.Call) and "critical" in ast.unparse(call.func).lower()
        ]
        assert {(file, function) for file, function, _ in found} == {("cluster.py", "reincarnate")}
        texts = "\n".join(call for _, _, call in found)
        assert "reincarnated monitor" in texts
        assert "reincarnated pusher" in texts
        assert "reincarnated worker" in texts
        assert "recycled" not in texts  # that is everyday, and no death

    def test_writes_no_level_by_its_number(self):
        for path in Path(django_q.__file__).parent.rglob("*.py"):
            text = path.read_text()
            assert "logger.log(" not in text
            assert "logger.fatal(" not in text
