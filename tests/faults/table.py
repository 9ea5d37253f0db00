"""Write `docs/faults.md` from the results of the faults, and compare them with it."""

from pathlib import Path
from typing import Any

from tests.faults.fault import Fault
from tests.faults.lists import FAULTS
from tests.faults.studio import Studio, minutes, unusual_lines

FILE = Path(__file__).parents[2] / "docs" / "faults.md"
INTRODUCTION = """\
# Faults
What happens to a job in each failure. The tests in `tests/faults` cause each failure with the real
SDKs and fake servers of Google and Cloudinary, and compare the result with this table, which
`python -m tests.faults --write` writes.

- *after*: minutes from the order to the end of the job; empty if less than half a minute.
- *calls*: submissions, polls and uploads that the fake servers received, including successful ones.
- *tokens*: whether the job stays charged or is refunded.
- *the client reads*: additional lines of the log; the line with ❌ is also the `errorMessage`.
- *staff read*: the internal lines of the log. Consecutive failures have one line.
"""
COLUMNS = (
    *("fault", "status", "errorCode", "after", "calls"),
    *("tokens", "the client reads", "staff read"),
)
OUTDATED = "docs/faults.md is out of date: python -m tests.faults --write"
LONGEST = 110  # characters of a line that staff read


def row(fault: Fault, studio: Studio, job: dict[str, Any] | None) -> str:
    """The line of the table for a fault, from its result: `job` as its owner sees it."""
    staff = [f"`{_cut(line)}`" for line in studio.read_by_staff()]
    cells = (
        fault.name,
        fault.status,
        fault.error_code and f"`{fault.error_code}`",
        (took := minutes(job)) and f"{took} min",
        " / ".join(map(str, studio.calls())),
        fault.money,
        "<br>".join(unusual_lines(job)) if job else "404",
        "<br>".join(staff),
    )
    return _line(*(str(cell or "").replace("|", "\\|") for cell in cells))


def written() -> dict[tuple[str, str], str]:
    """The lines of the file, by section and name of the fault."""
    lines: dict[tuple[str, str], str] = {}
    section = ""
    for line in FILE.read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("| ") and line != _line(*COLUMNS):
            lines[section, line.split(" | ")[0].removeprefix("| ")] = line
    return lines


def text(lines: dict[tuple[str, str], str]) -> str:
    """The whole file with these lines, without faults that did not run."""
    parts = [INTRODUCTION]
    for section, faults in FAULTS.items():
        rows = [lines[section, each.name] for each in faults if (section, each.name) in lines]
        parts.append("\n".join([f"## {section}", _line(*COLUMNS), "|---" * len(COLUMNS) + "|"]))
        parts.append("".join(f"{row}\n" for row in rows))
    return "\n".join(parts)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
