"""Print the table beside the saved result, and the machines of both."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.run import PROJECT

KEPT = Path(__file__).parent.parent / "results.json"
IN_TURN = (", few jobs", ", many jobs")
# CPU of a request in web and its database connections.
TO_REACH = {
    "create": "6 ms or 8 floors",
    "poll": "2.2 floors",
    "poll, known": "2.2 floors",
    "list of 50": "5 ms",
}
MANY_TO_REACH = ("poll", "poll, known", "create", "create, one user", "list of 50")
MANY_PERCENT = 10
SINGLES = (
    ("60 jobs, 20 s upstream", "s", 30, "flight_seconds"),
    ("memory, web and cluster", "MB", 320, "memory_mb"),
    ("memory of web", "MB", None, "memory_mb.web"),
    ("memory of cluster", "MB", None, "memory_mb.cluster"),
    ("manage.py check", "s", 1.5, "start_up_seconds.check"),
    ("web until its first 200", "s", 2, "start_up_seconds.web"),
    ("cluster until its first tick", "s", 3, "start_up_seconds.cluster"),
)
HEAD = (
    f"{'':28}{'':8}{'milliseconds':>21}   {'CPU ms a request':^51}{'':17}   {'last kept':^21}\n"
    f"{'':28}{'req/s':>8}{'p50':>7}{'p95':>7}{'p99':>7}   {'web':>6}{'its db':>8}{'sum':>7}"
    f"{'x floor':>8}{'cluster':>8}{'its db':>7}{'client':>7}{'queries':>9}{'others':>8}   "
    f"{'req/s':>6}{'sum':>7}{'x floor':>8}   to reach"
)


def table(result: dict[str, Any], last: dict[str, Any]) -> Iterator[str]:
    rows, old_rows = result["rows"], last.get("rows", {})
    yield f"\n{_machine(result)}\n\n{HEAD}"
    for name, row in rows.items():
        yield _row(name, row, old_rows.get(name))
    yield ""
    for name in MANY_TO_REACH:
        if more := rows.get(name + IN_TURN[-1], {}).get("beside_few"):
            cpu, rate = more["cpu"] - 1, more["rate"] - 1
            label = f"100 times as many jobs: {name}"
            goal = f"to reach: CPU at most +{MANY_PERCENT}%"
            yield f"{label:42}CPU {cpu:>+5.0%}, req/s {rate:>+5.0%}   {goal}"
    yield ""
    for label, unit, most, path in SINGLES:
        if (value := _found(result, path)) is not None:
            before = _found(last, path)
            kept = "-" if before is None else f"{before:.1f}"
            goal = f"   to reach: under {most:g}" if most else ""
            yield f"{label:28}{value:>8.1f} {unit:3}   last kept {kept:>6}{goal}"
    yield f"\ntook {result['took_seconds']:.0f} s; last kept: {_machine(last) if last else 'none'}"


def cpu_of(row: dict[str, float]) -> float:
    return row["web"] + row["database"]


def in_floors(row: dict[str, float]) -> float:
    """The CPU relative to the floor's, measured before and after the case."""
    return cpu_of(row) / row["floor_cpu"]


def beside(many: list[dict[str, float]], few: list[dict[str, float]]) -> dict[str, float]:
    """The median ratios of CPU and rate between two services, slice by slice."""
    pairs = list(zip(many, few, strict=True))
    return {
        "cpu": statistics.median(cpu_of(one) / cpu_of(other) for one, other in pairs),
        "rate": statistics.median(one["rate"] / other["rate"] for one, other in pairs),
    }


def _row(name: str, row: dict[str, float], old: Any) -> str:
    times = "".join(f"{row[part]:>7.1f}" for part in ("p50", "p95", "p99"))
    total = cpu_of(row)
    cpu = f"{row['web']:>6.2f}{row['database']:>8.2f}{total:>7.2f}{in_floors(row):>8.2f}"
    cluster = "".join(
        f"{row[part]:>{width}.2f}"
        for part, width in (("cluster", 8), ("cluster_database", 7), ("client", 7))
    )
    before = f"{old['rate']:>6.0f}{cpu_of(old):>7.2f}" if old else f"{'-':>6}{'-':>7}"
    before += f"{in_floors(old):>8.2f}" if old and "floor_cpu" in old else f"{'-':>8}"
    goal = TO_REACH.get(name, "")
    figures = (
        f"{row['rate']:>8.0f}{times}   {cpu}{cluster}{row['queries']:>9}{row['others_share']:>8.0%}"
    )
    return f"{name:28}{figures}   {before}   {goal}"


def _found(one: dict[str, Any], path: str) -> float | None:
    """The number at `path`; if there are several, their sum."""
    value: Any = one
    for name in path.split("."):
        value = value.get(name) if value else None
    return sum(value.values()) if isinstance(value, dict) else value


# ---- The saved result ----


def last() -> dict[str, Any]:
    """The result in bench/results.json; empty if there is no file."""
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def write(result: dict[str, Any]) -> None:
    KEPT.write_text(json.dumps(_rounded(result), indent=1) + "\n")


def described() -> dict[str, Any]:
    """The machine and the commit."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True
    )
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
    }


def _machine(one: dict[str, Any]) -> str:
    return (
        "{commit}: {cores} cores of {cpu}, {memory_gb} GB, Python {python}, PostgreSQL {postgres}"
    ).format(**one)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return round(value, 3) if isinstance(value, float) else value
