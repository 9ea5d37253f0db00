"""The OpenAPI document, and the page that shows it.

The document is generated once and stored as bytes in each format. drf-spectacular itself generates
it for every request, which takes a second and fails if several threads do so first.
"""

import threading
import zlib
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.safestring import mark_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from markdown_it import MarkdownIt
from rest_framework import serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from videostudio.core.api.strict import StrictQuerySerializer, StrictView

EXAMPLE_ORIGIN = b"https://studio.example.com"  # the settings' SERVERS, and the examples' URLs
METHODS = ["POST", "PUT", "GET", "PATCH", "DELETE"]
Endpoint = tuple[str, str, str, Any]  # path, regular expression, method, view


class Document(NamedTuple):
    body: bytes
    digest: str

    def at(self, origin: str) -> tuple[bytes, str]:
        """The document with the URLs of this service, such as "https://host", and its ETag."""
        etag = f'"{self.digest}-{zlib.crc32(origin.encode()):08x}"'
        return self.body.replace(EXAMPLE_ORIGIN, origin.encode()), etag


_documents: dict[str, Document] = {}
_lock = threading.Lock()


def documents() -> Mapping[str, Document]:
    """The document by its format, "yaml" or "json". The first call generates it.

    gunicorn's master makes that call before it forks (videostudio/gunicorn.py).
    """
    with _lock:
        if not _documents:
            _documents.update(_generate())
    return _documents


def by_method(endpoints: list[Endpoint]) -> list[Endpoint]:
    """A hook of drf-spectacular's: the paths as in `urls.py`, and of each path METHODS in order."""
    paths = list(dict.fromkeys(path for path, *_ in endpoints))
    return sorted(endpoints, key=lambda each: (paths.index(each[0]), METHODS.index(each[2])))


def _generate() -> dict[str, Document]:
    schema = SchemaGenerator().get_schema(public=True)
    renderers = (OpenApiYamlRenderer(), OpenApiJsonRenderer())
    return {each.format: _document(each.render(schema, renderer_context={})) for each in renderers}


def _document(body: bytes) -> Document:
    return Document(body=body, digest=sha256(body).hexdigest()[:20])


class SchemaQuerySerializer(StrictQuerySerializer):
    format = serializers.CharField(required=False, allow_blank=True)
    lang = serializers.CharField(required=False, allow_blank=True)
    version = serializers.CharField(required=False, allow_blank=True)


class DocsQuerySerializer(SchemaQuerySerializer):
    script = serializers.CharField(required=False, allow_blank=True)  # requests the page's script


class FormatParameter(DefaultContentNegotiation):
    """`?format=json` overrides the Accept header, only here (URL_FORMAT_OVERRIDE is off)."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        wanted = format_suffix or request.query_params.get("format")
        return super().select_renderer(request, renderers, wanted)


class SchemaView(StrictView, SpectacularAPIView):
    """Negotiates as drf-spectacular's view does: `Accept`, or `?format=json` and `?format=yaml`.

    The first renderers have the registered media types.
    """

    renderer_classes = [
        OpenApiYamlRenderer2,
        OpenApiYamlRenderer,
        OpenApiJsonRenderer2,
        OpenApiJsonRenderer,
    ]
    http_method_names = ["get", "head"]
    content_negotiation_class = FormatParameter
    query_serializers = {"get": SchemaQuerySerializer}
    schema = None  # the document does not describe itself

    def get(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase | None:
        renderer = request.accepted_renderer
        charset = f"; charset={renderer.charset}" if renderer.charset else ""
        media_type = renderer.media_type
        if renderer.format == "yaml" and "text/html" in request.headers.get("Accept", ""):
            media_type = "text/plain"  # browsers show it; they save application/yaml as a file
        origin = request.build_absolute_uri("/").removesuffix("/")
        body, etag = documents()[renderer.format].at(origin)
        response = HttpResponse(body, content_type=f"{media_type}{charset}")
        response["Content-Disposition"] = f'inline; filename="openapi.{renderer.format}"'
        response["ETag"] = etag
        patch_vary_headers(response, ["Accept-Encoding"])  # for the 304 as well
        return get_conditional_response(request, etag=etag, response=response)


@cache
def introduction() -> str:
    """The document's description, as HTML whose tables scroll."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    html = parser.render(str(settings.SPECTACULAR_SETTINGS["DESCRIPTION"]))
    html = html.replace("<table>", '<div class="table" tabindex="0"><table>')
    return mark_safe(html.replace("</table>", "</table></div>"))


class DocsView(StrictView, SpectacularSwaggerSplitView):
    title = "Try the API · Video Studio"
    http_method_names = ["get", "head"]
    content_negotiation_class = FormatParameter
    query_serializers = {"get": DocsQuerySerializer}
    schema = None

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().get(request, *args, **kwargs)
        response.data["introduction"] = introduction()
        return response
