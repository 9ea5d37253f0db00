import sys
from typing import Any

from django.core.management.base import BaseCommand

from jobs import doctor
from jobs.doctor import Level


class Command(BaseCommand):
    help = (
        "Tries each thing that the service depends on, and prints a line for each: settings, "
        "database, migrations, cache, workers, clock, storage, Google, disk. Stores and deletes "
        "one small video; makes none. Exits with 1 if anything failed."
    )
    requires_system_checks = []  # they are part of the report

    def handle(self, *args: Any, **options: Any) -> None:
        styles = {Level.FAILED: self.style.ERROR, Level.WARNING: self.style.WARNING}
        findings = []
        for finding in doctor.examine():
            findings.append(finding)
            style = styles.get(finding.level, str)
            line = f"{finding.part:<12}{finding.level:<12}{finding.sentence}"
            self.stdout.write(style(line))
        self.stdout.write(self._verdict(findings))
        sys.exit(int(any(finding.level == Level.FAILED for finding in findings)))

    def _verdict(self, findings: list[doctor.Finding]) -> str:
        parts = {
            level: ", ".join(dict.fromkeys(each.part for each in findings if each.level == level))
            for level in Level
        }
        if failed := parts[Level.FAILED]:
            return f"Verdict: the service cannot do all of its work. Failed: {failed}."
        if warned := parts[Level.WARNING]:
            return f"Verdict: the service can work. Warnings: {warned}."
        return "Verdict: the service can work."
