"""The API's paths, in the order in which its documentation shows them."""

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.urls import include, path
from django.views.decorators.gzip import gzip_page
from rest_framework.routers import SimpleRouter

from jobs.api.openapi_views import DocsView, SchemaView
from jobs.api.views import TokensViewSet, VideoJobViewSet, VideoModelViewSet
from jobs.api.webhook_views import WebhookViewSet
from videostudio.core.api import errors

router = SimpleRouter(trailing_slash=False)
router.register("video-models", VideoModelViewSet, basename="video-model")
router.register("video-jobs", VideoJobViewSet, basename="video-job")

# Swagger UI uses inline styles; its scripts are files, as on all pages.
allow_inline_styles = csp_update({"style-src": [UNSAFE_INLINE]})
openapi_file = gzip_page(SchemaView.as_view(query_serializers={}))
docs = DocsView.as_view(url_name="schema")

urlpatterns = [
    *router.urls,
    path(
        "webhook", WebhookViewSet.as_view({"put": "update", "get": "retrieve", "delete": "destroy"})
    ),
    path("webhook/test", WebhookViewSet.as_view({"post": "test"})),
    path("webhook/deliveries", WebhookViewSet.as_view({"get": "deliveries"})),
    path("webhook/deliveries/<pk>/replay", WebhookViewSet.as_view({"post": "replay"})),
    path("webhook/rotate", WebhookViewSet.as_view({"post": "rotate"})),
    path("tokens", TokensViewSet.as_view({"get": "retrieve"})),
    path("", include("tokens_ledger.api.urls")),
    path("tokens/usage", TokensViewSet.as_view({"get": "usage"})),
    path("schema", gzip_page(SchemaView.as_view()), name="schema"),
    path("openapi.json", openapi_file, {"format": "json"}),
    path("openapi.yaml", openapi_file, {"format": "yaml"}),
    path("docs", allow_inline_styles(docs), name="docs"),
    path("", errors.not_found),
    path("<path:unknown>", errors.not_found),
]
