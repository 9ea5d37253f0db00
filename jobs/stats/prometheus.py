"""The metrics of `/metrics`.

Most describe the installation and are read from the database at each scrape. Those of the processes
on this machine are in files (`videostudio.core.process_metrics`). While the database is down, only
they are served.

The number of statements, and the rows that they read, do not depend on the number of ended jobs:
active jobs are counted, ended ones are in the counters, and of the ledger only the entries since
the last check are added up. The accounts are added up once in five minutes.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import accumulate
from math import inf
from platform import python_version
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.db import Error
from django.db.models import Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from jobs import model_availability
from jobs.models import Stage, Status, Tally, WebhookDelivery
from jobs.stats import counters, database, local_processes, periodic, processes, queries
from tokens_ledger import sums as ledger_sums
from tokens_ledger.models import Entry, LedgerCheck
from videostudio.core import process_metrics

logger = logging.getLogger(__name__)

STATES = [(Status.PENDING, ""), *((Status.RUNNING, stage) for stage in Stage)]
COUNTS = [
    (counters.ENDED, "ended_jobs", "Jobs that ended", "status", "error_code"),
    (counters.ANSWERS, "upstream_answers", "Responses from Veo", "call", "code"),
]
HISTOGRAMS = [
    (counters.WAIT, "order_to_start", "From the order to the first start", "model"),
    (counters.VIDEO, "order_to_video", "From the order to the stored video", "model"),
    (counters.GENERATION, "generation", "From the submission to the finished video", "provider"),
    (counters.STORAGE, "storage", "From the finished video to the stored one", "provider"),
]
KINDS = (Entry.Kind.GRANT, Entry.Kind.CHARGE, Entry.Kind.REFUND)
IMBALANCE_SECONDS = 300  # all accounts are read, so not at each scrape


class Figures(Collector):
    """All metrics. `collect` is called once per scrape."""

    def collect(self) -> Iterator[Metric]:
        try:
            yield from list(_of_installation(timezone.now()))
            is_up = True
        except Error as error:
            logger.warning("metrics without the database: %s", type(error).__name__)
            is_up = False
        yield gauge("database_up", "0 if the database does not answer", is_up)
        build = ("version", "python"), [((processes.version(), python_version()), 1)]
        yield gauges("build_info", "The code of this process", *build)
        yield from process_metrics.collect()


def _of_installation(now: datetime) -> Iterator[Metric]:
    yield from _database()
    yield from _jobs(now)
    yield from _clock(now)
    yield from _models()
    yield from _tallied()
    yield from _webhooks(now)
    yield from _removals(now)
    yield from _tokens()
    yield from _ledger_check(now)
    yield from _processes(now)
    yield from _periodic_tasks(now)


REGISTRY = CollectorRegistry(auto_describe=False)  # else registering would query the database
REGISTRY.register(Figures())


def text() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)


def _database() -> Iterator[Metric]:
    seconds = database.round_trip_seconds()
    yield gauge("database_round_trip_seconds", "Of the shortest statement", seconds)
    if found := database.connections():
        yield gauge("database_connections", "Open connections to the server", found.open)
        yield gauge("database_connections_limit", "How many this role may have", found.limit)


def _jobs(now: datetime) -> Iterator[Metric]:
    active = queries.active_jobs()
    states = ((state, active.counts.get(state, 0)) for state in STATES)
    yield gauges("active_jobs", "PENDING and RUNNING jobs", ("status", "stage"), states)
    yield gauge("queue_depth", "PENDING jobs", active.pending)
    yield gauge(
        "oldest_wait_seconds",
        "How long the oldest PENDING job has waited",
        active.oldest_wait(now=now),
    )
    what = "Finished videos whose storing failed and is tried again"
    yield gauge("unstored_videos", what, active.unstored)
    yield gauge(
        "oldest_unstored_seconds",
        "Since the oldest of them was generated",
        active.oldest_unstored_age(now=now),
    )
    yield gauge("held_jobs", "PENDING jobs that staff must run or refund", active.held)
    yield gauge("upstream_in_flight", "Jobs in flight at Google Veo", active.in_flight)
    limit = settings.VEO_MAX_IN_FLIGHT
    yield gauge("upstream_in_flight_limit", "VEO_MAX_IN_FLIGHT of this web process", limit)
    yield gauge("queued_tasks", "Tasks in the queue of the workers", queries.queued_tasks())


def _clock(now: datetime) -> Iterator[Metric]:
    clocks = queries.clocks()
    age, closed = clocks.tick_age(now=now), clocks.paused_until - now
    yield gauge("tick_age_seconds", "Since the last tick of any cluster", age.total_seconds())
    closed_seconds = max(0, closed.total_seconds())
    yield gauge("gate_closed_seconds", "Until submissions to Google resume", closed_seconds)


def _models() -> Iterator[Metric]:
    missing = {row.google_id for row in model_availability.unavailable()}
    models = model_availability.names_by_google_id()
    rows = [([google_id], google_id not in missing) for google_id in sorted(models)]
    yield gauges("model_available", "0 if Google no longer has the model", ("model",), rows)


def _tallied() -> Iterator[Metric]:
    found: dict[str, list[tuple]] = defaultdict(list)
    rows = Tally.objects.order_by("name", "kind", "value")
    for name, *labels, count, seconds in rows.values_list(
        "name", "kind", "value", "count", "seconds"
    ):
        found[name].append((labels, count, seconds))
    for tally, name, what, *labels in COUNTS:
        yield counts(name, what, labels, found[tally])
    delivered = {kind: count for (kind, _), count, _ in found[counters.WEBHOOKS]}
    results = (([kind], delivered.get(kind, 0)) for kind in ("delivered", "failed"))
    yield counts("webhook_deliveries", "Events sent, or given up", ("result",), results)
    restarts = (([kind], count) for (kind, _), count, _ in found[counters.RESTARTS])
    yield counts("cluster_restarts", "Clusters that were replaced", ("reason",), restarts)
    for tally, name, what, label in HISTOGRAMS:
        yield histogram(tally, name, what, label, found[tally])


def _webhooks(now: datetime) -> Iterator[Metric]:
    oldest = WebhookDelivery.objects.filter(next_try_at__lte=now).order_by("next_try_at")
    due = oldest.values_list("next_try_at", flat=True).first()
    age = (now - due).total_seconds() if due else 0
    yield gauge("webhook_oldest_due_seconds", "Since the oldest due delivery was due", age)


def _removals(now: datetime) -> Iterator[Metric]:
    found = queries.removals()
    what = "Removed videos that the storage still has"
    yield gauge("video_removals", what, found.waiting)
    yield gauge("video_removals_failed", "Those whose deletion failed", found.failed)
    age = found.oldest_age(now=now)
    yield gauge("oldest_video_removal_seconds", "Since the oldest of them was removed", age)


def _tokens() -> Iterator[Metric]:
    sums = ledger_sums.by_kind()
    totals = (([kind], abs(sums[kind])) for kind in KINDS)
    imbalance: Any = caches["local"].get_or_set(
        "imbalance", ledger_sums.imbalance, IMBALANCE_SECONDS
    )
    outstanding = sum(sums.values()) + imbalance
    yield counts("tokens", "Tokens by kind of entry", ("kind",), totals)
    yield gauge("tokens_outstanding", "Tokens on all accounts", outstanding)
    yield gauge("ledger_imbalance_tokens", "Balances minus entries; 0 if in order", imbalance)


def _ledger_check(now: datetime) -> Iterator[Metric]:
    """From the last completed check on; its findings remain if later checks time out."""
    completed = LedgerCheck.objects.filter(completed=True).order_by("-id").values("id")[:1]
    since = LedgerCheck.objects.filter(id__gte=Coalesce(Subquery(completed), 0)).order_by("-id")
    checks = list(since.values_list("completed", "findings", "ran_at"))
    age = (now - checks[-1][2]).total_seconds() if checks and checks[-1][0] else inf
    done, findings = bool(checks) and checks[0][0], max((check[1] for check in checks), default=0)
    yield gauge("ledger_check_age_seconds", "Since the last completed check", age)
    yield gauge("ledger_check_completed", "1 if the last check was completed, else 0", done)
    yield gauge("ledger_check_findings", "Findings of the last check; 0 if in order", findings)


def _processes(now: datetime) -> Iterator[Metric]:
    """Without hosts and process ids: each value of a label is a series that Prometheus keeps."""
    found = processes.current(now=now)
    kinds = processes.Kind.values
    silent = [([kind], len(found.silent(kind))) for kind in kinds]
    oldest = [([kind], found.oldest_age(kind)) for kind in kinds]
    yield gauges("processes", "Live processes", ("kind", "version"), sorted(found.alive().items()))
    yield gauges("silent_processes", "Processes without a heartbeat", ("kind",), silent)
    yield gauges("oldest_heartbeat_age_seconds", "Since the oldest heartbeat", ("kind",), oldest)
    used = local_processes.usage(found)
    memory = [([kind], each.resident_bytes) for kind, each in used.items()]
    cpu = [([kind], each.cpu_seconds) for kind, each in used.items()]
    what = "Resident memory of this machine's processes"
    yield gauges("process_resident_memory_bytes", what, ("kind",), memory)
    yield counts("process_cpu_seconds", "CPU time of this machine's processes", ("kind",), cpu)


def _periodic_tasks(now: datetime) -> Iterator[Metric]:
    def age(at: datetime | None) -> float:
        return (now - at).total_seconds() if at else inf

    runs = periodic.last_runs()
    started = [([run.name], age(run.started_at)) for run in runs]
    succeeded = [([run.name], age(run.finished_at)) for run in runs]
    failed = [([run.name], run.has_failed) for run in runs]
    name, labels = "periodic_task", ("task",)
    yield gauges(f"{name}_started_age_seconds", "Since its last start", labels, started)
    yield gauges(f"{name}_success_age_seconds", "Since its last success", labels, succeeded)
    yield gauges(f"{name}_failed", "1 if the last run that ended failed", labels, failed)


# ---- Metric families in Prometheus' form ----


def gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"videostudio_{name}", what, value=value)


def gauges(name: str, what: str, labels: Iterable[str], rows: Iterable[Any]) -> Metric:
    """Each of `rows` has the values of the labels, and a figure."""
    family = GaugeMetricFamily(f"videostudio_{name}", what, labels=tuple(labels))
    for values, figure in rows:
        family.add_metric(values, figure)
    return family


def counts(name: str, what: str, labels: Iterable[str], rows: Iterable[Any]) -> Metric:
    """Each of `rows` has the values of the labels, a number, and what is not used here."""
    family = CounterMetricFamily(f"videostudio_{name}", what, labels=tuple(labels))
    for values, count, *_ in rows:
        family.add_metric(values, count)
    return family


def histogram(
    tally: str, name: str, what: str, label: str, rows: Iterable[tuple[list[str], int, float]]
) -> Metric:
    """Durations from a tally's rows: the label's value and a bucket, a count, and seconds."""
    family = HistogramMetricFamily(f"videostudio_{name}_seconds", what, labels=[label])
    found: dict[str, dict[str, tuple[int, float]]] = {}
    for (value, le), count, seconds in rows:
        found.setdefault(value, {})[le] = count, seconds
    bounds = counters.bounds(tally)
    for value, mine in sorted(found.items()):
        cumulative = accumulate(mine.get(le, (0, 0))[0] for le in bounds)
        total = sum(seconds for _, seconds in mine.values())
        family.add_metric([value], list(zip(bounds, cumulative, strict=True)), total)
    return family
