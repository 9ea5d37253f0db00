"""A table of prices in which no two differ by accident."""

from typing import Any

from jobs.catalog import MODELS, RESOLUTIONS

PRICES: dict[str, Any] = {
    model: {
        resolution: {"perSecond": 3 + 10 * m + 4 * r, "sound": 1 + m + 2 * r}
        for r, resolution in enumerate(RESOLUTIONS)
    }
    for m, model in enumerate(MODELS)
}


def price(*, model: str, resolution: str, seconds: int, sound: bool) -> int:
    """What a video costs by PRICES."""
    prices = PRICES[model][resolution]
    return sum(prices["perSecond"] + sound * prices["sound"] for _ in range(seconds))
