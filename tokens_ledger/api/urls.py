"""Mounted at /api/v1/. A trailing slash works too, and stays out of the schema."""

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, path

from .views import TokensViewSet


def _routes(route: str, actions: dict[str, Any]) -> Iterator[URLPattern]:
    yield path(route, TokensViewSet.as_view(actions))
    yield path(f"{route}/", TokensViewSet.as_view(actions, schema=None))


urlpatterns = [
    *_routes("tokens", {"get": "retrieve"}),
    *_routes("tokens/entries", {"get": "entries"}),
]
