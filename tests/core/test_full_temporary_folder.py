"""The temporary folder is full or gone: large uploads get 503, everything else works."""

import random
import resource
import tempfile

import pytest
from PIL import Image

from jobs.models import VideoJob
from tests.api import TOKENS
from tests.uploads import encoded, picture, upload

pytestmark = pytest.mark.once

LARGEST_FILE = 3_000_000  # bytes; the kernel refuses to write more, as it does on a full disk


@pytest.fixture
def full(monkeypatch):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def gone(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))


@pytest.fixture(params=["full", "gone"])
def no_temporary_files(request):
    request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def large_image():
    """A PNG that is written to a temporary file."""
    noise = Image.frombytes("RGB", (1200, 1100), random.Random(1).randbytes(3_960_000))
    content = encoded(noise, "PNG")
    assert len(content) > LARGEST_FILE
    return content


@pytest.mark.usefixtures("no_temporary_files")
class TestNoTemporaryFiles:
    def test_large_upload_is_503_and_costs_nothing(self, client, alice, tokens, large_image):
        answer = client.create(initialImage=upload(large_image))
        assert answer.status_code == 503
        assert answer.json() == {
            "detail": "The service cannot take files at the moment. Please try again.",
            "code": "unavailable",
        }
        assert answer["Retry-After"] == "30"
        assert (tokens(alice), VideoJob.objects.count()) == (TOKENS, 0)

    def test_small_upload_is_accepted(self, client):
        assert client.create(initialImage=picture()).status_code == 202

    @pytest.mark.parametrize("path", ["/video-monitor", "/video-monitor?page=2", "/", "/docs"])
    def test_public_pages_go_on(self, anonymous, new_job, path):
        new_job("SUCCEEDED")
        assert anonymous.get(path, headers={"accept-encoding": "gzip"}).status_code == 200


def test_large_upload_is_accepted_when_there_is_room(client, large_image):
    assert client.create(initialImage=upload(large_image)).status_code == 202
