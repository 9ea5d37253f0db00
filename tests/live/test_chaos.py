"""A short round of `make chaos`: kill -9 at random, one restart of the database, nothing lost."""

import random
import subprocess
import sys

import pytest

from tests.run import PROJECT


@pytest.mark.live
@pytest.mark.only_on("postgresql")
class TestRandomKills:
    def test_no_job_and_no_token_is_lost(self):
        arguments = ["--seed", str(random.randrange(1_000_000)), "--jobs", "30", "--kills", "5"]
        command = [sys.executable, "-m", "bench.chaos", *arguments]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
