"""Metrics of several processes: their sums, and what is left when processes end."""

import os
import subprocess
import sys

import pytest

from tests.run import ENVIRONMENT, PROJECT

pytestmark = pytest.mark.slow

COUNT = """
import os, sys
from videostudio.core import process_metrics
count = process_metrics.counter("things", "Of a test", "kind")
def work(kind, times):
    for _ in range(times):
        count.labels(kind).inc()
"""
SUM = """
for metric in process_metrics.collect():
    print(sum(each.value for each in metric.samples if each.name.endswith("_total")))
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "metrics"


@pytest.fixture
def run(folder):
    """Runs Python code in a new process of the service; returns what it printed."""

    def run(code: str, **environment: str) -> str:
        env = ENVIRONMENT | {
            "DJANGO_SETTINGS_MODULE": "videostudio.settings",
            "PROMETHEUS_MULTIPROC_DIR": str(folder),
        }
        done = subprocess.run(
            [sys.executable, "-c", COUNT + code],
            env=env | environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run


def files(folder):
    return sorted(path.name for path in folder.glob("*.db"))


FORKS = """
work("parent", 1)
for _ in range(3):
    if not (child := os.fork()):
        work("child", 10)
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
"""


def test_forks_are_added_up_even_if_they_were_killed(run, folder):
    assert run(FORKS + SUM) == "31.0\n"
    assert len(files(folder)) == 2 * 3  # of the parent, and of one child after the other


def test_process_continues_the_files_of_one_that_has_ended(run, folder):
    for _ in range(2):
        run("work('a', 2)")
    assert run("work('a', 2)" + SUM) == "6.0\n"
    assert files(folder) == ["counter_0.db", "gauge_mostrecent_0.db", "histogram_0.db"]


def test_files_are_removed_only_if_no_process_uses_them(run, folder):
    run("work('a', 2)")
    start_another = """
work("a", 1)
if not (child := os.fork()):
    process_metrics.remove_unused()
    os._exit(0)
os.waitpid(child, 0)
"""
    assert run(start_another + SUM) == "3.0\n"
    run("process_metrics.remove_unused()")
    assert files(folder) == []


def test_service_works_without_its_metrics_if_the_folder_belongs_to_others(run, folder):
    folder.mkdir(mode=0o755)
    said = run("work('a', 2); print('done')")
    assert "done" in said
    assert "the metrics of this process are not collected" in said
    assert files(folder) == []


def test_full_disk_does_not_kill_a_process(run, folder):
    """A process that writes to a memory-mapped file without space on the disk gets SIGBUS."""
    run("work('a', 1)")
    sizes = {os.stat(folder / name).st_blocks * 512 for name in files(folder)}
    assert min(sizes) >= 524_288


def test_answer_of_a_paid_call_is_not_lost_if_it_cannot_be_counted(run, folder):
    said = run("""
import shutil
import django
django.setup()
from jobs.stats import call_metrics
def submit(model):
    with call_metrics.google("submit", model=model):
        return "the operation's name"
print(submit("a"))
shutil.rmtree(process_metrics.folder())
print(submit("b"))
shutil.rmtree(process_metrics.folder())
open(os.environ["PROMETHEUS_MULTIPROC_DIR"], "w").close()
print(submit("c"))
""")
    assert said.count("the operation's name") == 3
    assert "a metric could not be counted" in said
