from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from videostudio.cache import CountingDatabaseCache


@pytest.fixture
def cache():
    cache = CountingDatabaseCache("django_cache", {})
    cache.clear()
    return cache


def expiry(cache, key):
    with connection.cursor() as cursor:
        name = cache.make_key(key)
        cursor.execute("SELECT expires FROM django_cache WHERE cache_key = %s", [name])
        return cursor.fetchone()


@pytest.mark.django_db
class TestCountingCache:
    def test_adds(self, cache):
        cache.set("n", 5)
        assert [cache.incr("n"), cache.incr("n", 10), cache.decr("n", 2)] == [6, 16, 14]
        assert cache.get("n") == 14

    def test_keeps_the_expiry(self, cache):
        cache.set("n", 1, timeout=7777)
        before = expiry(cache, "n")
        cache.incr("n")
        assert expiry(cache, "n") == before

    def test_keeps_versions_apart(self, cache):
        cache.set("n", 1, version=2)
        assert cache.incr("n", version=2) == 2
        with pytest.raises(ValueError, match="not found"):
            cache.incr("n")

    def test_knows_no_number_that_is_missing_or_over(self, cache, monkeypatch):
        with pytest.raises(ValueError, match="not found"):
            cache.incr("n")
        cache.set("n", 1, timeout=60)
        later = timezone.now() + timedelta(seconds=90)
        monkeypatch.setattr(timezone, "now", lambda: later)
        with pytest.raises(ValueError, match="not found"):
            cache.incr("n")

    def test_holds_more_than_the_stock_three_hundred(self, cache):
        cache.set("a_counter", 1)
        for n in range(400):
            cache.set(f"z{n}", 1)
        assert cache.incr("a_counter") == 2

    def test_can_be_told_how_many(self):
        assert CountingDatabaseCache("t", {"OPTIONS": {"MAX_ENTRIES": 7}})._max_entries == 7
