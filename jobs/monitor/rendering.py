"""Render the live part of a page, the HTML that htmx requests again and again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.template.loader import render_to_string

from jobs.models import ACTIVE, Status
from jobs.monitor import figures as service_figures
from jobs.monitor import public_jobs, search, status_message
from jobs.monitor.cache import get_or_compute
from jobs.monitor.figures import Figures, TypicalRun, origin
from jobs.monitor.public_jobs import PAGE, Card

# Seconds between two requests of one page. A removed video and a private job must leave open pages
# within five seconds, and a cached part is up to two seconds old.
PACE = 2
TYPICAL_RUN_SECONDS = 60  # cache lifetime
SEARCH_PACE = 4  # each search costs queries of its own; a job that turned private is gone in 5 s
ROWS, WALL_ROWS, WALL_VIDEOS = 10, 5, 6
ENDED = tuple(status for status in Status.values if status not in ACTIVE)


@dataclass(frozen=True)
class LivePart:
    """`origins` are the other hosts that serve its videos. `picture` is a poster, for links to the
    page. `card` is set for a single job's page.
    """

    html: str
    etag: str
    origins: tuple[str, ...]
    found_at: datetime
    picture: str
    card: Card | None = None


def board(*, status: str, number: int, now: datetime) -> LivePart:
    """A page of jobs, below the service's status: active jobs as rows, the others as cards."""
    figures = service_figures.current(now=now)
    is_first = not status and number == 1
    rows = ROWS if is_first else 0
    paged = (status,) if status else ENDED
    pages = max(1, -(-figures.public(*paged) // PAGE))
    jobs = []
    if number <= pages:  # finding that there is no such page would read all jobs before it
        jobs = public_jobs.page(status=status, number=number, now=now, rows=rows)
    context = {
        **_sections(jobs),
        "more": is_first and figures.public(*ACTIVE) > ROWS,
        "status": status,
        "pages": pages,
        "private": figures.number(status)[1],
        "query": urlencode({"status": status} if status else {}),
    }
    return _board("monitor/board.html", context | {"number": number}, figures, now)


def found(*, words: str, number: int, now: datetime) -> LivePart:
    """A page of the jobs whose prompts contain these words."""
    ids = search.matching(query=words, now=now)
    jobs = public_jobs.chosen(ids=ids[(number - 1) * PAGE : number * PAGE], now=now)
    context = {
        **_sections(jobs),
        "words": words,
        "found": len(ids),
        "number": number,
        "pages": max(1, -(-len(ids) // PAGE)),
        "query": urlencode({"q": words}),
        "pace": SEARCH_PACE,
    }
    return _board("monitor/board.html", context, service_figures.current(now=now), now)


def wall(*, now: datetime) -> LivePart:
    """For a large screen: figures and the newest videos, without links."""
    rows = public_jobs.active(most=WALL_ROWS, now=now)
    cards = public_jobs.videos(most=WALL_VIDEOS, now=now)
    return _board(
        "monitor/wall.html", {"rows": rows, "cards": cards}, service_figures.current(now=now), now
    )


def single(*, id: UUID, now: datetime) -> LivePart:
    """The page of one job. Raises VideoJob.DoesNotExist."""
    card = public_jobs.job(id=id, now=now)
    newer, older = public_jobs.neighbours(card=card, now=now)
    silent = not service_figures.current(now=now).workers_alive
    context = {"card": card, "newer": newer, "older": older, "silent": silent}
    part = _render("monitor/single.html", context, [card], now)
    return replace(part, card=replace(card, lines=()))  # the HTML contains the log already


def home(*, now: datetime) -> LivePart:
    """The figures and the newest video, for the front page."""
    cards = public_jobs.videos(most=1, now=now)
    return _board(
        "home_live.html", {"rows": [], "cards": cards}, service_figures.current(now=now), now
    )


def _sections(jobs: list[Card]) -> dict[str, list[Card]]:
    return {
        "rows": [job for job in jobs if not job.ended],
        "cards": [job for job in jobs if job.ended],
    }


def _typical_run() -> TypicalRun:
    return get_or_compute("typical-run", service_figures.typical_run, seconds=TYPICAL_RUN_SECONDS)


def _board(template: str, context: dict[str, Any], figures: Figures, now: datetime) -> LivePart:
    """With the service's status and figures."""
    context |= {
        "filters": [("", "All", figures.number("")[0])]
        + [(name, name, n) for name, n in figures.counts.items()],
        "figures": figures,
        "silent": not figures.workers_alive,
        "typical_run": _typical_run(),
        "service_status": status_message.service_status(figures, now=now),
    }
    return _render(template, context, [*context["rows"], *context["cards"]], now)


def _render(
    template: str, context: dict[str, Any], cards: Sequence[Card], now: datetime
) -> LivePart:
    html = render_to_string(template, {"pace": PACE, "now": now} | context)
    urls = {origin(url) for card in cards for url in (card.video_url, card.poster_url)}
    return LivePart(
        html=html,
        etag=f'W/"{sha256(html.encode()).hexdigest()[:20]}"',
        origins=tuple(sorted({*urls, *_typical_run().hosts} - {""})),
        found_at=now,
        picture=next((card.poster_url for card in cards if card.poster_url), ""),
    )
