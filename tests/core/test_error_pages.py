"""The pages for 400 and 500, which must render when everything else fails."""

import re

import pytest
from django.contrib.staticfiles import finders
from django.core.exceptions import BadRequest
from django.template.loader import get_template
from django.test import Client, RequestFactory

from jobs.monitor import rendering
from jobs.stats import dashboard
from videostudio.core.api import errors

BAD_REQUEST = "This request cannot be answered."
SERVER_ERROR = "Something went wrong on our side."


def fail(*arguments, **named):
    raise RuntimeError("password=hunter2")


@pytest.fixture
def visitor():
    """A browser that asks under this service's name. Without the database these tests use none."""
    return Client(raise_request_exception=False)


def assert_page(answer, status, heading):
    assert answer.status_code == status
    assert answer["Content-Type"].startswith("text/html")
    assert f"<h1>{heading}</h1>" in answer.text
    assert '<link rel="stylesheet" href="/static/studio/studio.css">' in answer.text
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("name", ["400.html", "500.html"])
def test_static_page_has_the_links_of_the_other_pages(name):
    nav = re.compile("<nav.*?</nav>", re.DOTALL)
    [own], [other] = (nav.findall(get_template(each).render()) for each in (name, "404.html"))
    assert own == other


class TestBadRequest:
    @pytest.mark.parametrize("path", ["/", "/admin/"])
    def test_unknown_host_gets_a_page(self, visitor, path):
        assert_page(visitor.get(path, headers={"host": "evil.example"}), 400, BAD_REQUEST)

    def test_page_renders_without_middleware(self):
        """Without users, sessions and messages, which a request may never have reached."""
        answer = errors.bad_request(RequestFactory().get("/"), BadRequest("hunter2"))
        assert_page(answer, 400, BAD_REQUEST)


class TestServerError:
    def test_failed_public_page_gets_a_page(self, visitor, monkeypatch):
        monkeypatch.setattr(rendering, "board", fail)
        assert_page(visitor.get("/video-monitor"), 500, SERVER_ERROR)

    def test_failed_admin_page_gets_a_page(self, boss, monkeypatch):
        monkeypatch.setattr(dashboard, "for_user", fail)
        assert_page(boss.get("/admin/"), 500, SERVER_ERROR)

    def test_missing_static_manifest_gets_a_page(self, visitor, settings, tmp_path):
        storage = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
        settings.STATIC_ROOT = tmp_path
        settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": storage}}
        assert_page(visitor.get("/"), 500, SERVER_ERROR)

    def test_page_renders_without_middleware(self):
        assert_page(errors.server_error(RequestFactory().get("/")), 500, SERVER_ERROR)


@pytest.mark.parametrize("name", ["400.html", "500.html"])
def test_error_page_links_only_existing_paths(client, name):
    text = get_template(name).render()
    links = {part.partition('"')[0] for part in text.split('href="')[1:]}
    assert {"/", "/video-monitor", "/api/v1/docs", "/static/studio/studio.css"} <= links
    for link in links - {"#main"}:
        if link.startswith("/static/"):
            assert finders.find(link.removeprefix("/static/")), link
        else:
            assert client.get(link).status_code == 200, link
    assert "style=" not in text  # the policy refuses inline styles


class TestAdmin:
    @pytest.mark.parametrize(
        ("path", "status", "heading"),
        [
            ("nowhere/", 404, "There is nothing at this address."),
            ("auth/group/add/", 403, "You do not have permission for this."),
        ],
    )
    def test_page_has_the_frame_of_the_admin(self, support, path, status, heading):
        answer = support.get(f"/admin/{path}")
        assert answer.status_code == status
        assert heading in answer.text
        assert '<nav id="places"' in answer.text
