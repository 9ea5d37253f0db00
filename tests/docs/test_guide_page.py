"""docs/api.md as the service serves it, for readers who know only its URL."""

import json
import re
from functools import partial
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import resolve

from jobs.api import request_serializers
from tests.docs.markdown import anchors, blocks
from tests.image import image_files
from tests.prices import PRICES, price
from tests.run import PROJECT
from videostudio import guide
from videostudio.core.api import errors

pytestmark = pytest.mark.once

GUIDE = PROJECT / "docs" / "api.md"
ORDER_IN_JSON = re.compile(
    r"/api/v1/video-jobs(?:/quote)? -H \"\$AUTH\" -H 'Content-Type: application/json'"
    r"[ \\\n]+-d '(\{.*?\})'",
    re.DOTALL,
)
PATHS = ["/docs", "/docs/api.md", "/docs/openai", "/docs/openai.md", "/llms.txt"]


class Links(HTMLParser):
    """The ids and the link targets of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.targets: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.ids.add(found.get("id") or "")
        self.targets.add((found.get("href") if tag == "a" else "") or "")


@pytest.fixture
def client():
    return Client(headers={"host": "videos.example.org"})


@pytest.fixture(autouse=True)
def hosts(settings):
    settings.ALLOWED_HOSTS = ["videos.example.org"]


@pytest.fixture
def prices(settings):
    """Set the prices before the page is made."""

    def prices(**changed: Any) -> None:
        for name, value in changed.items():
            setattr(settings, name, value)
        guide.load.cache_clear()

    yield prices
    guide.load.cache_clear()


class TestPrices:
    def test_without_a_table_one_price_is_shown(self, client, prices):
        prices(VIDEO_PRICES={}, VIDEO_MOCK_TOKENS=None)
        assert "On this service a video costs 50 tokens." in client.get("/docs").text
        assert "mock video costs" not in client.get("/docs/api.md").text.partition("## Idemp")[0]

    def test_table_lists_each_combination(self, client, prices):
        prices(VIDEO_PRICES=PRICES, VIDEO_MOCK_TOKENS=0)
        model = "veo-3.1-lite-generate-001"
        cost = partial(price, model=model, resolution="1080p", seconds=8)
        row = f"| `{model}` | 1080p | 8 | {cost(sound=False)} | {cost(sound=True)} |"
        markdown = client.get("/docs/api.md").text
        assert row in markdown
        assert f"| `{model}` | 1080p | 4 |" not in markdown
        assert "On this service a mock video costs 0 tokens." in markdown
        assert f"<td>{cost(sound=True)}</td>" in client.get("/docs").text


class TestOrders:
    def test_each_order_in_json_is_complete(self, settings):
        """Those too that no test sends, since they need a second terminal."""
        settings.VIDEO_DEFAULT_MOCK_MODE = None
        orders = [json.loads(body) for body in ORDER_IN_JSON.findall(GUIDE.read_text())]
        assert len(orders) > 4
        for order in orders:
            if order["prompt"] != "A kite":  # the example of an error
                assert request_serializers.read(order)


class TestPage:
    def test_sections_have_the_anchors_of_github(self, client):
        page = Links(client.get("/docs").text)
        headings = re.findall(r"^## (.+)$", GUIDE.read_text(), re.MULTILINE)
        assert len(headings) > 10
        assert anchors(GUIDE) - {"api-guide-for-client-developers"} <= page.ids

    def test_contents_list_the_sections(self, client):
        contents = client.get("/docs").text.partition("</nav>\n  <article>")[0]
        for heading in re.findall(r"^## (.+)$", GUIDE.read_text(), re.MULTILINE):
            assert f">{heading}</a>" in contents

    @pytest.mark.parametrize("path", ["/docs", "/docs/openai"])
    def test_links_of_the_page_work(self, client, path):
        page, guide_page = Links(client.get(path).text), Links(client.get("/docs").text)
        for target in page.targets - {""}:
            if target.startswith("https://"):
                continue  # of another site
            path, _, anchor = target.partition("#")
            there = guide_page if path == "/docs" else page
            assert not anchor or anchor in there.ids | {"main"}, target
            assert not path or resolve(path).func is not errors.not_found, target

    def test_code_of_the_guide_is_shown(self, client):
        html = client.get("/docs").text
        assert html.count('<pre tabindex="0">') == len(list(blocks(GUIDE)))


class TestEvery:
    @pytest.mark.parametrize("path", PATHS)
    def test_page_names_the_host_of_the_request(self, client, path):
        text = client.get(path).text
        assert "http://videos.example.org" in text
        assert "localhost:8000" not in text
        assert "studio.example.com" not in text
        assert "https://videos.example.org" in client.get(path, secure=True).text

    @pytest.mark.parametrize("path", PATHS)
    def test_unchanged_page_is_an_empty_304(self, client, path):
        etag = client.get(path)["ETag"]
        answer = client.get(path, headers={"If-None-Match": etag})
        assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)
        elsewhere = client.get(path, headers={"If-None-Match": etag}, secure=True)
        assert elsewhere.status_code == 200

    @pytest.mark.parametrize("path", PATHS)
    def test_page_answers_head_as_get(self, client, path):
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("ETag", "Content-Type", "Content-Length"):
            assert head[name] == get[name]

    @pytest.mark.parametrize("path", PATHS)
    def test_page_refuses_other_methods(self, client, path):
        answer = client.post(path)
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


class TestMarkdown:
    def test_markdown_is_the_file_with_the_host_of_the_request_and_the_prices(self, client):
        answer = client.get("/docs/api.md")
        assert answer["Content-Type"] == "text/markdown; charset=utf-8"
        origin = "http://videos.example.org"
        text = GUIDE.read_text().replace("http://localhost:8000", origin)
        text = text.replace("<!-- prices -->", "On this service a video costs 50 tokens.")
        assert answer.text == text.replace("https://studio.example.com", origin)

    @pytest.mark.parametrize(
        "path", ["/docs/staff.md", "/docs/operations.md", "/docs/../README.md"]
    )
    def test_no_other_document_is_served(self, client, path):
        assert client.get(path).status_code == 404


class TestLlmsTxt:
    def test_file_has_the_format_of_llmstxt_org(self, client):
        answer = client.get("/llms.txt")
        assert answer["Content-Type"] == "text/plain; charset=utf-8"
        title, summary, _, *sections = answer.text.split("\n\n")
        assert title == "# Video Studio"
        assert summary.startswith("> ")
        assert sections[0] == "## Docs"
        for line in sections[1].splitlines():
            assert re.fullmatch(r"- \[[^]]+\]\(http://[^)\s]+\): .+", line)

    def test_links_of_the_file_work(self, client):
        links = re.findall(
            r"\]\(http://videos\.example\.org(/[^)]+)\)", client.get("/llms.txt").text
        )
        assert links[:3] == ["/docs/api.md", "/api/v1/schema?format=json", "/api/v1/video-models"]
        for link in links:
            assert resolve(link.partition("?")[0]).func is not errors.not_found


class TestImage:
    def test_image_contains_the_guides_and_no_other_document(self, tmp_path):
        documents = image_files(tmp_path) / "docs"
        assert {file.name for file in documents.iterdir()} == {"api.md", "openai.md"}
