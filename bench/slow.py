"""How long others wait beside slow clients: half heads, half bodies, slow readers, and all three.

    python -m bench.slow [--clients 200] [--seconds 10]

Real gunicorn and PostgreSQL, no proxy. Eight users poll, order with an image and look at the
monitor in turn. Prints a table; the exit code is 1 if an answer took a second or longer.
"""

import argparse
import io
import os
import re
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from PIL import Image

from tests.client import ApiClient
from tests.postgres import Server
from tests.slow_clients import KINDS, slow_clients
from tests.stack import Stack

USERS = 8
MOST_SECONDS = 1.0
VIDEO_BYTES = 20_000_000
ENV = {"VIDEO_MAX_ACTIVE_JOBS": "10000", "WEB_CONCURRENCY": "2"}


def main() -> None:
    options = _options()
    slowest = 0.0
    with Server() as server, Stack(server=server.url, clusters=0, env=ENV) as stack:
        users = [stack.user(f"user{n}", tokens=1_000_000) for n in range(USERS)]
        video, picture = _video(stack), _picture()
        _ask(users, picture, 2)  # the first requests load modules
        print("slow clients   answers      p50      p95     most   memory of web")
        for kinds in [(), *((kind,) for kind in KINDS), KINDS]:
            counts = dict.fromkeys(kinds, options.clients)
            access = users[0].headers["Authorization"].split()[1]
            with slow_clients(stack.url, counts=counts, access=access, video=video):
                took = _ask(users, picture, options.seconds)
                memory = _memory_mb(stack)
            cuts = statistics.quantiles(took, n=20)
            times = "".join(f"{1000 * each:6.0f} ms" for each in (cuts[9], cuts[18], max(took)))
            name = "all three" if len(kinds) > 1 else "".join(kinds) or "none"
            print(f"{name:12}{len(took):10}{times}{memory:9.0f} MB", flush=True)
            slowest = max(slowest, *took) if kinds else slowest
    sys.exit(int(slowest >= MOST_SECONDS))


def _ask(users: list[ApiClient], picture: bytes, seconds: float) -> list[float]:
    """The seconds of each answer."""
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(len(users)) as pool:
        took = pool.map(lambda user: _ask_in_turn(user, picture, end), users)
        return [each for one in took for each in one]


def _ask_in_turn(user: ApiClient, picture: bytes, end: float) -> list[float]:
    job = user.create(prompt="A kite").json()["id"]
    image = {"initialImage": ("first.png", picture, "image/png")}
    calls: list[Callable[[], requests.Response]] = [
        lambda: user.get(f"/api/v1/video-jobs/{job}"),
        lambda: user.create(prompt="A boat", files={**image}),
        lambda: user.get("/video-monitor"),
    ]
    took = []
    while time.monotonic() < end:
        for call in calls:
            began = time.monotonic()
            answer = call()
            took.append(time.monotonic() - began)
            assert answer.status_code in (200, 202), answer.text
            time.sleep(0.2)
    return took


def _memory_mb(stack: Stack) -> float:
    """PSS of gunicorn and its processes."""
    [master] = [process.pid for process in stack.started.values()]
    rollups = [
        Path(f"/proc/{pid}/smaps_rollup").read_text()
        for pid in (master, *stack.descendants(master))
    ]
    return sum(int(re.findall(r"^Pss:\s+(\d+)", each, re.M)[0]) for each in rollups) / 1000


def _video(stack: Stack) -> str:
    name = f"ai_studio/videos/{uuid.uuid4()}.mp4"
    file = Path(stack.env["MEDIA_ROOT"]) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(os.urandom(VIDEO_BYTES))
    return f"/media/{name}"


def _picture() -> bytes:
    content = io.BytesIO()
    Image.frombytes("RGB", (300, 300), os.urandom(270_000)).save(content, "PNG")
    return content.getvalue()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=200, help="of each kind")
    parser.add_argument("--seconds", type=float, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    main()
