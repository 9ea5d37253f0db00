import sys
from typing import Any

from django.core.management.base import BaseCommand

from jobs import model_availability
from jobs.providers import veo_check


class Command(BaseCommand):
    help = (
        "Says whether Google accepts the key, the project, the region and each model, a line each. "
        "Makes no video. Exits with 0 if all is well, 1 if Google did not answer, 2 without a key, "
        "3 for a wrong key, 4 for the project, 5 for the region, 6 if a model has ended."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        names = model_availability.names_by_google_id()
        findings = veo_check.findings(models=names)
        for finding in findings:
            aliases = (
                f" (ordered as {', '.join(names[finding.subject])})"
                if finding.subject in names
                else ""
            )
            self.stdout.write(f"{finding.subject}: {finding.sentence}{aliases}")
        sys.exit(min((each.problem for each in findings if each.problem), default=0))
