"""Static files as browsers get them, with and without `collectstatic`."""

import re
import subprocess
import sys
from urllib.parse import urljoin, urlsplit

import pytest

from tests.client import ApiClient
from tests.image import collect_static_files, image_files
from tests.run import ENVIRONMENT, SQLITE
from tests.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.once]

PAGES = ["/", "/video-monitor", "/api/v1/docs", "/admin/login/", "/nowhere"]
HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")
YEAR = 365 * 24 * 3600
MOST = 700_000  # bytes of the documentation, with all that it loads


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    image = image_files(tmp_path_factory.mktemp("static"))
    collect_static_files(image)
    return image


@pytest.fixture(scope="module")
def collected(image):
    with Stack(server=SQLITE, clusters=0, project=image) as stack:
        yield stack


def files(stack):
    """Each static file that PAGES load, and each that their stylesheets load: path and answer."""
    client = ApiClient(stack.url)
    paths = []
    for page in PAGES:
        found = re.findall(r'(?:src|href)="(/static/[^"]+)"', client.get(page).text)
        assert found, page
        paths += found
    paths = list(dict.fromkeys(paths))
    for path in paths:
        answer = client.get(path)
        yield path, answer
        if path.endswith(".css"):
            for inner in re.findall(r'url\(["\']?([^"\')]+)', answer.text):
                inner_path = urlsplit(urljoin(path, inner)).path
                if not inner.startswith("data:") and inner_path not in paths:
                    paths.append(inner_path)


def max_age(answer):
    [seconds] = re.findall(r"max-age=(\d+)", answer.headers["Cache-Control"])
    return int(seconds)


class TestCollected:
    def test_files_of_each_page_are_hashed_compressed_and_immutable(self, collected):
        for path, answer in files(collected):
            assert answer.status_code == 200, path
            assert HASHED.search(path)
            assert "immutable" in answer.headers["Cache-Control"]
            assert max_age(answer) >= YEAR
            if path.endswith((".css", ".js")):
                assert answer.headers["Content-Encoding"] == "gzip", path
                assert answer.headers["Vary"] == "Accept-Encoding"

    def test_files_keep_their_plain_names_for_the_error_pages(self, collected):
        answer = ApiClient(collected.url).get("/static/studio/studio.css")
        assert answer.status_code == 200
        assert answer.headers["Content-Encoding"] == "gzip"
        assert max_age(answer) == 60

    def test_documentation_page_is_light(self, collected, page):
        with page.expect_response("**/api/v1/schema"):
            requests = []
            page.on("requestfinished", lambda request: requests.append(request))
            page.goto(f"{collected.url}/api/v1/docs")
        page.get_by_role("heading", name="Video Studio").wait_for()
        sizes = [request.sizes() for request in requests]
        weight = sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes)
        assert len(requests) >= 6
        assert 400_000 < weight < MOST

    def test_collected_files_are_ignored_with_debug(self, image):
        code = (
            "import django; django.setup()\n"
            "from django.templatetags.static import static\n"
            "from django.conf import settings\n"
            "print(static('studio/studio.css'), settings.WHITENOISE_USE_FINDERS)\n"
        )
        env = {"DEBUG": "true", "DJANGO_SETTINGS_MODULE": "videostudio.settings"}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=image, env=ENVIRONMENT | env, capture_output=True
        )
        assert done.stdout.split() == [b"/static/studio/studio.css", b"True"], done.stderr


class TestUncollected:
    def test_files_of_each_page_are_served_from_the_packages(self, service):
        for path, answer in files(service):
            assert answer.status_code == 200, path
            assert not HASHED.search(path)
            assert max_age(answer) == 60
