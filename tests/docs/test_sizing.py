"""The computed rows of the sizing table follow from the others; its defaults are the real ones."""

import re

import pytest

from jobs.checks import CLUSTER_CONNECTIONS
from tests.core.test_settings import read, refusal
from tests.docs.markdown import table
from tests.run import PROJECT

pytestmark = pytest.mark.once

PEAK = 10  # orders in the busiest minute, for one in an average minute
DOCS = PROJECT / "docs"
ROWS = {row[0]: row[1:] for row in table(DOCS / "sizing.md", "")}


def numbers(name: str) -> list[float]:
    return [float(re.findall(r"[\d.]+", cell.replace(",", ""))[0]) for cell in ROWS[name]]


def peaks() -> list[float]:
    return [videos / 1440 * PEAK for videos in numbers("videos a day")]


def test_busiest_minute_follows_from_the_videos_of_a_day():
    orders = [max(1, round(peak)) for peak in peaks()]
    assert numbers("orders in the busiest minute") == orders


def test_limits_of_google_admit_the_busiest_minute():
    for name in ("`VEO_MAX_IN_FLIGHT`", "`VEO_CREATES_PER_MINUTE`"):
        assert all(limit >= peak for limit, peak in zip(numbers(name), peaks(), strict=True))


def test_connections_follow_from_the_processes():
    defaults = read()
    web = defaults["WEB_CONCURRENCY"] * (defaults["WEB_THREADS"] + 1)
    cluster = defaults["WORKER_CONCURRENCY"] + CLUSTER_CONNECTIONS
    webs, clusters = numbers("`web` of two processes"), numbers("`qcluster` of two workers")
    assert numbers("connections to PostgreSQL") == [
        n * web + m * cluster for n, m in zip(webs, clusters, strict=True)
    ]


def test_bytes_follow_from_the_videos_of_a_day():
    for videos, disk, rows, received, sent in zip(
        numbers("videos a day"),
        numbers("growth of the videos in a day"),
        numbers("growth of the database in a year"),
        numbers("from Google in the busiest minute"),
        numbers("to Cloudinary then"),
        strict=True,
    ):
        megabits = videos / 1440 * PEAK * 10 * 8 / 60
        assert disk == pytest.approx(videos * 10 / 1000)
        assert rows == pytest.approx(videos * 365 * 4.5e3 / 1e9, rel=0.3)
        assert received == pytest.approx(megabits * 4 / 3, rel=0.35)
        assert sent == pytest.approx(megabits, rel=0.1)


def test_cpu_follows_from_the_figures_of_the_page_that_it_cites():
    measured = {row[0]: row[3].partition(",")[0] for row in table(DOCS / "performance.md", "")}
    figures = {row[0]: row[1] for row in table(DOCS / "sizing.md", "what")}
    order, poll = measured["create, CPU of web and database"], measured["poll"]
    worker = figures["the worker's CPU for a video of 10 MB"]
    assert figures["an order, CPU of web and database"] == order
    assert figures["a poll, CPU of web and database"] == poll
    assert f"({order} + 20 x {poll} + {worker})" in figures["CPU"]
    order_ms, poll_ms, worker_s = (float(each.split()[0]) for each in (order, poll, worker))
    cores = peaks()[2] * ((order_ms + 20 * poll_ms) / 1000 + worker_s) / 60
    assert numbers("CPU of web and worker in the busiest minute")[2] == round(cores, 1)


def test_defaults_and_limits_of_the_processes_are_those_of_the_settings():
    defaults = read()
    rows = table(DOCS / "operations.md", "to change")
    assert len(rows) == 5
    for _, name, values, _ in rows:
        default, least, most = map(int, re.findall(r"\d+", values))
        name = name.strip("`")
        assert defaults[name] == default
        assert read(**{name: str(least)})[name] == least
        assert read(**{name: str(most)})[name] == most
        for outside in (least - 1, most + 1):
            assert refusal(**{name: str(outside)}).endswith(f"must be {least} to {most}")
