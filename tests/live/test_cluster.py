"""The workers' processes: how they stop, and what happens when the system kills one of them."""

import ast
import os
import signal
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import django_q
import pytest
from django.core.management import get_commands, load_command_class

from jobs.worker.supervisor import _Timer
from tests.fakes import VertexImitation
from tests.live.tasks import HANDING_IN, HOLDING
from tests.stack import Stack

MEMBERS = ("first worker", "second worker", "pusher and monitor")  # the sentinel's children
ENV = {
    "MOCK_SECONDS": "0",
    "SIGNUP_GRANT_TOKENS": "5000",
    "VIDEO_MAX_ACTIVE_JOBS": "100",
    "VEO_CREATES_PER_MINUTE": "1000",
}


def until(done: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Cluster:
    """One sentinel and the processes below it, by their roles."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.process = stack.start_cluster()
        assert until(self.is_whole, seconds=60), stack.output()

    def is_whole(self) -> bool:
        return len(self.below()) == len(MEMBERS)

    def below(self) -> list[int]:
        return self.stack.descendants(self.process.pid)

    def members(self) -> dict[str, int]:
        """Each began after those before it (django_q.cluster.Sentinel.spawn_cluster)."""
        assert until(self.is_whole, seconds=15), self.below()
        return dict(zip(MEMBERS, self.below(), strict=True))

    def busy_worker(self) -> int:
        """The worker with threads at work."""
        members = self.members()
        return max((members["first worker"], members["second worker"]), key=_threads)

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


@pytest.fixture(scope="class")
def cluster(studio):
    """One for all tests of a class: it is at work again after whatever they do to it."""
    cluster = Cluster(studio)
    yield cluster
    cluster.end()


def order(client, prompt="A lighthouse", **fields):
    answer = client.create(prompt=prompt, **fields)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def submitting(google, client, prompt, seconds=30):
    """Id and prompt of a job whose submission is on its way: Google takes `seconds` to answer."""
    prompt = f"{prompt} {{{{create:slow:{seconds}}}}}"
    job_id = order(client, prompt, mockMode="false")
    assert until(lambda: prompt in [each.prompt for each in google.records], seconds=30)
    return job_id, prompt


def queue(studio, task):
    studio.manage("shell", "-c", f"from django_q.tasks import async_task; async_task({task})")


def told(studio, name):
    """The number of the process that wrote it into the file `name`."""
    file = studio.folder / "tmp" / name
    assert until(file.exists, seconds=10), studio.output()
    return int(file.read_text())


@pytest.mark.live
class TestSigterm:
    @pytest.fixture
    def cluster(self, studio):
        """A new one for each test, which ends it."""
        cluster = Cluster(studio)
        yield cluster
        for pid in cluster.left():
            studio.kill(pid)
        cluster.process.wait()

    @pytest.mark.parametrize("to", ["the sentinel", "every process"])
    def test_ends_all_once_the_step_on_its_way_is_done(self, studio, google, alice, cluster, to):
        job_id, prompt = submitting(google, alice, f"SIGTERM to {to}", seconds=3)
        told = [cluster.process.pid, *(cluster.below() if to == "every process" else ())]
        for pid in told:
            os.kill(pid, signal.SIGTERM)
        assert cluster.process.wait(timeout=30) == 0
        assert until(lambda: not cluster.left(), seconds=5), cluster.left()
        job = alice.job(job_id)
        assert job["statusMessage"] == "Video generation in progress..."
        Cluster(studio)
        assert alice.wait(job_id)["status"] == "SUCCEEDED"
        assert [each.prompt for each in google.records].count(prompt) == 1

    def test_ends_idle_workers_at_once(self, cluster):
        cluster.process.terminate()
        assert cluster.process.wait(timeout=10) == 0
        assert until(lambda: not cluster.left(), seconds=5), cluster.left()

    @pytest.mark.parametrize("seconds", [0, 0.6, 1.2])
    def test_is_heard_while_the_cluster_begins_anew(self, studio, cluster, seconds):
        """Before its program is executed again, and after."""
        studio.kill(cluster.members()["first worker"])
        assert until(lambda: not cluster.below(), seconds=15)
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


@pytest.mark.live
class TestKill:
    def recovers(self, cluster, client, killed, members):
        """Within 15 seconds all else is gone too, begun anew and at work."""
        deadline = time.monotonic() + 15
        cluster.stack.kill(killed)
        old = set(members.values())
        assert until(lambda: not old & set(cluster.left()), deadline - time.monotonic())
        assert until(cluster.is_whole, deadline - time.monotonic())
        assert client.wait(order(client), deadline - time.monotonic())["status"] == "SUCCEEDED"
        assert set(cluster.left()) == {cluster.process.pid, *cluster.members().values()}

    @pytest.mark.parametrize("role", MEMBERS)
    def test_of_one_is_recovered_from(self, cluster, alice, role):
        members = cluster.members()
        self.recovers(cluster, alice, members[role], members)

    def test_of_a_worker_that_has_the_lock_of_its_timer(self, studio, cluster, alice):
        """A worker takes it to hand in its result, and the sentinel to look whether it lives."""
        queue(studio, "'tests.live.tasks.hand_in_slowly'")
        self.recovers(cluster, alice, told(studio, HANDING_IN), cluster.members())

    def test_of_a_worker_that_has_the_locks_of_the_queues(self, studio, cluster, alice):
        members = cluster.members()
        queue(studio, "'tests.live.tasks.hold_the_queues'")
        worker = told(studio, HOLDING)
        time.sleep(1.5)  # the sentinel has looked at all of them meanwhile
        self.recovers(cluster, alice, worker, members)

    def test_of_a_worker_in_the_middle_of_a_submission_is_never_paid_twice(
        self, studio, cluster, google, alice
    ):
        job_id, prompt = submitting(google, alice, "kill")
        self.recovers(cluster, alice, cluster.busy_worker(), cluster.members())
        # Nobody knows whether Google took it: the lease runs out, which the test does not wait for.
        studio.sql(
            "UPDATE jobs_videojob SET next_step_at = %s WHERE prompt = %s",
            *("2026-01-01 00:00:00", prompt),
        )
        job = alice.wait(job_id, seconds=15)
        assert (job["status"], job["errorCode"]) == ("FAILED", "provider.unknown_submission")
        assert job["tokensRefunded"] == 50
        assert [each.prompt for each in google.records].count(prompt) == 1

    def test_of_the_sentinel_leaves_no_orphan(self, studio):
        cluster = Cluster(studio)
        members = cluster.members().values()
        studio.kill(cluster.process.pid)
        assert until(lambda: not set(members) & set(studio.alive()), seconds=10)


class TestCommand:
    def test_takes_the_place_of_the_packages(self):
        assert get_commands()["qcluster"] == "jobs"
        command = load_command_class("jobs", "qcluster")
        assert type(command).__module__ == "jobs.management.commands.qcluster"


@pytest.mark.live
class TestTimeout:
    @pytest.mark.parametrize("task", ["'time.sleep', 60", "'tests.live.tasks.sleep_like_a_log'"])
    def test_has_all_begin_anew(self, studio, cluster, alice, task):
        """A worker ends what took too long itself, or the sentinel ends the worker."""
        members = cluster.members()
        queue(studio, f"{task}, timeout=1")
        assert until(lambda: not set(members.values()) & set(cluster.left()), seconds=20)
        assert alice.wait(order(alice), seconds=15)["status"] == "SUCCEEDED"
        assert set(cluster.left()) == {cluster.process.pid, *cluster.members().values()}


class TestTimer:
    """Of a worker; this process is the sentinel."""

    @pytest.fixture
    def timer(self):
        return _Timer()

    @staticmethod
    def in_the_worker(timer, *values):
        pid = os.fork()
        if not pid:
            for value in values:
                timer.value = value
            os._exit(0)
        os.waitpid(pid, 0)

    def test_begins_idle(self, timer):
        assert timer.value == -1

    def test_is_counted_down_by_time_alone(self, timer):
        self.in_the_worker(timer, 60)
        timer.value -= 50
        assert 59 < timer.value <= 60

    def test_ends_at_nothing(self, timer):
        self.in_the_worker(timer, 0.1)
        assert until(lambda: timer.value == 0, seconds=1)
        time.sleep(0.1)
        assert timer.value == 0

    @pytest.mark.parametrize("value", [-1, -2, 0])
    def test_is_what_the_worker_says_it_is(self, timer, value):
        self.in_the_worker(timer, 60, value)
        timer.value = 302.5
        assert timer.value == value


class TestMemory:
    def test_is_given_back_by_a_worker_that_makes_room_for_a_new_one(self, studio, cluster):
        before = cluster.members()
        queue(studio, "'statistics.median', range(3_000_000)")  # for a moment about 100 MB
        assert until(lambda: set(cluster.below()) != set(before.values()), seconds=20)
        after = cluster.members()
        assert len(set(after.values()) & set(before.values())) == len(MEMBERS) - 1


class TestPackage:
    """The crash-only cluster leans on this: CRITICAL means that a process died, and nothing else.

    Where one of these fails after an upgrade of django-q2, read its cluster.py before the rest.
    """

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
