"""The service's figures, read from the database at each scrape: processes share nothing else.

Five statements, however much there is: jobs are counted while they are active, which few are;
what ended is in the tallies; only the ledger is added up from its entries, since it must prove
itself.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db.models import Count, Min, Q, Sum, Value
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from jobs import queue, tallies
from jobs.models import Stage, Status, SubmissionGate, Tally, VideoJob
from tokens_ledger.models import Account, Entry

UPSTREAM = Q(mock_mode=False, stage__in=(Stage.SUBMITTING, Stage.GENERATING))
STATES = [(Status.PENDING, ""), *((Status.RUNNING, stage) for stage in Stage)]
KINDS = (Entry.Kind.GRANT, Entry.Kind.CHARGE, Entry.Kind.REFUND)
HISTOGRAMS = {
    tallies.GENERATION: "From a job's submission until its video was there",
    tallies.STORAGE: "From a video's arrival until it was stored",
}


class Figures(Collector):
    """All of them; `collect` is called once a scrape."""

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        yield from _jobs(now)
        yield from _clock(now)
        yield from _tallied()
        yield from _tokens()


REGISTRY = CollectorRegistry(auto_describe=False)  # or registering would ask the database
REGISTRY.register(Figures())


def text() -> bytes:
    """All figures, in Prometheus' text format."""
    return generate_latest(REGISTRY)


def _jobs(now: datetime) -> Iterator[Metric]:
    rows = {
        (status, stage): figures
        for status, stage, *figures in VideoJob.objects.active()
        .values_list("status", "stage")
        .annotate(
            all=Count("pk"),
            upstream=Count("pk", filter=UPSTREAM),
            oldest=Min("created_at"),
        )
    }
    jobs = {state: rows.get(state, (0, 0, None)) for state in STATES}
    active = GaugeMetricFamily(
        "videostudio_active_jobs", "Jobs that wait or run", labels=["status", "stage"]
    )
    for state, (count, _, _) in jobs.items():
        active.add_metric(state, count)
    waiting, _, oldest = jobs[Status.PENDING, ""]
    yield active
    yield _gauge("queue_depth", "Jobs that wait (PENDING)", waiting)
    yield _gauge(
        "oldest_wait_seconds",
        "How long the oldest of them has waited",
        (now - oldest).total_seconds() if oldest else 0,
    )
    yield _gauge(
        "upstream_in_flight",
        "Jobs that take a place at Google Veo",
        sum(upstream for _, upstream, _ in jobs.values()),
    )


def _clock(now: datetime) -> Iterator[Metric]:
    closed = (SubmissionGate.objects.get().opens_at - now).total_seconds()
    age = queue.tick_age(now=now).total_seconds()
    yield _gauge("tick_age_seconds", "How long ago a cluster last kept time", max(0, age))
    yield _gauge("gate_closed_seconds", "How long Google asked to send nothing", max(0, closed))


def _tallied() -> Iterator[Metric]:
    ended = CounterMetricFamily(
        "videostudio_ended_jobs", "Jobs by how they ended", labels=["status", "error_code"]
    )
    answers = CounterMetricFamily(
        "videostudio_upstream_answers", "Answers to calls for real videos", labels=["call", "code"]
    )
    counters = {tallies.ENDED: ended, tallies.ANSWERS: answers}
    buckets: dict[str, dict[str, dict[str, tuple[int, float]]]] = {name: {} for name in HISTOGRAMS}
    rows = Tally.objects.order_by("name", "kind", "value")
    for name, kind, value, count, seconds in rows.values_list(
        "name", "kind", "value", "count", "seconds"
    ):
        if name in counters:
            counters[name].add_metric([kind, value], count)
        else:
            buckets[name].setdefault(kind, {})[value] = (count, seconds)
    yield from counters.values()
    for name, by_provider in buckets.items():
        histogram = HistogramMetricFamily(
            f"videostudio_{name}_seconds", HISTOGRAMS[name], labels=["provider"]
        )
        for provider, found in by_provider.items():
            total = sum(seconds for _, seconds in found.values())
            histogram.add_metric([provider], _cumulated(tallies.bounds(name), found), total)
        yield histogram


def _cumulated(
    bounds: Iterable[str], found: dict[str, tuple[int, float]]
) -> list[tuple[str, float]]:
    """Prometheus' buckets: each counts the smaller ones too."""
    so_far = 0
    return [(bound, so_far := so_far + found.get(bound, (0, 0.0))[0]) for bound in bounds]


def _tokens() -> Iterator[Metric]:
    entries = Entry.objects.order_by().values_list("kind").annotate(Sum("amount"))
    balances = (
        Account.objects.annotate(what=Value("balances"))
        .values_list("what")
        .annotate(Sum("balance"))
    )
    # One statement, which sees one moment: a charge between two would look like a loss.
    sums = dict(entries.union(balances, all=True))
    tokens = CounterMetricFamily(
        "videostudio_tokens", "Tokens by what happened to them", labels=["kind"]
    )
    for kind in KINDS:
        tokens.add_metric([kind], abs(sums.get(kind, 0)))
    yield tokens
    yield _gauge(
        "ledger_imbalance_tokens",
        "All balances less the sum of all entries: anything but 0 is an alarm",
        (sums.pop("balances", None) or 0) - sum(sums.values()),
    )


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"videostudio_{name}", what, value=value)
