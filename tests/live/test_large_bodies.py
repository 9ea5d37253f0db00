"""Eight orders of 20 MB at once: the memory of a web process stays bounded."""

import base64
import io
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests.client import MOCK_JOB
from tests.stack import Stack

pytestmark = pytest.mark.live

ORDERS = 8
MEGABYTE = 1_000_000
# The files of eight orders, one body being parsed, the pixels of two images, the encoded images of
# one insert.
BOUND = (ORDERS * 20 + 100 + 2 * 40 + 60) * MEGABYTE


@pytest.fixture(scope="module")
def order():
    """About 19 MB of JSON: two PNGs of noise, 7 MB each."""
    image = Image.frombytes("RGB", (1530, 1530), os.urandom(1530 * 1530 * 3))
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=0)
    uri = f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
    return MOCK_JOB | {"prompt": "Noise", "initialImage": uri, "endFrame": uri}


def peak(process: int) -> int:
    """The most memory that the process has had, in bytes."""
    return 1024 * int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[0])


def test_memory_of_eight_large_orders_is_bounded(order):
    env = {"VIDEO_MAX_ACTIVE_JOBS": "100", "WEB_CONCURRENCY": "1"}
    with Stack(clusters=0, env=env) as stack:
        alice = stack.user("alice", tokens=1000)
        [master] = [process.pid for log, process in stack.started.items()]
        workers = stack.descendants(master)
        before = max(map(peak, workers))
        with ThreadPoolExecutor(ORDERS) as pool:
            answers = list(
                pool.map(lambda n: alice.post("/api/v1/video-jobs", json=order), range(ORDERS))
            )
        assert [answer.status_code for answer in answers] == [202] * ORDERS
        assert max(map(peak, workers)) - before < BOUND
