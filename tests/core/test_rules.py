"""The alert rules and the dashboard: Prometheus accepts them, and each alert is explained."""

import json
import re

import pytest
import yaml

from jobs.stats import periodic
from tests import debian
from tests.docs.markdown import anchors
from tests.promql import DASHBOARD, RULES, alerts, panels, queries
from tests.run import PROJECT

pytestmark = pytest.mark.once

TESTS = [PROJECT / "deploy/prometheus" / name for name in ("rules_test.yml", "slo_test.yml")]


class TestRules:
    @pytest.mark.slow
    def test_prometheus_accepts_the_rules(self):
        assert "FAILED" not in debian.run("promtool", "check", "rules", *RULES)

    @pytest.mark.slow
    def test_alerts_fire_when_they_should(self):
        assert "SUCCESS" in debian.run("promtool", "test", "rules", *TESTS)

    def test_each_alert_fires_in_a_test(self):
        tested = re.findall(r'alertname="(\w+)"', "".join(file.read_text() for file in TESTS))
        assert {rule["alert"] for rule in alerts()} == set(tested)

    def test_each_alert_has_a_severity_a_summary_and_a_section_of_the_runbook(self):
        sections = anchors(PROJECT / "docs/runbook.md") - {"runbook"}
        for rule in alerts():
            assert rule["labels"]["severity"] in ("page", "ticket")
            assert rule["annotations"]["summary"]
            page, anchor = rule["annotations"]["runbook_url"].split("#")
            assert page.endswith("/docs/runbook.md")
            assert anchor == rule["alert"].lower()
        assert sections == {rule["alert"].lower() for rule in alerts()}

    def test_rules_name_all_periodic_tasks(self):
        names = re.findall(r'task=~"([^"]+)"', " ".join(rule["expr"] for rule in alerts()))
        assert set("|".join(names).split("|")) == set(periodic.NAMES)


class TestDashboard:
    @pytest.mark.slow
    def test_prometheus_accepts_its_queries(self, tmp_path):
        rules = [
            {"record": f"query_{number}", "expr": query.text}
            for number, query in enumerate(queries())
        ]
        file = tmp_path / "queries.yml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
        assert f"{len(rules)} rules found" in debian.run("promtool", "check", "rules", file)

    def test_panels_do_not_overlap(self):
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(DASHBOARD.read_text())["panels"]:
            at = panel["gridPos"]
            columns, rows = range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
            cells = {(x, y) for x in columns for y in rows}
            assert not cells & taken, panel["title"]
            assert max(columns) < 24
            taken |= cells

    def test_ids_and_titles_are_unique(self):
        for key in ("id", "title"):
            values = [panel[key] for panel in panels()]
            assert len(values) == len(set(values))

    def test_recorded_series_exist(self):
        recorded = {query.where for query in queries()}
        used = {
            name for query in queries() for name in re.findall(r"videostudio:\w+:\w+", query.text)
        }
        assert used <= recorded
