"""A studio with old jobs on real servers, for browser tests of the staff's pages, and pictures."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.run import SQLITE
from tests.stack import Stack

PASSWORD = "tall ships at anchor"
STAFF = {"sam": "Support", "olga": "Operator", "fred": "Finance"}
BUILD = "from tests.pages import staff_scene; staff_scene.build(jobs={})"
ENV = {
    "MOCK_SECONDS": "600",  # who is at work stays at work
    "VIDEO_REFUND_FAILED_JOBS": "false",  # something is left for staff to do
}


@contextmanager
def open_studio(*, jobs: int, **env: str) -> Iterator[Stack]:
    """A studio that made so many `jobs` in a fortnight. They are built before the workers start,
    which would continue them."""
    with Stack(server=SQLITE, clusters=0, env=ENV | env) as stack:
        stack.manage("shell", "--verbosity", 0, "-c", BUILD.format(jobs))
        stack.start_cluster()
        stack.wait_until_ready()
        yield stack
