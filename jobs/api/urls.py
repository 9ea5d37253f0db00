from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.urls import path
from django.views.decorators.gzip import gzip_page
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from jobs.api import errors
from jobs.api.schema import SchemaView
from jobs.api.views import VideoJobViewSet, VideoModelViewSet

router = SimpleRouter(trailing_slash=False)
router.register("video-jobs", VideoJobViewSet, basename="video-job")
router.register("video-models", VideoModelViewSet, basename="video-model")

# Swagger UI styles its parts in place; its scripts are files, as everywhere.
in_place_styles = csp_update({"style-src": [UNSAFE_INLINE]})
docs = SpectacularSwaggerSplitView.as_view(url_name="schema", http_method_names=["get", "head"])

urlpatterns = [
    *router.urls,
    path("schema", gzip_page(SchemaView.as_view()), name="schema"),
    path("docs", in_place_styles(docs), name="docs"),
    path("", errors.not_found),
    path("<path:unknown>", errors.not_found),
]
