"""How fast slow submissions bring VEO_MAX_IN_FLIGHT videos in flight.

    python -m bench.submissions [--open 8] [--in-flight 50] [--server postgres://…]

Each submission takes 2 to 5 seconds, and a video does not end during the measurement. It uses real
gunicorn, `worker` and google-genai with a fake server on this machine.
"""

import argparse
import random
import time
from concurrent.futures import ThreadPoolExecutor

from tests.client import ApiClient
from tests.fakes.vertex import VertexImitation
from tests.stack import Stack

IN_FLIGHT = "SELECT count(*) FROM jobs_videojob WHERE stage = 'generating'"
PATIENCE = 300  # seconds


def main() -> None:
    options = _options()
    limits = {
        "VEO_OPEN_SUBMISSIONS": str(options.open),
        "VEO_MAX_IN_FLIGHT": str(options.in_flight),
        "VEO_CREATES_PER_MINUTE": "100000",
        "VIDEO_MAX_ACTIVE_JOBS": "10000",
    }
    with (
        VertexImitation(seconds=3600) as google,
        Stack(server=options.server, google=google.url, env=limits) as stack,
    ):
        user = stack.user("user", tokens=50 * options.in_flight)
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(_create, [user] * options.in_flight))
        while stack.sql(IN_FLIGHT)[0][0] < options.in_flight:
            assert time.monotonic() - began < PATIENCE, "not all were submitted"
            time.sleep(0.2)
        print(f"{options.open} open: {options.in_flight} in {time.monotonic() - began:.1f} s")


def _create(client: ApiClient) -> None:
    seconds = random.uniform(2, 5)
    prompt = f"A lighthouse {{{{create:slow:{seconds:.1f}}}}}"
    answer = client.create(prompt=prompt, mockMode="false")
    assert answer.status_code == 202, answer.text


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--open", type=int, default=8, help="VEO_OPEN_SUBMISSIONS")
    parser.add_argument("--in-flight", type=int, default=50, help="VEO_MAX_IN_FLIGHT")
    parser.add_argument("--server", default="", help="instead of DATABASE_URL's")
    return parser.parse_args()


if __name__ == "__main__":
    main()
