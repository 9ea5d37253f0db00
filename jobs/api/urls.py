from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from jobs.api import errors
from jobs.api.views import VideoJobViewSet, VideoModelViewSet

router = SimpleRouter(trailing_slash=False)
router.register("video-jobs", VideoJobViewSet, basename="video-job")
router.register("video-models", VideoModelViewSet, basename="video-model")

READ_ONLY = ["get", "head"]

urlpatterns = [
    *router.urls,
    path("schema", SpectacularAPIView.as_view(http_method_names=READ_ONLY), name="schema"),
    path(
        "docs",
        SpectacularSwaggerSplitView.as_view(url_name="schema", http_method_names=READ_ONLY),
        name="docs",
    ),
    path("", errors.not_found),
    path("<path:unknown>", errors.not_found),
]
