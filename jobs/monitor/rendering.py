"""The live part of a page as HTML: written once for each state of things, sent many times."""

import gzip
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.template.loader import render_to_string

from jobs.models import Status
from jobs.monitor import formatting, status_message
from jobs.monitor.public_jobs import PAGE, Card
from jobs.monitor.pulse import Pulse, Usual, origin

LOOK_AGAIN, LOOK_SELDOM = 2, 10  # seconds, while something is active and while nothing is


@dataclass(frozen=True)
class Fragment:
    """`packed` is the HTML, gzipped; `origins` are the hosts, other than ours, of its videos.

    `card` is that of a single job's page, but for the job's log.
    """

    packed: bytes
    etag: str
    pace: int
    origins: tuple[str, ...]
    found_at: datetime
    card: Card | None = None

    @property
    def html(self) -> str:
        return gzip.decompress(self.packed).decode()


def board(
    *, cards: list[Card], status: str, number: int, pulse: Pulse, usual: Usual, now: datetime
) -> Fragment:
    """A page of jobs, under what is true of the service."""
    count = pulse.counts[status] if status else pulse.total
    context = {
        "cards": cards,
        "status": status,
        "number": number,
        "pages": max(1, -(-count // PAGE)),
        "filters": [("", "All", pulse.total)]
        + [(name, formatting.named(name), n) for name, n in pulse.counts.items()],
        "pulse": pulse,
        "usual": usual,
        "truth": status_message.of(pulse, now=now),
    }
    busy = pulse.counts[Status.PENDING] + pulse.counts[Status.RUNNING] > 0
    return _fragment("monitor/board.html", context, cards, usual, busy, now)


def single(*, card: Card, usual: Usual, now: datetime) -> Fragment:
    """One job, on its own page."""
    fragment = _fragment("monitor/single.html", {"card": card}, [card], usual, not card.ended, now)
    return replace(fragment, card=replace(card, lines=()))


def _fragment(
    template: str,
    context: dict[str, Any],
    cards: Iterable[Card],
    usual: Usual,
    busy: bool,
    now: datetime,
) -> Fragment:
    pace = LOOK_AGAIN if busy else LOOK_SELDOM
    html = render_to_string(template, context | {"pace": pace}).encode()
    urls = {origin(url) for card in cards for url in (card.video_url, card.poster_url)}
    return Fragment(
        packed=gzip.compress(html, mtime=0),
        etag=f'W/"{sha256(html).hexdigest()[:20]}"',
        pace=pace,
        origins=tuple(sorted({*urls, *usual.hosts} - {""})),
        found_at=now,
    )
