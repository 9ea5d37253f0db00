"""A short round of bench/chaos.py: kill -9 at random, one restart of the database, nothing lost."""

import random

import pytest

from bench import chaos


@pytest.mark.live
@pytest.mark.only_on("postgresql")
class TestChaos:
    def test_loses_nothing(self):
        seed = random.randrange(1_000_000)
        broken = chaos.run(seed=seed, jobs=60, kills=8, say=print)
        assert not broken, f"seed {seed}: {broken}"
