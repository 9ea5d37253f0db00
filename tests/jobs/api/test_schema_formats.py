"""The formats and the addresses of the OpenAPI document, and its page."""

import gzip
import re

import pytest

from jobs.api import openapi_views
from jobs.api.openapi_views import documents

pytestmark = pytest.mark.once

YAML, JSON = "application/vnd.oai.openapi", "application/vnd.oai.openapi+json"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


class TestFormat:
    @pytest.mark.parametrize(
        ("accept", "query", "kind", "ending"),
        [
            ("*/*", "", "application/yaml; charset=utf-8", "yaml"),
            (BROWSER, "", "text/plain; charset=utf-8", "yaml"),
            (BROWSER, "?format=json", "application/json", "json"),
            (YAML, "", f"{YAML}; charset=utf-8", "yaml"),
            ("application/yaml", "", "application/yaml; charset=utf-8", "yaml"),
            ("application/json", "", "application/json", "json"),
            (JSON, "", JSON, "json"),
            ("*/*", "?format=json", "application/json", "json"),
            ("*/*", "?format=yaml", "application/yaml; charset=utf-8", "yaml"),
        ],
    )
    def test_requested_format_is_answered(self, anonymous, accept, query, kind, ending):
        answer = anonymous.get(f"/api/v1/schema{query}", headers={"accept": accept})
        assert answer.status_code == 200
        assert answer["Content-Type"] == kind
        assert answer["Content-Disposition"] == f'inline; filename="openapi.{ending}"'
        assert answer.content.startswith({"yaml": b"openapi: 3.", "json": b"{\n"}[ending])
        assert {"Accept", "Accept-Encoding"} <= set(answer["Vary"].split(", "))

    @pytest.mark.parametrize(
        ("name", "kind", "start"),
        [
            ("openapi.json", "application/json", b"{\n"),
            ("openapi.yaml", "application/yaml; charset=utf-8", b"openapi: 3."),
        ],
    )
    def test_each_format_has_its_own_address(self, anonymous, name, kind, start):
        answer = anonymous.get(f"/api/v1/{name}", headers={"accept": "*/*"})
        assert (answer.status_code, answer["Content-Type"]) == (200, kind)
        assert answer["Content-Disposition"] == f'inline; filename="{name}"'
        assert answer.content.startswith(start)

    def test_origin_of_the_request_is_the_server(self, anonymous):
        seen = {}
        for host in ("testserver", "localhost:8000"):
            answer = anonymous.get("/api/v1/openapi.json", headers={"host": host})
            assert answer.json()["servers"] == [{"url": f"http://{host}"}]
            assert f"http://{host}/media/" in answer.text
            assert "example.com/" not in answer.text
            seen[host] = answer["ETag"]
        assert len(set(seen.values())) == 2
        for host, tag in seen.items():
            headers = {"host": host, "if-none-match": tag}
            assert anonymous.get("/api/v1/openapi.json", headers=headers).status_code == 304

    def test_document_is_generated_once(self, anonymous, monkeypatch):
        documents()
        monkeypatch.setattr(openapi_views, "SchemaGenerator", None)
        assert anonymous.get("/api/v1/openapi.json").status_code == 200

    def test_unknown_format_is_406(self, anonymous):
        answer = anonymous.get("/api/v1/schema", headers={"accept": "text/html"})
        assert answer.status_code == 406
        assert answer.json()["code"] == "not_acceptable"

    @pytest.mark.parametrize("accept", [YAML, JSON])
    def test_known_etag_gets_304(self, anonymous, accept):
        known = anonymous.get("/api/v1/schema", headers={"accept": accept})["ETag"]
        headers = {"accept": accept, "if-none-match": known, "accept-encoding": "gzip"}
        answer = anonymous.get("/api/v1/schema", headers=headers)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer["ETag"] == known
        assert {"Accept", "Accept-Encoding"} <= set(answer["Vary"].split(", "))

    def test_each_format_has_its_own_etag(self, anonymous):
        tags = [
            anonymous.get("/api/v1/schema", headers={"accept": accept})["ETag"]
            for accept in (YAML, JSON)
        ]
        assert tags[0] != tags[1]
        headers = {"accept": YAML, "if-none-match": tags[1]}
        assert anonymous.get("/api/v1/schema", headers=headers).status_code == 200

    def test_schema_is_gzipped_where_accepted(self, anonymous):
        plain = anonymous.get("/api/v1/schema")
        packed = anonymous.get("/api/v1/schema", headers={"accept-encoding": "gzip"})
        assert packed["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.content) == plain.content
        known = {"accept-encoding": "gzip", "if-none-match": packed["ETag"]}
        assert anonymous.get("/api/v1/schema", headers=known).status_code == 304


class TestDocs:
    def test_docs_need_no_login(self, anonymous):
        answer = anonymous.get("/api/v1/docs")
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/html")
        assert "swagger" in answer.text.lower()
        assert "/api/v1/schema" in anonymous.get("/api/v1/docs?script").text

    def test_docs_load_nothing_from_other_hosts(self, anonymous):
        text = anonymous.get("/api/v1/docs").text
        assert not re.findall(r"""(?:src|href|url)\s*[=:(]\s*["']?(?:https?:)?//""", text)
        assert "cdn" not in text.lower()

    def test_docs_load_existing_files(self, anonymous):
        text = anonymous.get("/api/v1/docs").text
        files = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', text))
        assert len(files) >= 3
        for file in files:
            answer = anonymous.get(file)
            assert answer.status_code == 200, file
            assert next(iter(answer.streaming_content))
            answer.close()
