"""Fixtures: a studio with fake servers of Google and Cloudinary, and the table of results."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobs import providers
from jobs.worker import staging
from tests.faults import table
from tests.faults.fault import Fault
from tests.faults.studio import Cloudinary, Google, Studio

ACCOUNT = {
    "GOOGLE_API_KEY": "test-google-key",
    "GOOGLE_CLOUD_PROJECT": "test-project",
    "CLOUDINARY_STORAGE": {
        "CLOUD_NAME": "test-cloud",
        "API_KEY": "test-cloudinary-key",
        "API_SECRET": "test-cloudinary-secret",
        "PREFIX": "",
    },
    "VEO_CREATES_PER_MINUTE": 100,
}


played: dict[tuple[str, str], str] = {}  # the rows that make a new file


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-faults", action="store_true", help="used by python -m tests.faults")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if played and exitstatus == 0:
        table.FILE.write_text(table.text(played))


@pytest.fixture(scope="session")
def google() -> Iterator[Google]:
    with Google(seconds=0) as service:
        yield service


@pytest.fixture(scope="session")
def cloudinary() -> Iterator[Cloudinary]:
    with Cloudinary() as service:
        yield service


@pytest.fixture(scope="module", autouse=True)
def one_client() -> Iterator[None]:
    """All tests of a module share one Google client, because creating it is slow."""
    providers._make.cache_clear()
    yield
    providers._make.cache_clear()


@pytest.fixture
def studio(google, cloudinary, client, settings, monkeypatch, caplog, tmp_path):
    for service in (google, cloudinary):
        service.clear_faults()
        service.calls = Counter()
    google.seconds = 0
    for name, value in ACCOUNT.items():
        setattr(settings, name, value)
    settings.GOOGLE_VERTEX_BASE_URL = google.url
    settings.CLOUDINARY_UPLOAD_PREFIX = cloudinary.url
    cloud = {"videos": {"BACKEND": "jobs.storage.cloudinary.CloudinaryVideos"}}
    settings.STORAGES = settings.STORAGES | cloud
    settings.MEDIA_ROOT = tmp_path / "media"
    (tmp_path / "staging").mkdir()
    monkeypatch.setattr(staging, "folder", lambda: tmp_path / "staging")
    studio = Studio(google, cloudinary, client, settings, monkeypatch, caplog, tmp_path)
    yield studio
    if studio.restarted:
        providers._make.cache_clear()
    assert google.errors == cloudinary.errors == []


@pytest.fixture
def row(request, studio) -> Callable[[str, Fault, Any], None]:
    """Compares the fault's row with the file's, or collects it for a new file."""
    write = request.config.getoption("--write-faults")

    def row(section: str, fault: Fault, job: Any) -> None:
        line = table.row(fault, studio, job)
        if write:
            played[section, fault.name] = line
        else:
            assert table.written().get((section, fault.name)) == line, table.OUTDATED

    return row
