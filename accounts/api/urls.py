"""The accounts' URL patterns: `auth_urls` under /api/v1/auth/, `key_urls` under /api/v1/."""

from collections.abc import Callable

from django.urls import URLPattern, path

from accounts.api.account_views import MeView
from accounts.api.key_views import KeysView, KeyView
from accounts.api.password_views import PasswordView, RequestResetView, ResetView
from accounts.api.views import LoginView, LogoutView, RefreshView, RegisterView


def auth_urls(*, welcome: Callable[..., None], erase: Callable[..., None]) -> list[URLPattern]:
    """`welcome(user=…)` runs in the transaction that creates a user; `erase(user=…, now=…)` deletes
    an account.
    """
    return [
        path("register", RegisterView.as_view(welcome=welcome)),
        path("token", LoginView.as_view()),
        path("token/refresh", RefreshView.as_view()),
        path("logout", LogoutView.as_view()),
        path("password", PasswordView.as_view()),
        path("password/reset", RequestResetView.as_view()),
        path("password/reset/confirm", ResetView.as_view()),
        path("me", MeView.as_view(erase=erase)),
    ]


key_urls = [
    path("keys", KeysView.as_view()),
    path("keys/<pk>", KeyView.as_view()),
]
