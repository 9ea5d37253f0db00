"""A scrape of `/metrics`."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from videostudio.core import process_metrics

TOKEN = "scraping-is-allowed"
Scrape = Callable[[], dict[str, Any]]


@pytest.fixture
def metrics_token(settings):
    settings.METRICS_TOKEN = TOKEN


@pytest.fixture
def scrape(metrics_token, anonymous) -> Scrape:
    """All samples of a scrape: {name: value}, or {name: {labels: value}}."""

    def scrape():
        answer = anonymous.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200, answer.content
        assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
        found: dict[str, dict] = {}
        for family in text_string_to_metric_families(answer.content.decode()):
            assert family.documentation
            for sample in family.samples:
                name = sample.name.removeprefix("videostudio_")
                labels = tuple(value for _, value in sorted(sample.labels.items()))
                found.setdefault(name, {})[labels] = sample.value
        return {name: samples.get((), samples) for name, samples in found.items()}

    return scrape


@pytest.fixture
def added():
    """By how much a counter of this process has grown since the test began: added(name, *labels),
    the labels in the order of their names."""

    def figures() -> dict[tuple[str, ...], float]:
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for metric in process_metrics.collect()
            for sample in metric.samples
        }

    def added(name: str, *labels: str) -> float:
        series = (f"videostudio_{name}", *labels)
        return figures().get(series, 0) - before.get(series, 0)

    before = figures()
    return added
