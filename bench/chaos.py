"""Kill random processes while videos are made, then check that nothing was lost.

    python -m bench.chaos [--seed N ...] [--jobs 300] [--kills 30]

It uses a PostgreSQL of its own, which is restarted during the run, one web, two clusters, and the
real SDKs with fake servers of Google and Cloudinary. Each user has a webhook. SIGKILL hits single
processes and whole clusters; exited ones are restarted, as by a process manager. At the end it
checks the guarantees with the database, the records of the fakes, what the webhooks' receiver got,
and `check_ledger`. The exit code is 1 if a guarantee was broken.
"""

import argparse
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import requests

from bench import guarantees
from bench.ends import Ends
from bench.flight import LIMITS
from bench.guarantees import COST, JOBS
from tests.client import ApiClient
from tests.fakes.cloudinary import CloudinaryImitation
from tests.fakes.vertex import VertexImitation
from tests.postgres import Server
from tests.receiver import receiver
from tests.stack import Stack

USERS = 10
QUIET_SECONDS = 150  # limit for 100 jobs to end, once no more processes are killed


def main() -> None:
    options = _options()
    rounds = [_round(seed, options) for seed in options.seed]
    sys.exit(0 if all(rounds) else 1)


def _round(seed: int, options: argparse.Namespace) -> bool:
    broken = run(seed=seed, jobs=options.jobs, kills=options.kills, say=_say)
    for promise in broken:
        _say(f"BROKEN: {promise}")
    _say(f"seed {seed}: " + (f"{len(broken)} broken" if broken else "nothing lost"))
    return not broken


def run(*, seed: int, jobs: int, kills: int, say=lambda line: None) -> list[str]:
    """Run one round; return the broken guarantees."""
    chance = random.Random(seed)
    say(f"seed {seed}: {jobs} jobs, {kills} kills, one restart of the database")
    with (
        Server() as postgres,
        VertexImitation(seconds=(3, 8), seed=seed) as google,
        CloudinaryImitation() as cloudinary,
        Stack(
            server=postgres.url,
            google=google.url,
            cloudinary=cloudinary.url,
            clusters=2,
            env=LIMITS | {"WEBHOOK_ALLOWED_HOSTS": "127.0.0.1"},
        ) as stack,
        receiver() as hooks,
    ):
        users = [stack.user(f"user{n}", tokens=COST * jobs) for n in range(USERS)]
        ends = Ends(hooks, stack)
        for n, user in enumerate(users):
            ends.listen(user, f"user{n}")
        with _kept_alive(stack), _clients(users, jobs) as accepted:
            _havoc(stack, postgres, chance, kills, say)
        _wait_until_over(stack, ends, jobs)
        say(f"killed, restarted, over: {guarantees.counts(stack)}, {len(hooks.received)} webhooks")
        statuses = {str(row[0]): row[2] for row in stack.sql(JOBS)}
        missing = [f"{jobs} orders, {len(accepted)} answered"] if len(accepted) != jobs else []
        return [
            *missing,
            *guarantees.broken(
                stack,
                google,
                cloudinary,
                accepted=accepted,
                granted=USERS * COST * jobs,
                may_be_unknown=jobs // 4,
            ),
            *ends.broken_promises(statuses),
        ]


# ---- Chaos ----


def _havoc(stack: Stack, postgres: Server, chance: random.Random, kills: int, say) -> None:
    for n in range(kills):
        time.sleep(chance.uniform(0.3, 2.0))
        if n == kills // 2:
            say("  database stopped")
            postgres.stop(signal.SIGQUIT)
            time.sleep(chance.uniform(3, 6))
            postgres.start()
            say("  database started")
        _kill_one(stack, chance, say)


def _kill_one(stack: Stack, chance: random.Random, say) -> None:
    """A process of a cluster, a whole cluster, or a process of web."""
    webs: list[int] = []
    clusters: list[int] = []
    for process in stack.started.values():
        (webs if "gunicorn" in process.args else clusters).append(process.pid)  # type: ignore[operator]
    kind = chance.choices(["one", "cluster", "web"], weights=[6, 1, 2])[0]
    root = chance.choice(webs if kind == "web" else clusters)
    family = [root, *stack.descendants(root)]
    victims = family if kind == "cluster" else [chance.choice(family)]
    for pid in victims:
        with suppress(AssertionError):
            stack.kill(pid)
    say(f"  killed {kind} {victims}")


@contextmanager
def _kept_alive(stack: Stack) -> Iterator[None]:
    """Restart exited processes until the block ends."""
    over = threading.Event()

    def keep() -> None:
        while not over.wait(0.5):
            stack.restart_ended()

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield
    finally:
        time.sleep(1)
        over.set()
        keeper.join()


@contextmanager
def _clients(users: list[ApiClient], jobs: int) -> Iterator[dict[str, str]]:
    """Clients that order all videos, each with retries until it is accepted: prompt -> id."""
    accepted: dict[str, str] = {}
    threads = [
        threading.Thread(target=_ask, args=(user, range(n, jobs, len(users)), accepted))
        for n, user in enumerate(users)
    ]
    for thread in threads:
        thread.start()
    yield accepted
    for thread in threads:
        thread.join()


def _ask(user: ApiClient, numbers: range, accepted: dict[str, str]) -> None:
    for number in numbers:
        prompt = f"chaos {number}"
        while prompt not in accepted:
            with suppress(requests.RequestException):
                answer = user.create(
                    prompt=prompt,
                    mockMode="false",
                    headers={"Idempotency-Key": prompt.replace(" ", "-")},
                )
                if answer.status_code == 202:
                    accepted[prompt] = answer.json()["id"]
                elif answer.status_code != 503:
                    raise RuntimeError(f"{answer.status_code} {answer.text}")
            time.sleep(0.5)


def _wait_until_over(stack: Stack, ends: Ends, jobs: int) -> None:
    end = time.monotonic() + QUIET_SECONDS * max(1, jobs / 100)
    active = "SELECT count(*) FROM jobs_videojob WHERE completed_at IS NULL"
    while (stack.sql(active)[0][0] or ends.are_pending()) and time.monotonic() < end:
        time.sleep(1)


def _say(line: str) -> None:
    print(line, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, nargs="+", default=[random.randrange(10_000)])
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--kills", type=int, default=30)
    return parser.parse_args()


if __name__ == "__main__":
    main()
