from datetime import timedelta

import pytest
from django.utils import timezone

from videostudio.core.cache import CountingDatabaseCache

pytestmark = pytest.mark.both  # SQL of our own


@pytest.fixture
def cache(db):
    cache = CountingDatabaseCache("django_cache", {})
    cache.clear()
    return cache


@pytest.fixture
def later(monkeypatch):
    """Moves the clock on by so many seconds."""
    began = timezone.now()

    def later(seconds):
        monkeypatch.setattr(timezone, "now", lambda: began + timedelta(seconds=seconds))

    return later


class TestCountingCache:
    def test_each_key_is_counted(self, cache):
        assert [cache.count(key, 60) for key in "aabaa"] == [1, 2, 1, 3, 4]

    def test_count_restarts_once_purged(self, cache, later):
        cache.count("n", 60)
        later(50)
        assert cache.count("n", 60) == 2  # which does not prolong it
        assert cache.purge() == 0
        later(61)
        assert cache.purge() == 1
        assert cache.count("n", 60) == 1

    def test_purge_removes_only_expired_keys(self, cache, later):
        cache.set("old", "x", timeout=10)
        cache.set("young", "x", timeout=100)
        later(50)
        assert cache.purge() == 1
        assert cache.get("young") == "x"

    def test_more_than_djangos_300_keys_are_kept(self, cache):
        cache.count("a_counter", 600)
        for n in range(400):
            cache.set(f"z{n}", 1)
        assert cache.count("a_counter", 600) == 2
