"""The processes of this machine, from /proc."""

from pathlib import Path


def alive(mark: str) -> dict[int, str]:
    """The command line of each process whose environment has `mark`, a "NAME=value"."""
    return {
        pid: _proc(pid, "cmdline").replace(b"\0", b" ").decode().strip()
        for pid in pids()
        if mark.encode() in _proc(pid, "environ").split(b"\0")
    }


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def parent(pid: int) -> int:
    stat = _proc(pid, "stat")  # "12 (name) S 11 …"; the name may contain anything, even brackets
    return int(stat.rpartition(b")")[2].split()[1]) if stat else 0


def _proc(pid: int, name: str) -> bytes:
    """A file of /proc; empty if the process has ended or is another user's."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
