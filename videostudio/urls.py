"""The URL configuration."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView, TemplateView

from accounts import password_page
from accounts.api.urls import auth_urls, key_urls
from jobs import account_deletion
from jobs.storage import serve_video
from tokens_ledger import ledger
from videostudio import error_pages, guide, health, metrics
from videostudio.core.api import errors

urlpatterns = [
    path("favicon.ico", RedirectView.as_view(url=static("studio/icon.svg"))),
    path("api/v1/auth/", include(auth_urls(welcome=ledger.welcome, erase=account_deletion.delete))),
    path("api/v1/", include(key_urls)),
    path("api/v1/", include("jobs.api.urls")),
    path("api/<path:unknown>", errors.not_found),
    path("v1/", include("jobs.api.openai_urls")),
    path("v1/<path:unknown>", errors.not_found),
    path("account/password", password_page.page, name="password-reset"),
    path("docs", guide.page, name="guide"),
    path("docs/", guide.page),
    path("docs/openai", guide.page, {"name": "openai"}, name="guide-openai"),
    re_path(r"^docs/(?P<name>api|openai)\.md$", guide.markdown, name="guide-markdown"),
    path("llms.txt", guide.llms_txt),
    path(
        "robots.txt",
        csrf_exempt(TemplateView.as_view(template_name="robots.txt", content_type="text/plain")),
    ),
    path("", include("jobs.monitor.urls")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
    re_path(
        r"^media/ai_studio/videos/(?P<name>[0-9a-f-]{36,69})\.(?P<ending>mp4|jpg|640\.jpg)$",
        serve_video.video,
    ),
]

handler400 = errors.bad_request
handler403 = error_pages.permission_denied
handler404 = error_pages.not_found
handler500 = errors.server_error
