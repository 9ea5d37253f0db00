"""`docs/faults.md`: made of what the faults did, and compared with it."""

from pathlib import Path

from tests.faults.fault import Fault
from tests.faults.lists import FAULTS
from tests.faults.studio import Studio

FILE = Path(__file__).parents[2] / "docs" / "faults.md"
INTRODUCTION = """\
# Faults
What becomes of a job when something goes wrong, as the tests in `tests/faults` see it: they play
each fault with the real SDKs against imitations of Google and Cloudinary, compare what happens with
this table, and write it anew by `python -m tests.faults --write`.

- *after*: minutes from the order to its end; nothing stands for less than half of one.
- *calls*: submissions, polls and uploads that arrived, the last, successful ones included.
- *the client reads*: what its log says beyond the usual; after ❌ it is the `errorMessage`.
- *staff read*: the internal lines of the job. Of failures in a row only the first has a line.
"""
COLUMNS = (
    *("fault", "status", "errorCode", "after", "calls"),
    *("tokens", "the client reads", "staff read"),
)
OUTDATED = "docs/faults.md is out of date: python -m tests.faults --write"
LONGEST = 110  # characters of a line that staff read


def row(fault: Fault, studio: Studio) -> str:
    """The fault's line of the table, by what it did to the studio."""
    staff = [f"`{_cut(line)}`" for line in studio.read_by_staff()]
    cells = (
        fault.name,
        fault.status,
        fault.error_code and f"`{fault.error_code}`",
        studio.minutes() and f"{studio.minutes()} min",
        " / ".join(map(str, studio.calls())),
        fault.money,
        "<br>".join(studio.read_by_the_client()) if fault.status != "gone" else "404",
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
    """The whole file with these lines; those of faults that were not played stay out."""
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
