"""The public page: no login, and nothing that `feed` does not list."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jobs.monitor import feed


@require_safe
def monitor(request: HttpRequest) -> HttpResponse:
    cards = feed.newest()
    active = any(not card.ended for card in cards)
    return render(request, "monitor/index.html", {"cards": cards, "active": active})
