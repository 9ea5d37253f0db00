"""The paths of the OpenAI format, under /v1/. An id that is not a UUID is no path, so 404."""

from django.urls import path

from jobs.api.openai_views import OpenAIVideoViewSet

urlpatterns = [
    path("videos", OpenAIVideoViewSet.as_view({"post": "create", "get": "list"})),
    path("videos/<uuid:pk>", OpenAIVideoViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path("videos/<uuid:pk>/content", OpenAIVideoViewSet.as_view({"get": "content"})),
]
