"""A thousand videos in flight: the delay of submissions and of finished videos.

    python -m bench.flight [--jobs 1000] [--clusters 1] [--server postgres://…] [--video-bytes N]

It uses real gunicorn, `qcluster`, google-genai and cloudinary with fake servers on this machine. It
prints a few figures and ends.
"""

import argparse
import contextlib
import math
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from tests.client import ApiClient
from tests.fakes.cloudinary import CloudinaryImitation
from tests.fakes.vertex import VertexImitation
from tests.stack import Stack

LIMITS = {
    "VIDEO_MAX_ACTIVE_JOBS": "10000",
    "VEO_MAX_IN_FLIGHT": "100000",
    "VEO_CREATES_PER_MINUTE": "100000",
}
USERS = 20
ENDED = "SELECT count(*) FROM jobs_videojob WHERE completed_at IS NOT NULL"
TIMES = "SELECT operation, created_at, submitted_at, completed_at, status FROM jobs_videojob"


def main() -> None:
    options = _options()
    with (
        VertexImitation(seconds=options.seconds, video_bytes=options.video_bytes) as google,
        CloudinaryImitation() as cloudinary,
        Stack(
            server=options.server,
            google=google.url,
            cloudinary=cloudinary.url,
            clusters=options.clusters,
            env=LIMITS,
        ) as stack,
    ):
        if options.upload_seconds:
            cloudinary.fail("upload", f"slow:{options.upload_seconds}", times=math.inf)
        started = time.time()
        peak = _fly(stack, options.jobs, options.patience)
        _report(stack, google, cloudinary, options.jobs, time.time() - started, peak)


def _fly(stack: Stack, jobs: int, patience: float) -> int:
    """Create all jobs and wait for the last to end; return the largest worker's memory in kB."""
    users = [stack.user(f"user{n}", tokens=50 * jobs) for n in range(USERS)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(_create, (users[n % USERS] for n in range(jobs))))
    peak, end = 0, time.monotonic() + patience
    while stack.sql(ENDED)[0][0] < jobs:
        if time.monotonic() > end:
            print(f"gave up after {patience:.0f} s")
            break
        peak = max(peak, *_memory(stack))
        time.sleep(0.5)
    return peak


def _create(client: ApiClient) -> None:
    answer = client.create(prompt="A lighthouse at dusk", mockMode="false")
    assert answer.status_code == 202, answer.text


def _memory(stack: Stack) -> Iterator[int]:
    """The peak memory (VmHWM) of each process, in kB."""
    for pid in stack.alive():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as status:
            yield from (int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    yield 0


def _report(
    stack: Stack,
    google: VertexImitation,
    cloudinary: CloudinaryImitation,
    jobs: int,
    seconds: float,
    peak: int,
) -> None:
    rows = stack.sql(TIMES)
    since_boot = time.time() - time.monotonic()
    done = {
        record.operation: since_boot + record.done_at for record in google.records if record.done_at
    }
    picked = [_at(row[2]) - _at(row[1]) for row in rows if row[2]]
    late = [_at(row[3]) - done[row[0]] for row in rows if row[4] == "SUCCEEDED"]
    print(f"jobs               {jobs}, succeeded {len(late)}, in {seconds:.0f} s")
    print(f"most in flight     {google.max_in_flight}")
    print(f"202 to submitted   {_percentiles(picked)}")
    print(f"done to SUCCEEDED  {_percentiles(late)}")
    creates = [record.operation for record in google.records if record.operation]
    uploads = [record.completed for record in cloudinary.records.values()]
    print(f"creates            {len(creates)} accepted")
    print(f"uploads            {sum(uploads)} of {len(uploads)} videos")
    print(f"polls a job        {statistics.mean(r.polls for r in google.records):.1f}")
    print(f"largest process    {peak // 1000} MB")
    print(stack.manage("check_ledger", check=False).stdout.strip())


def _percentiles(values: list[float]) -> str:
    if len(values) < 2:
        return "none"
    cuts = statistics.quantiles(values, n=100)
    return f"p50 {cuts[49]:.2f} s, p95 {cuts[94]:.2f} s, most {max(values):.2f} s"


def _at(value: object) -> float:
    """Seconds since the epoch, from a time of PostgreSQL or SQLite."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    assert isinstance(moment, datetime)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--clusters", type=int, default=1)
    parser.add_argument("--server", default="", help="instead of DATABASE_URL's")
    parser.add_argument("--video-bytes", type=int, default=4096)
    parser.add_argument("--upload-seconds", type=float, default=0, help="how long one takes")
    parser.add_argument("--patience", type=float, default=240)
    parser.add_argument(
        "--seconds",
        type=lambda text: tuple(map(float, text.split(","))),
        default=(40.0, 60.0),
        help="how long a video takes upstream, from,to",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
