"""Serve docs/api.md and docs/openai.md as pages and as Markdown, and link to them in /llms.txt.

A file is read and rendered once per process, with this service's prices in it. Its example hosts
are replaced with the host of the request, so that copied commands call this service.
"""

from dataclasses import replace
from functools import cache
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.safestring import mark_safe
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from mdit_py_plugins.anchors import anchors_plugin

from jobs import pricing
from jobs.catalog import MODELS, VideoSpec
from videostudio.core.formatting import format_tokens

FOLDER = settings.BASE_DIR / "docs"
NAMES = ("api", "openai")
PLACE_OF_PRICES = "<!-- prices -->"
EXAMPLE_ORIGINS = ("http://localhost:8000", "https://studio.example.com")


class Guide(NamedTuple):
    markdown: str
    html: str
    sections: dict[str, str]  # titles by anchor


@cache
def load(name: str) -> Guide:
    """The document, its HTML, and its headings of the second level. `name`: one of NAMES."""
    markdown = (
        (FOLDER / f"{name}.md").read_text(encoding="utf-8").replace(PLACE_OF_PRICES, _prices())
    )
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.use(anchors_plugin, min_level=2, max_level=3, permalink=True, permalinkSymbol="#")
    tokens = parser.parse(markdown)
    sections = {
        str(token.attrs["id"]): following.content
        for token, following in pairwise(tokens)
        if token.type == "heading_open" and token.tag == "h2"
    }
    html = _with_scrolling_parts(parser.renderer.render(tokens, parser.options, {}))
    html = html.replace('href="api.md', 'href="/docs').replace(
        'href="openai.md', 'href="/docs/openai'
    )
    return Guide(markdown, html, sections)


def _prices() -> str:
    """This service's prices, in Markdown."""
    if settings.VIDEO_PRICES:
        head = "| model | resolution | seconds | tokens | with sound |"
        rows = [_price_row(spec) for model in MODELS for spec in pricing.combinations(model)]
        table = "\n".join([head, "|---|---|---|---|---|", *filter(None, rows)])
        text = f"The prices of this service:\n\n{table}"
    else:
        text = f"On this service a video costs {format_tokens(pricing.highest())}."
    if settings.VIDEO_MOCK_TOKENS is None:
        return text
    mock = format_tokens(settings.VIDEO_MOCK_TOKENS)
    return f"{text}\n\nOn this service a mock video costs {mock}."


def _price_row(spec: VideoSpec) -> str:
    """One row for the video without and with sound."""
    if spec.generate_audio:
        return ""
    costs = pricing.tokens(spec), pricing.tokens(replace(spec, generate_audio=True))
    cells = (f"`{spec.model}`", spec.resolution, spec.duration_seconds, *costs)
    return f"| {' | '.join(map(str, cells))} |"


def _with_scrolling_parts(html: str) -> str:
    """Let wide code and tables scroll, by keyboard too, instead of the whole page."""
    for tag, name in (("pre", "code"), ("table", "table")):
        html = html.replace(f"<{tag}>", f'<div class="{name}"><{tag}>')
        html = html.replace(f"</{tag}>", f"</{tag}></div>")
    html = html.replace("<th></th>", "<td></td>")  # the corner of a table is no header
    return html.replace("<pre>", '<pre tabindex="0">').replace(
        '<div class="table">', '<div class="table" tabindex="0">'
    )


@csrf_exempt  # any method but GET and HEAD is 405
@require_safe
@gzip_page  # it contains no secret, so its length reveals nothing
def page(request: HttpRequest, name: str = "api") -> HttpResponseBase:
    guide = load(name)
    context = {"html": mark_safe(guide.html), "sections": guide.sections, "name": name}
    return _answer(request, render_to_string("guide.html", context, request), "text/html")


@csrf_exempt
@require_safe
@gzip_page
def markdown(request: HttpRequest, name: str) -> HttpResponseBase:
    return _answer(request, load(name).markdown, "text/markdown")


@csrf_exempt
@require_safe
def llms_txt(request: HttpRequest) -> HttpResponseBase:
    """An index for language models, in the format of https://llmstxt.org."""
    return _answer(request, render_to_string("llms.txt"), "text/plain")


def _answer(request: HttpRequest, text: str, media_type: str) -> HttpResponseBase:
    """The text with this service's own URL, or 304."""
    origin = request.build_absolute_uri("/").removesuffix("/")
    for example in EXAMPLE_ORIGINS:
        text = text.replace(example, origin)
    body = text.encode()
    response = HttpResponse(body, content_type=f"{media_type}; charset=utf-8")
    response["ETag"] = etag = f'"{sha256(body).hexdigest()[:20]}"'
    response["Cache-Control"] = "no-cache"
    patch_vary_headers(response, ["Accept-Encoding"])  # on the 304 too
    return get_conditional_response(request, etag=etag, response=response) or response
