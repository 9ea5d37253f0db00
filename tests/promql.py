"""The queries of the alert rules and of the dashboard: which metrics and labels they need."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.run import PROJECT

RULES = [PROJECT / "deploy/prometheus" / name for name in ("rules.yml", "slo.yml")]
DASHBOARD = PROJECT / "deploy/grafana/videostudio.json"
OF_PROMETHEUS = {"instance", "job", "alertname", "severity", "alertstate", "le"}
SELECTOR = re.compile(r"\bvideostudio_(\w+)(?:\{([^}]*)\})?")
GROUPING = re.compile(r"\b(?:by|ignoring) \(([^)]*)\)")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')


@dataclass(frozen=True)
class Query:
    where: str
    text: str

    @property
    def metrics(self) -> dict[str, set[str]]:
        """The labels that are compared, by the name of the metric."""
        found: dict[str, set[str]] = {}
        for name, matchers in SELECTOR.findall(self.text):
            found.setdefault(name, set()).update(MATCHER.findall(matchers))
        return {name: labels - OF_PROMETHEUS for name, labels in found.items()}

    @property
    def groupings(self) -> set[str]:
        lists = ", ".join(GROUPING.findall(self.text))
        return {label.strip() for label in lists.split(",") if label.strip()} - OF_PROMETHEUS


def rules() -> list[dict[str, Any]]:
    return [
        rule
        for file in RULES
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def panels() -> list[dict[str, Any]]:
    return [each for each in json.loads(DASHBOARD.read_text())["panels"] if each["type"] != "row"]


def queries() -> Iterator[Query]:
    for rule in rules():
        yield Query(rule.get("alert") or rule["record"], rule["expr"])
    for panel in panels():
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "5m")
            yield Query(f"{panel['title']}: {target['legendFormat']}", expression)
