"""`manage.py check_veo`: an exit code and a line for each fault, and no video."""

import io
from typing import Any

import pytest
from django.core.management import call_command

from jobs import providers
from tests.fakes import VertexImitation
from tests.fakes.vertex import EMPTY_REGION, MODELS, NO_PROJECT

WELL = [
    "key: Google accepts the key or the credentials.",
    "project: Google accepts test-project.",
    "region: us-central1 answers.",
]
LITE = "veo-3.1-lite-generate-001"


@pytest.fixture
def google(settings):
    settings.GOOGLE_API_KEY, settings.GOOGLE_CLOUD_PROJECT = "test-google-key", "test-project"
    with VertexImitation() as service:
        settings.GOOGLE_VERTEX_BASE_URL = service.url
        yield service
        assert service.records == []  # no video was ordered
        assert service.errors == []
    providers._make.cache_clear()


@pytest.fixture
def check(google):
    """The exit code and the lines."""

    def check():
        providers._make.cache_clear()
        written = io.StringIO()
        with pytest.raises(SystemExit) as exit:
            call_command("check_veo", stdout=written)
        if providers.veo_is_configured():
            veo: Any = providers.provider_for(mock_mode=False)
            veo.client.close()
        return exit.value.code, written.getvalue().splitlines()

    return check


class TestCheckVeo:
    def test_all_well(self, check):
        code, lines = check()
        assert (code, lines[:3]) == (0, WELL)
        assert [line.partition(":")[0] for line in lines[3:]] == [
            *("veo-3.1-fast-generate-001", "veo-3.1-generate-001", LITE),
        ]
        assert lines[4].endswith(
            "Google has it. (ordered as veo-3.1-generate-preview, veo-3.1-generate-001)"
        )

    @pytest.mark.parametrize(
        ("code", "changes", "begin"),
        [
            (
                2,
                {"GOOGLE_API_KEY": "", "GOOGLE_CLOUD_PROJECT": ""},
                "key: Neither GOOGLE_API_KEY nor GOOGLE_CLOUD_PROJECT is set.",
            ),
            (
                3,
                {"GOOGLE_API_KEY": "another"},
                "key: Google answered 400: API key not valid.",
            ),
            (
                4,
                {"GOOGLE_CLOUD_PROJECT": NO_PROJECT},
                "project: Google answered 403: Permission denied on resource project",
            ),
            (
                5,
                {"GOOGLE_CLOUD_LOCATION": EMPTY_REGION},
                f"region: {EMPTY_REGION} has none of the models (GOOGLE_CLOUD_LOCATION).",
            ),
        ],
    )
    def test_wrong_settings(self, check, settings, code, changes, begin):
        for name, value in changes.items():
            setattr(settings, name, value)
        found, lines = check()
        before = [line.startswith(begin) for line in lines].index(True)
        assert (found, lines[:before]) == (code, WELL[:before])

    def test_missing_credentials(self, check, settings, monkeypatch):
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/etc/studio/none.json")
        settings.GOOGLE_API_KEY = ""
        code, [line] = check()
        assert (code, line.partition(" cannot be used")[0]) == (3, "key: Google's credentials")

    def test_version_that_google_does_not_have(self, check, settings):
        settings.VEO_API_VERSION = "v9"
        code, lines = check()
        assert (code, lines[:2]) == (5, WELL[:2])
        assert "VEO_API_VERSION" in lines[2]

    def test_ended_model(self, check, google):
        google.retired.add(LITE)
        code, lines = check()
        assert (code, lines[:3]) == (6, WELL)
        assert [("Google has it." in line) for line in lines[3:]] == [True, True, False]
        assert lines[5].startswith(f"{LITE}: Google no longer has it: Publisher Model")

    def test_all_models_ended(self, check, google):
        google.retired.update(MODELS)
        assert check()[0] == 6

    def test_no_answer(self, check, google):
        google.stop()
        code, lines = check()
        assert (code, lines[0]) == (1, WELL[0])
        google.start()

    def test_key_without_a_project(self, check, settings):
        settings.GOOGLE_CLOUD_PROJECT = ""
        code, lines = check()
        assert (code, lines[1]) == (0, "project: None is set; Google uses that of the key.")
