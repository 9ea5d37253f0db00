"""The service's metrics, read from the database at each scrape: processes share nothing else.

The number of statements, and the rows that they read, do not depend on the number of ended jobs:
active jobs are counted, ended ones are in the counters, and of the ledger only the accounts and the
entries since the last check are added up.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import accumulate
from math import inf
from typing import Any

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
from jobs.stats import counters, periodic, processes, queries
from tokens_ledger import sums as ledger_sums
from tokens_ledger.models import Entry, LedgerCheck

STATES = [(Status.PENDING, ""), *((Status.RUNNING, stage) for stage in Stage)]
KINDS = (Entry.Kind.GRANT, Entry.Kind.CHARGE, Entry.Kind.REFUND)


class Figures(Collector):
    """All metrics. `collect` is called once per scrape."""

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
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


def _jobs(now: datetime) -> Iterator[Metric]:
    active = queries.active_jobs()
    counts = ((state, active.counts.get(state, 0)) for state in STATES)
    yield _gauges("active_jobs", "PENDING and RUNNING jobs", ("status", "stage"), counts)
    yield _gauge("queue_depth", "PENDING jobs", active.pending)
    yield _gauge(
        "oldest_wait_seconds",
        "How long the oldest PENDING job has waited",
        active.oldest_wait(now=now),
    )
    what = "Finished videos whose storing failed and is tried again"
    yield _gauge("unstored_videos", what, active.unstored)
    yield _gauge(
        "oldest_unstored_seconds",
        "Since the oldest of them was generated",
        active.oldest_unstored_age(now=now),
    )
    yield _gauge("held_jobs", "PENDING jobs that staff must run or refund", active.held)
    yield _gauge("upstream_in_flight", "Jobs in flight at Google Veo", active.in_flight)


def _clock(now: datetime) -> Iterator[Metric]:
    clocks = queries.clocks()
    age, closed = clocks.tick_age(now=now), clocks.paused_until - now
    yield _gauge("tick_age_seconds", "Since the last tick of any cluster", age.total_seconds())
    closed_seconds = max(0, closed.total_seconds())
    yield _gauge("gate_closed_seconds", "Until submissions to Google resume", closed_seconds)


def _models() -> Iterator[Metric]:
    missing = {row.google_id for row in model_availability.unavailable()}
    models = model_availability.names_by_google_id()
    rows = [([google_id], google_id not in missing) for google_id in sorted(models)]
    yield _gauges("model_available", "0 if Google no longer has the model", ("model",), rows)


def _tallied() -> Iterator[Metric]:
    found: dict[str, list[tuple]] = defaultdict(list)
    rows = Tally.objects.order_by("name", "kind", "value")
    for name, *labels, count, seconds in rows.values_list(
        "name", "kind", "value", "count", "seconds"
    ):
        found[name].append((labels, count, seconds))
    yield _counters(
        "ended_jobs", "Jobs that ended", ("status", "error_code"), found[counters.ENDED]
    )
    yield _counters(
        "upstream_answers", "Responses from Veo", ("call", "code"), found[counters.ANSWERS]
    )
    counts = {kind: count for (kind, _), count, _ in found[counters.WEBHOOKS]}
    results = (([kind], counts.get(kind, 0), 0) for kind in ("delivered", "failed"))
    yield _counters("webhook_deliveries", "Events sent, or given up", ("result",), results)
    yield _histogram(counters.GENERATION, "From the submission to the finished video", found)
    yield _histogram(counters.STORAGE, "From the finished video to the stored one", found)


def _webhooks(now: datetime) -> Iterator[Metric]:
    oldest = WebhookDelivery.objects.filter(next_try_at__lte=now).order_by("next_try_at")
    due = oldest.values_list("next_try_at", flat=True).first()
    age = (now - due).total_seconds() if due else 0
    yield _gauge("webhook_oldest_due_seconds", "Since the oldest due delivery was due", age)


def _removals(now: datetime) -> Iterator[Metric]:
    found = queries.removals()
    what = "Removed videos that the storage still has"
    yield _gauge("video_removals", what, found.waiting)
    yield _gauge("video_removals_failed", "Those whose deletion failed", found.failed)
    age = found.oldest_age(now=now)
    yield _gauge("oldest_video_removal_seconds", "Since the oldest of them was removed", age)


def _tokens() -> Iterator[Metric]:
    sums, balances = ledger_sums.by_kind()
    totals = (([kind], abs(sums[kind]), 0) for kind in KINDS)
    imbalance = balances - sum(sums.values())
    yield _counters("tokens", "Tokens by kind of entry", ("kind",), totals)
    yield _gauge("tokens_outstanding", "Tokens on all accounts", balances)
    yield _gauge("ledger_imbalance_tokens", "Balances minus entries; 0 if in order", imbalance)


def _ledger_check(now: datetime) -> Iterator[Metric]:
    """From the last completed check on; its findings remain if later checks time out."""
    completed = LedgerCheck.objects.filter(completed=True).order_by("-id").values("id")[:1]
    since = LedgerCheck.objects.filter(id__gte=Coalesce(Subquery(completed), 0)).order_by("-id")
    checks = list(since.values_list("completed", "findings", "ran_at"))
    age = (now - checks[-1][2]).total_seconds() if checks and checks[-1][0] else inf
    done, findings = bool(checks) and checks[0][0], max((check[1] for check in checks), default=0)
    yield _gauge("ledger_check_age_seconds", "Since the last completed check", age)
    yield _gauge("ledger_check_completed", "1 if the last check was completed, else 0", done)
    yield _gauge("ledger_check_findings", "Findings of the last check; 0 if in order", findings)


def _processes(now: datetime) -> Iterator[Metric]:
    """Without hosts and process ids: each value of a label is a series that Prometheus keeps."""
    found = processes.current(now=now)
    kinds = processes.Kind.values
    silent = [([kind], len(found.silent(kind))) for kind in kinds]
    oldest = [([kind], found.oldest_age(kind)) for kind in kinds]
    yield _gauges("processes", "Live processes", ("kind", "version"), sorted(found.alive().items()))
    yield _gauges("silent_processes", "Processes without a heartbeat", ("kind",), silent)
    yield _gauges("oldest_heartbeat_age_seconds", "Since the oldest heartbeat", ("kind",), oldest)


def _periodic_tasks(now: datetime) -> Iterator[Metric]:
    def age(at: datetime | None) -> float:
        return (now - at).total_seconds() if at else inf

    runs = periodic.last_runs()
    started = [([run.name], age(run.started_at)) for run in runs]
    succeeded = [([run.name], age(run.finished_at)) for run in runs]
    failed = [([run.name], run.has_failed) for run in runs]
    name, labels = "periodic_task", ("task",)
    yield _gauges(f"{name}_started_age_seconds", "Since its last start", labels, started)
    yield _gauges(f"{name}_success_age_seconds", "Since its last success", labels, succeeded)
    yield _gauges(f"{name}_failed", "1 if the last run that ended failed", labels, failed)


# ---- Metric families ----


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"videostudio_{name}", what, value=value)


def _gauges(name: str, what: str, labels: Iterable[str], rows: Iterable[Any]) -> Metric:
    family = GaugeMetricFamily(f"videostudio_{name}", what, labels=tuple(labels))
    for values, figure in rows:
        family.add_metric(values, figure)
    return family


def _counters(name: str, what: str, labels: Iterable[str], rows: Iterable[Any]) -> Metric:
    family = CounterMetricFamily(f"videostudio_{name}", what, labels=tuple(labels))
    for values, count, _ in rows:
        family.add_metric(values, count)
    return family


def _histogram(name: str, what: str, found: dict[str, list[tuple]]) -> Metric:
    """Durations by provider, with cumulative buckets."""
    family = HistogramMetricFamily(f"videostudio_{name}_seconds", what, labels=["provider"])
    for provider in sorted({labels[0] for labels, _, _ in found[name]}):
        mine = {le: figures for (who, le), *figures in found[name] if who == provider}
        counts = accumulate(mine.get(le, (0, 0))[0] for le in counters.bounds(name))
        total = sum(seconds for _, seconds in mine.values())
        family.add_metric([provider], list(zip(counters.bounds(name), counts, strict=True)), total)
    return family
