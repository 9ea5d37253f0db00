"""Mounted at /api/v1/auth/. A trailing slash works too, and stays out of the schema."""

from collections.abc import Callable, Iterator
from typing import Any

from django.urls import URLPattern, path
from rest_framework.views import APIView

from .views import LoginView, LogoutView, MeView, RefreshView, RegisterView


def auth_urls(*, welcome: Callable[..., None] | None = None) -> list[URLPattern]:
    """`welcome(user=…)` runs in the transaction that creates a user."""
    return [
        *_routes("register", RegisterView, welcome=welcome),
        *_routes("token", LoginView),
        *_routes("token/refresh", RefreshView),
        *_routes("logout", LogoutView),
        *_routes("me", MeView),
    ]


def _routes(route: str, view: type[APIView], **options: Any) -> Iterator[URLPattern]:
    yield path(route, view.as_view(**options))
    yield path(f"{route}/", view.as_view(schema=None, **options))
