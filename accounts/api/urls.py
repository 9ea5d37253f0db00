"""The accounts' URL patterns: `auth_urls` under /api/v1/auth/, `key_urls` under /api/v1/."""

from collections.abc import Callable

from django.urls import URLPattern, path

from accounts.api import views
from accounts.api.key_views import KeysView, KeyView


def auth_urls(*, welcome: Callable[..., None], erase: Callable[..., None]) -> list[URLPattern]:
    """`welcome(user=…)` runs in the transaction that creates a user; `erase(user=…, now=…)` deletes
    an account.
    """
    return [
        path("register", views.RegisterView.as_view(welcome=welcome)),
        path("token", views.LoginView.as_view()),
        path("token/refresh", views.RefreshView.as_view()),
        path("me", views.MeView.as_view(erase=erase)),
        path("logout", views.LogoutView.as_view()),
        path("password", views.PasswordView.as_view()),
        path("password/reset", views.RequestResetView.as_view()),
        path("password/reset/confirm", views.ResetView.as_view()),
    ]


key_urls = [path("keys", KeysView.as_view()), path("keys/<pk>", KeyView.as_view())]
