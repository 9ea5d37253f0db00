"""The OpenAPI document, and the page that shows it: drf-spectacular's, with its parameters."""

from typing import Any

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework import serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

from accounts.api.strict import StrictQuerySerializer, StrictView


class SchemaQuerySerializer(StrictQuerySerializer):
    format = serializers.CharField(required=False, allow_blank=True)
    lang = serializers.CharField(required=False, allow_blank=True)
    version = serializers.CharField(required=False, allow_blank=True)


class DocsQuerySerializer(SchemaQuerySerializer):
    script = serializers.CharField(required=False, allow_blank=True)  # the page's second half


class FormatParameter(DefaultContentNegotiation):
    """`?format=json` goes over the Accept header, here alone (URL_FORMAT_OVERRIDE is off)."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        wanted = format_suffix or request.query_params.get("format")
        return super().select_renderer(request, renderers, wanted)


class SchemaView(StrictView, SpectacularAPIView):
    http_method_names = ["get", "head"]
    content_negotiation_class = FormatParameter
    query_serializers = {"get": SchemaQuerySerializer}


class DocsView(StrictView, SpectacularSwaggerSplitView):
    http_method_names = ["get", "head"]
    content_negotiation_class = FormatParameter
    query_serializers = {"get": DocsQuerySerializer}
