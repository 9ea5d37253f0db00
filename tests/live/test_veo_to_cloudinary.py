"""From POST to the video at `cloudinaryUrl`, with real processes and SDKs and two fake services.

All jobs of a user are created at once and polled together until the last one has ended.
"""

import hashlib
import io
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from jobs import input_images
from jobs.messages import STORING_AGAIN
from jobs.providers.mock import SAMPLES
from jobs.storage.base import video_name
from tests.client import FINAL, ApiClient
from tests.fakes import CloudinaryImitation, VertexImitation
from tests.fakes.vertex import default_video
from tests.stack import Stack, until

pytestmark = pytest.mark.live

SHORT, LONG = 40_000, 7_000_000  # bytes; the long film is too large for one request to Cloudinary
FAST = "veo-3.1-fast-generate-preview"
UNLIMITED = {
    "VIDEO_MAX_ACTIVE_JOBS": "100",
    "VEO_CREATES_PER_MINUTE": "1000",
    "SIGNUP_GRANT_TOKENS": "5000",
    "MOCK_SECONDS": "1",
}
KEYS = ("test-google-key", "test-cloudinary-key", "test-cloudinary-secret")


def video(record: dict[str, Any]) -> bytes:
    long = "long film" in (record["prompt"] or "")
    return default_video(record["operation"], LONG if long else SHORT)


@pytest.fixture(scope="module")
def google():
    with VertexImitation(seconds=1, video=video) as service:
        yield service
        assert service.errors == []


@pytest.fixture(scope="module")
def cloudinary():
    with CloudinaryImitation() as service:
        yield service
        assert service.errors == []


@pytest.fixture(scope="module")
def studio(google, cloudinary):
    env = UNLIMITED | {"VEO_PERSON_GENERATION": "dont_allow"}
    with Stack(google=google.url, cloudinary=cloudinary.url, env=env) as stack:
        yield stack


@dataclass
class Film:
    """A job, and each of its states that was seen."""

    prompt: str | None
    seen: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)

    @property
    def job(self) -> dict[str, Any]:
        return self.seen[-1]

    @property
    def id(self) -> str:
        return self.seen[0]["id"]

    @property
    def public_id(self) -> str:
        return video_name(UUID(self.id))

    @property
    def kinds(self) -> list[str]:
        """The kinds of its ledger entries, oldest first."""
        return [entry["kind"] for entry in reversed(self.entries)]


class Customer:
    """A user who creates many jobs and polls them."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api
        self.films: list[Film] = []
        self.images = 0  # input images in the database while the jobs were running

    def order(self, prompt: str | None, **order: Any) -> Film:
        answer = self.api.create(**{"prompt": prompt, "mockMode": "false"} | order)
        assert answer.status_code == 202, answer.text
        self.films.append(Film(prompt, seen=[answer.json()]))
        return self.films[-1]

    def watch(self, seconds: float = 90) -> None:
        """Poll until the last job has ended."""
        deadline = time.monotonic() + seconds
        while any(film.job["status"] not in FINAL for film in self.films):
            assert time.monotonic() < deadline, [
                (film.prompt, film.job) for film in self.films if film.job["status"] not in FINAL
            ]
            jobs = {job["id"]: job for job in self._list("video-jobs", "jobs")}
            for film in self.films:
                film.seen.append(jobs[film.id])
            time.sleep(0.2)
        entries = self._list("tokens/entries", "entries")
        for film in self.films:
            film.entries = [entry for entry in entries if entry["reference"] == film.id]

    def _list(self, path: str, key: str) -> list[dict[str, Any]]:
        return self.api.get(f"/api/v1/{path}", params={"limit": 100}).json()[key]


def fetch(url: str) -> Any:
    return ApiClient("").get(url)


def assert_progress_never_falls(film):
    progress = [job["progressPercentage"] for job in film.seen]
    assert progress == sorted(progress)
    below = [job for job in film.seen if job["status"] != "SUCCEEDED"]
    assert max(job["progressPercentage"] for job in below) <= 95


def record_of(google, film):
    [record] = [each for each in google.records if each.prompt == film.prompt]
    return record


# ---- Without faults ----


def picture(kind, color, **options):
    """An uploaded file, and the JPEG that Google should get of it."""
    file = io.BytesIO()
    Image.new("RGB", (320, 180), color).save(file, kind, **options)
    sent = input_images.prepare(upload=file).content
    assert sent != file.getvalue()
    with Image.open(io.BytesIO(sent)) as image:
        assert (image.format, image.size, dict(image.getexif())) == ("JPEG", (320, 180), {})
    return ("a.bin", file.getvalue(), "application/octet-stream"), sent


GPS = Image.Exif()
GPS[0x8825] = {1: "N", 2: (48.0, 8.0, 0.0)}
FIRST, FIRST_SENT = picture("PNG", "red")
LAST, LAST_SENT = picture("WEBP", "blue")
PHOTO, PHOTO_SENT = picture("JPEG", "green", exif=GPS)


@dataclass(frozen=True)
class Mode:
    """The fields of an order, and what Google should get."""

    order: dict[str, Any]
    model: str
    parameters: dict[str, Any]
    images: list[tuple[str, bytes]] = field(default_factory=list)
    size: int = SHORT


WIDE = {"sampleCount": 1, "aspectRatio": "16:9", "resolution": "720p", "durationSeconds": 8}
WIDE |= {"personGeneration": "dont_allow"}
QUIET = WIDE | {"generateAudio": False}
MODES = {
    "text": Mode(
        {"durationSeconds": 4, "aspectRatio": "9:16", "generateAudio": "true"},
        "veo-3.1-fast-generate-001",
        WIDE | {"durationSeconds": 4, "aspectRatio": "9:16", "generateAudio": True},
    ),
    "negative prompt and seed": Mode(
        {"durationSeconds": 6, "negativePrompt": " rain ", "seed": "4294967295"},
        "veo-3.1-fast-generate-001",
        QUIET | {"durationSeconds": 6, "negativePrompt": "rain", "seed": 4_294_967_295},
    ),
    "first frame": Mode(
        {"files": {"initialImage": FIRST}, "model": "veo-3.1-lite-generate-001"},
        "veo-3.1-lite-generate-001",
        QUIET,
        [("image", FIRST_SENT)],
    ),
    "first and last frame": Mode(
        {"files": {"initialImage": FIRST, "endFrame": LAST}, "resolution": "1080p"},
        "veo-3.1-fast-generate-001",
        QUIET | {"resolution": "1080p"},
        [("image", FIRST_SENT), ("lastFrame", LAST_SENT)],
    ),
    "references": Mode(
        {
            "files": {"referenceImages": [FIRST, LAST, PHOTO]},
            "model": "veo-3.1-generate-preview",
        },
        "veo-3.1-generate-001",
        QUIET,
        [("referenceImage", sent) for sent in (FIRST_SENT, LAST_SENT, PHOTO_SENT)],
    ),
    "a long film": Mode({"resolution": "1080p"}, "", QUIET | {"resolution": "1080p"}, size=LONG),
}


@pytest.fixture(scope="module")
def alice(studio):
    """A user with a finished job of each mode, and one of the mock."""
    alice = Customer(studio.user("alice"))
    for name, mode in MODES.items():
        alice.order(f"{name}, at dusk", **mode.order)
    alice.order("mock", mockMode="true", generateAudio="true")
    alice.images = studio.sql("SELECT count(*) FROM jobs_jobimage")[0][0]
    alice.watch()
    return alice


@pytest.fixture(scope="module")
def films(alice):
    return dict(zip([*MODES, "mock"], alice.films, strict=True))


each_mode = pytest.mark.parametrize("mode", MODES)
each_film = pytest.mark.parametrize("name", [*MODES, "mock"])


class TestVideo:
    @each_mode
    def test_video_of_google_is_delivered_unchanged(self, films, google, mode):
        film = films[mode]
        answer = fetch(film.job["cloudinaryUrl"])
        assert answer.headers["Content-Type"] == "video/mp4"
        assert len(answer.content) == MODES[mode].size
        record = record_of(google, film)
        assert answer.content == google.video_of(record.operation)
        assert (record.status, record.deliveries) == (200, 1)

    def test_video_of_the_mock_is_delivered(self, films):
        answer = fetch(films["mock"].job["cloudinaryUrl"])
        assert answer.content == (SAMPLES / "720p-16x9-8s-audio.mp4").read_bytes()

    @each_mode
    def test_google_gets_the_order_with_its_images(self, films, google, mode):
        record, wanted = record_of(google, films[mode]), MODES[mode]
        assert record.model == wanted.model or not wanted.model
        assert record.parameters == wanted.parameters
        job = films[mode].job
        assert record.labels == {"job": job["id"], "user": job["userId"]}
        assert record.images == [
            {
                "role": role,
                "mime_type": "image/jpeg",
                "size": len(sent),
                "sha256": hashlib.sha256(sent).hexdigest(),
            }
            for role, sent in wanted.images
        ]

    @each_film
    def test_poster_is_delivered_and_download_redirects_to_the_video(self, films, alice, name):
        job = films[name].job
        answer = fetch(job["posterUrl"])
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "image/jpeg"
        answer = alice.api.get(f"/api/v1/video-jobs/{job['id']}/download")
        assert (answer.status_code, answer.headers["Location"]) == (302, job["cloudinaryUrl"])

    @each_film
    def test_log_messages_and_progress_show_each_step_of_a_charged_job(self, films, name):
        film = films[name]
        assert [(line["level"], line["message"]) for line in film.job["logs"]] == [
            ("info", "📝 Job created"),
            ("info", "🚀 Starting video generation"),
            ("info", "☁️  Calling Google Veo API..."),
            ("info", "🎬 Video generation in progress..."),
            ("info", "💾 Saving the video..."),
            ("info", "✅ Video generation completed successfully!"),
        ]
        assert film.seen[0]["statusMessage"] == "Job queued for processing"
        assert film.job["statusMessage"] == "Video generation completed successfully!"
        told = [job["statusMessage"] for job in film.seen]
        assert "Video generation in progress..." in told
        assert_progress_never_falls(film)
        assert (film.seen[0]["progressPercentage"], film.job["progressPercentage"]) == (0, 100)
        states = [job["status"] for job in film.seen]
        assert states == sorted(states)  # as it happens: PENDING, RUNNING, SUCCEEDED
        assert (film.job["tokensConsumed"], film.job["tokensRefunded"]) == (50, 0)
        assert film.kinds == ["charge"]

    def test_video_over_6_mb_is_uploaded_in_chunks(self, films, cloudinary):
        assert cloudinary.records[films["a long film"].public_id].chunks == 2
        assert cloudinary.records[films["text"].public_id].chunks == 1
        assert cloudinary.open_uploads == {}

    def test_input_images_are_removed_when_jobs_end(self, films, alice, studio):
        assert alice.images > 0
        ended = [film.id.replace("-", "") for film in films.values()]
        left = studio.sql("SELECT job_id FROM jobs_jobimage")
        assert not {str(job).replace("-", "") for (job,) in left} & set(ended)
        assert films["references"].job["inputs"] == {
            "initialImage": False,
            "endFrame": False,
            "referenceImages": 3,
        }


# ---- With faults at Google or Cloudinary ----

FAILING = {  # what happens at Google: the errorCode
    "create:400": "input.unsupported",
    "create:403": "provider.rejected",
    "create:404": "provider.rejected",
    "create:unsafe": "safety.prompt",
    "create:cut": "provider.unknown_submission",
    "create:500": "provider.unknown_submission",
    "create:html": "provider.unknown_submission",
    "poll:404": "provider.rejected",
    "done:filtered": "safety.output",
    "done:filtered-text": "safety.output",
    "done:unsafe": "safety.prompt",
    "done:error": "provider.unavailable",
    "done:error3": "input.unsupported",
    "done:empty": "provider.unavailable",
    "done:notmp4": "provider.unavailable",
}
PASSING = {  # what happens at Google: how often it was asked for the film
    "create:503x2": 3,
    "create:429:2x1": 2,
    "poll:503x2": 1,
    "poll:cutx1": 1,
    "poll:htmlx1": 1,
    "done:truncatedx1": 1,
    "done:halfx1": 1,
}
STORED_LATER = ("500", "504", "drop-before", "drop-after", "short")
NOT_STORED = ("400",)  # 401 is the operator's to mend, and tried again: TestWrongAccount
# Words of Google, Cloudinary and Python that clients must not see.
WORDS = (
    "support codes",
    "use case",
    "overloaded",
    "quota",
    "responsible ai",
    "internal server issue",
    "api key not valid",
    "not found in",
    "permission_denied",
    "unavailable.",
    "resource_exhausted",
    "bad gateway",
    "string to sign",
    "test-project",
    "test-cloudinary",
    "test-google",
    "projects/",
    "publishers/",
    "traceback",
    'file "',
    "exception",
    "httpx",
    "/tmp",
    "/work",
)


@pytest.fixture(scope="module")
def unlucky(studio, google, cloudinary):
    """A user with an ended job for each fault."""
    bob = Customer(studio.user("bob"))
    for fault in (*STORED_LATER, *NOT_STORED):
        film = bob.order(f"Cloudinary {fault}")
        cloudinary.fail(
            "upload", fault, match=lambda chunk, own=film.public_id: chunk["public_id"] == own
        )
    for fault in (*FAILING, *PASSING):
        bob.order("{{" + fault + "}}")
    bob.watch()
    return bob


@pytest.fixture
def film(unlucky, fault):
    prompts = ("{{" + fault + "}}", f"Cloudinary {fault}")
    [film] = [film for film in unlucky.films if film.prompt in prompts]
    return film


class TestFault:
    @pytest.mark.parametrize(("fault", "code"), [*FAILING.items(), ("400", "storage.failed")])
    def test_lasting_fault_fails_the_job_and_refunds_it_once(self, google, film, fault, code):
        assert (film.job["status"], film.job["errorCode"]) == ("FAILED", code)
        assert film.job["statusMessage"] == "Video generation failed"
        assert film.job["errorMessage"].endswith(".")
        assert film.job["logs"][-2]["message"] == f"❌ {film.job['errorMessage']}"
        assert film.job["logs"][-2]["level"] == "error"
        assert film.job["cloudinaryUrl"] is film.job["posterUrl"] is None
        assert (film.job["tokensConsumed"], film.job["tokensRefunded"]) == (50, 50)
        assert film.kinds == ["charge", "refund"]
        assert sum(entry["amount"] for entry in film.entries) == 0
        assert film.job["logs"][-1]["message"] == "💰 50 tokens refunded"
        assert record_of(google, film)  # one, and no other
        assert_progress_never_falls(film)

    @pytest.mark.parametrize(("fault", "asked"), PASSING.items())
    def test_job_succeeds_after_a_temporary_fault_at_google(self, google, film, fault, asked):
        assert film.job["status"] == "SUCCEEDED", film.job
        records = [each for each in google.records if each.prompt == film.prompt]
        assert len(records) == asked
        assert [each.operation for each in records[:-1]] == [None] * (asked - 1)
        video = google.video_of(records[-1].operation)
        assert fetch(film.job["cloudinaryUrl"]).content == video
        assert film.kinds == ["charge"]
        assert_progress_never_falls(film)

    @pytest.mark.parametrize("fault", ["create:429:2x1"])
    def test_job_waits_as_long_as_a_busy_google_says(self, google, film, fault):
        first, second = [each for each in google.records if each.prompt == film.prompt]
        assert second.created_at - first.created_at >= 2
        waiting = [job for job in film.seen if "busy" in job["statusMessage"]]
        assert {job["status"] for job in waiting} == {"PENDING"}
        assert "⏳ Google Veo is busy, trying again later" in [
            line["message"] for line in film.job["logs"]
        ]

    @pytest.mark.parametrize("fault", STORED_LATER)
    def test_video_is_stored_once_after_a_temporary_fault_at_cloudinary(
        self, cloudinary, google, film, fault
    ):
        assert film.job["status"] == "SUCCEEDED", film.job
        video = google.video_of(record_of(google, film).operation)
        assert fetch(film.job["cloudinaryUrl"]).content == video
        assert cloudinary.content_of(film.public_id) == video
        assert cloudinary.records[film.public_id].requests == 2
        stored = [each for each in cloudinary.public_ids if film.id in each]
        assert stored == [film.public_id]
        assert record_of(google, film).deliveries == 1  # the film is not fetched again
        assert film.kinds == ["charge"]
        assert_progress_never_falls(film)

    @pytest.mark.parametrize("fault", NOT_STORED)
    def test_lasting_fault_at_cloudinary_is_not_retried(self, cloudinary, film, fault):
        assert cloudinary.records[film.public_id].requests == 1

    def test_ledger_is_consistent_after_all_faults(self, studio, unlucky, alice):
        assert studio.manage("check_ledger").returncode == 0
        refunds = sum(film.job["tokensRefunded"] for film in unlucky.films)
        balance = unlucky.api.get("/api/v1/tokens").json()["availableTokens"]
        assert balance == 5_000 - 50 * len(unlucky.films) + refunds

    def test_no_temporary_file_is_left(self, studio, unlucky, alice):
        spool = studio.folder / "tmp"
        assert not [*spool.rglob("*.mp4"), *spool.rglob("*.part")]


class TestSecrets:
    """Faults reveal neither secrets nor the messages of the provider."""

    @pytest.fixture
    def answers(self, unlucky, alice):
        """All that clients and visitors can read."""
        paths = ["video-jobs?limit=100", "tokens", "tokens/entries?limit=100", "auth/me"]
        for film in unlucky.films:
            paths += [f"video-jobs/{film.id}", f"video-jobs/{film.id}/download"]
        answers = [unlucky.api.get(f"/api/v1/{path}") for path in paths]
        visitor = ApiClient(unlucky.api.url)
        pages = ["/video-monitor", "/readyz", "/api/v1/video-models", "/api/v1/video-jobs", "/nope"]
        answers += [visitor.get(page) for page in pages]
        return "\n".join(f"{answer.headers} {answer.text}" for answer in answers).lower()

    @pytest.fixture
    def logs(self, studio, unlucky, alice):
        """What the processes wrote, by kind of process."""
        written = {log.name.partition("-")[0]: log.read_text() for log in studio.started}
        assert set(written) == {"web", "cluster"}
        return written

    def test_answers_and_pages_contain_no_secret_of_the_providers(self, answers, studio):
        assert "failed" in answers
        assert not [word for word in WORDS if word in answers]
        assert studio.env["SECRET_KEY"] not in answers

    def test_no_log_contains_a_secret_or_a_message_of_the_provider(self, logs, studio):
        assert "job failed" in logs["cluster"]
        for written in logs.values():
            assert not [key for key in (*KEYS, studio.env["SECRET_KEY"]) if key in written]
            assert not [word for word in WORDS if word in written.lower()]


class TestWrongAccount:
    """The operator has set wrong keys."""

    def test_google_fails_the_job_cloudinary_is_tried_again_and_no_key_is_shown(
        self, stack, google, cloudinary
    ):
        wrong = {"GOOGLE_API_KEY": "wrong-google-key", "CLOUDINARY_API_SECRET": "wrong-secret"}
        stack = stack(google=google.url, cloudinary=cloudinary.url, env=UNLIMITED | wrong)
        alice = Customer(stack.user("alice"))
        real, mock = alice.order("real"), alice.order("mock", mockMode="true")
        ended = alice.api.wait(real.id, seconds=30)
        assert (ended["status"], ended["errorCode"]) == ("FAILED", "provider.rejected")
        assert until(lambda: STORING_AGAIN in alice.api.job(mock.id)["statusMessage"], seconds=30)
        assert alice.api.job(mock.id)["status"] == "RUNNING"
        assert alice.api.entry_kinds(real.id) == ["charge", "refund"]
        assert alice.api.entry_kinds(mock.id) == ["charge"]
        assert cloudinary.records.get(mock.public_id) is None
        told = f"{alice.api.get('/api/v1/video-jobs').text} {stack.output(lines=10_000)}"
        told += ApiClient(stack.url).get("/video-monitor").text
        secret = [*wrong.values(), *KEYS, stack.env["SECRET_KEY"], "API_KEY_INVALID", "ignature"]
        assert not [word for word in secret if word in told]
