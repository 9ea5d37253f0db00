"""Render the live part of a page, the HTML that htmx requests again and again."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.template.loader import render_to_string

from jobs.monitor import figures as service_figures
from jobs.monitor import formatting, public_jobs, status_message
from jobs.monitor.cache import get_or_compute
from jobs.monitor.figures import TypicalRun, origin
from jobs.monitor.public_jobs import PAGE, Card

# Seconds between two requests of one page. A removed video and a private job must leave open pages
# within five seconds, and a cached part is up to two seconds old.
PACE = 2
TYPICAL_RUN_SECONDS = 60  # cache lifetime


@dataclass(frozen=True)
class LivePart:
    """`origins` are the other hosts that serve its videos; `card` is set for a single job's
    page.
    """

    html: str
    etag: str
    origins: tuple[str, ...]
    found_at: datetime
    card: Card | None = None


def board(*, status: str, number: int, now: datetime) -> LivePart:
    """A page of jobs, below the service's status."""
    figures = service_figures.current(now=now)
    cards = public_jobs.page(status=status, number=number, now=now)
    count, private = figures.number(status)
    context = {
        "cards": cards,
        "status": status,
        "number": number,
        "pages": max(1, -(-(count - private) // PAGE)),
        "private": private,
        "filters": [("", "All", figures.number("")[0])]
        + [(name, formatting.named(name), n) for name, n in figures.counts.items()],
        "figures": figures,
        "typical_run": _typical_run(),
        "service_status": status_message.service_status(figures, now=now),
    }
    return _render("monitor/board.html", context, cards, now)


def single(*, id: UUID, now: datetime) -> LivePart:
    """The page of one job. Raises VideoJob.DoesNotExist."""
    card = public_jobs.job(id=id, now=now)
    part = _render("monitor/single.html", {"card": card}, [card], now)
    return replace(part, card=replace(card, lines=()))  # the HTML contains the log already


def _typical_run() -> TypicalRun:
    return get_or_compute("typical-run", service_figures.typical_run, seconds=TYPICAL_RUN_SECONDS)


def _render(
    template: str, context: dict[str, Any], cards: Iterable[Card], now: datetime
) -> LivePart:
    html = render_to_string(template, context | {"pace": PACE})
    urls = {origin(url) for card in cards for url in (card.video_url, card.poster_url)}
    return LivePart(
        html=html,
        etag=f'W/"{sha256(html.encode()).hexdigest()[:20]}"',
        origins=tuple(sorted({*urls, *_typical_run().hosts} - {""})),
        found_at=now,
    )
