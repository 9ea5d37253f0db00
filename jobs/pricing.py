"""What a video costs, in whole tokens. Every price that is charged or shown comes from here.

Without a table each video costs VIDEO_TOKEN_COSTS. With VIDEO_PRICES the cost is the length times
the price of a second, which depends on model, resolution and sound. The cost of an existing job is
in its row and in the ledger: a new table does not change it.
"""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from django.conf import settings

from jobs.catalog import (
    ASPECT_RATIOS,
    DURATIONS,
    MODELS,
    OPERATION,
    RESOLUTIONS,
    VideoSpec,
    refusals,
)

MOST_A_SECOND = 1_000_000  # a job's cost fits into its column many times
PARTS = ("perSecond", "sound")

Table = dict[str, dict[str, dict[str, int]]]  # PARTS by model and resolution


class NoPrice(Exception):
    """VIDEO_PRICES has no price for a video of an earlier catalog."""


def tokens(spec: VideoSpec) -> int:
    """What a job for `spec` costs if it is ordered now. Raises NoPrice."""
    if spec.mock_mode and settings.VIDEO_MOCK_TOKENS is not None:
        return settings.VIDEO_MOCK_TOKENS
    if not settings.VIDEO_PRICES:
        return settings.VIDEO_TOKEN_COSTS[OPERATION]
    try:
        price = settings.VIDEO_PRICES[spec.model][spec.resolution]
    except KeyError:
        raise NoPrice from None
    second = price["perSecond"] + (price["sound"] if spec.generate_audio else 0)
    return spec.duration_seconds * second


def combinations(model: str) -> Iterator[VideoSpec]:
    """Each resolution, length and sound that can be ordered of `model`, as a real video."""
    for resolution, seconds, sound in product(RESOLUTIONS, DURATIONS, (False, True)):
        spec = VideoSpec(
            prompt="Any",
            model=model,
            resolution=resolution,
            aspect_ratio=ASPECT_RATIOS[0],
            duration_seconds=seconds,
            generate_audio=sound,
            mock_mode=False,
        )
        if not list(refusals(spec)):
            yield spec


def highest(models: Iterable[str] = MODELS) -> int:
    """The most that a video of these models can cost."""
    return max(tokens(spec) for model in models for spec in combinations(model))


def check(table: Table) -> None:
    """Raise ValueError, with a sentence, unless `table` has a valid price for each video."""
    _check_names(table, MODELS, "the table")
    for model, resolution in product(MODELS, RESOLUTIONS):
        _check_names(table[model], RESOLUTIONS, model)
        _check_price(table[model][resolution], f"{model} at {resolution}")


def _check_names(found: Any, names: Iterable[str], where: str) -> None:
    """`found` must be an object with these names and no others."""
    if not isinstance(found, dict):
        raise ValueError(f"{where} must have an object with {', '.join(names)}")
    for name in names:
        if name not in found:
            raise ValueError(f"{where} has no {name}")
    for name in found:
        if name not in names:
            raise ValueError(f"{where} has {name!r}, which does not exist")


def _check_price(price: Any, where: str) -> None:
    _check_names(price, PARTS, where)
    for part, amount in price.items():
        if type(amount) is not int or not 0 <= amount <= MOST_A_SECOND:
            raise ValueError(
                f"{where}: {part} must be a whole number of tokens from 0 to {MOST_A_SECOND:,}"
            )
