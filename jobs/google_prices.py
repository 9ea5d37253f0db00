"""Google's prices of a second of video, for the table that `manage.py price_table` suggests.

The service does not charge these prices. Update PRICES and READ_ON together.
"""

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from jobs.catalog import MODELS, RESOLUTIONS, google_id
from jobs.pricing import Table

SOURCE = "https://cloud.google.com/vertex-ai/generative-ai/pricing"  # Veo, online
READ_ON = date(2026, 11, 28)  # from copies of that page, not from an invoice


class Price(NamedTuple):
    """US dollars a second."""

    silent: Decimal
    with_sound: Decimal


def _price(silent: str, with_sound: str) -> Price:
    return Price(Decimal(silent), Decimal(with_sound))


# By Google's model id and the resolution.
PRICES: dict[str, dict[str, Price]] = {
    "veo-3.1-generate-001": {"720p": _price("0.20", "0.40"), "1080p": _price("0.20", "0.40")},
    "veo-3.1-fast-generate-001": {"720p": _price("0.08", "0.10"), "1080p": _price("0.10", "0.12")},
    "veo-3.1-lite-generate-001": {"720p": _price("0.03", "0.05"), "1080p": _price("0.05", "0.08")},
}


class UnknownPrice(Exception):
    """Google's price of this model (the argument) is not in PRICES."""


def suggest(*, margin: Decimal, token_price: Decimal, model_ids: Mapping[str, str]) -> Table:
    """A table for VIDEO_PRICES: Google's prices times `margin`, at `token_price` dollars a token.

    Each price of a second is rounded up to whole tokens. `model_ids` are those of VEO_MODEL_IDS.
    Raises UnknownPrice.
    """

    def tokens(dollars: Decimal) -> int:
        return int((dollars * margin / token_price).to_integral_value(ROUND_CEILING))

    def prices(name: str, resolution: str) -> dict[str, int]:
        id = google_id(name=name, overrides=model_ids)
        if id not in PRICES:
            raise UnknownPrice(id)
        silent, with_sound = map(tokens, PRICES[id][resolution])
        return {"perSecond": silent, "sound": with_sound - silent}

    return {name: {size: prices(name, size) for size in RESOLUTIONS} for name in MODELS}
