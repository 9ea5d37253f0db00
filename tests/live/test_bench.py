"""`make bench`, in short: it runs, and measures something."""

import os
import re
import subprocess
import sys

import pytest

from tests.run import PROJECT

pytestmark = [pytest.mark.live, pytest.mark.only_on("postgresql")]


class TestBench:
    def test_prints_a_table_of_one_case(self):
        command = [sys.executable, "-m", "bench.speed", "--only", "poll, known", "--seconds", "1"]
        environment = {n: os.environ[n] for n in ("PATH", "TMPDIR") if n in os.environ}
        done = subprocess.run(
            command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr
        rows = dict(re.findall(r"^(floor|poll, known) +([\d.]+) ", done.stdout, re.MULTILINE))
        assert set(rows) == {"floor", "poll, known"}
        assert all(float(rate) > 0 for rate in rows.values())
        assert re.search(r"^memory, web and cluster +[\d.]+ MB", done.stdout, re.MULTILINE)
