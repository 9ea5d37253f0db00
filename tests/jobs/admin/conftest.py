import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def empty_cache(db):
    """The overview's figures are cached, and so is which forms were sent."""
    cache.clear()
