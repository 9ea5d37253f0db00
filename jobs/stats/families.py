"""Metric families in Prometheus' form, from figures that were read at the scrape."""

from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from jobs.stats import counters


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
