"""Alice owns the jobs, Bob is a stranger; both have tokens for twenty videos.

Requests are real ones but for the network: a real access token, the whole stack of middleware, and
a 500 is an answer, not an exception. Jobs are moved on by the functions that workers call.
"""

import io
import json
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from django_q.models import OrmQ
from PIL import Image
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from jobs import job_creation, lifecycle
from jobs.catalog import VideoSpec
from jobs.failures import Failure
from jobs.models import IdempotencyKey, JobEvent, JobImage, Stage, Status, VideoJob
from jobs.providers.base import Inputs
from jobs.storage.base import StoredVideo
from jobs.worker import leases
from tests.client import MOCK_JOB
from tokens_ledger import ledger
from tokens_ledger.models import Entry
from videostudio.core.api.throttling import WindowThrottle

JOBS = "/api/v1/video-jobs"
FORM: dict[str, Any] = {"prompt": "A sunset over mountains"} | MOCK_JOB
TOKENS = 1000
COST = 50
ENDED = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)
STATES = (Status.PENDING, *Stage, *ENDED)  # of a job, in the order in which it comes to them


class Client(APIClient):
    """A user of the HTTP API, in this process."""

    def create(self, headers: dict[str, str] | None = None, **fields: Any) -> Any:
        """Ask for a video by multipart; `fields` go over FORM, None leaves one out."""
        form = {name: value for name, value in (FORM | fields).items() if value is not None}
        return self.post(JOBS, form, format="multipart", headers=headers)

    def create_json(self, text: str | None = None, **fields: Any) -> Any:
        """Ask for a video by JSON: `text`, or an object of `fields` over FORM."""
        body = json.dumps(FORM | fields) if text is None else text
        return self.post(JOBS, body, content_type="application/json")

    def send(self, body: bytes, content_type: str, length: int | None = None) -> Any:
        """POST these bytes as they are; `length` is what Content-Length says."""
        claimed = len(body) if length is None else length
        raw: dict[str, Any] = {"CONTENT_LENGTH": str(claimed), "wsgi.input": io.BytesIO(body)}
        return self.generic("POST", JOBS, "", content_type, **raw)

    def job(self, job: VideoJob) -> dict[str, Any]:
        answer = self.get(f"{JOBS}/{job.pk}")
        assert answer.status_code == 200, answer.content
        return answer.json()


# ---- Who ----


@pytest.fixture
def alice(db):
    return _user("alice")


@pytest.fixture
def bob(db):
    return _user("bob")


def _user(name):
    user = User.objects.create_user(name, f"{name}@example.com")
    ledger.grant(user=user, amount=TOKENS, note="For tests")
    return user


@pytest.fixture
def tokens():
    """`tokens(alice)`: how many she has. `tokens(alice, 20)`: now she has so many."""

    def tokens(user, wanted=None):
        missing = 0 if wanted is None else wanted - ledger.balance(user=user)
        if missing:
            ledger.adjust(user=user, amount=missing, note="For tests")
        return ledger.balance(user=user)

    return tokens


@pytest.fixture
def client_of(monkeypatch):
    """Signs a user in. The throttles' counts begin anew, and their minute does not end."""
    cache.clear()
    monkeypatch.setattr(WindowThrottle, "timer", lambda self: 1_800_000_000.0)

    def client(user):
        client = Client(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(user)}")
        return client

    return client


@pytest.fixture
def client(alice, client_of):
    """Alice's."""
    return client_of(alice)


@pytest.fixture
def stranger(bob, client_of):
    """Bob's client."""
    return client_of(bob)


@pytest.fixture
def anonymous(db):
    return Client(raise_request_exception=False)


@pytest.fixture
def boss(db):
    """A superuser's browser."""
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("boss", "boss@example.com"))
    return client


# ---- Jobs ----


def order(**changes: Any) -> VideoSpec:
    """What FORM asks for, but for `changes`."""
    usual: dict[str, Any] = {
        "prompt": FORM["prompt"],
        "model": FORM["model"],
        "resolution": "720p",
        "aspect_ratio": "16:9",
        "duration_seconds": 8,
        "generate_audio": False,
        "mock_mode": True,
    }
    return VideoSpec(**usual | changes)


@pytest.fixture
def new_job(alice):
    """Creates a job, Alice's unless `user` says otherwise, and brings it to the state `at`."""

    def create(at=Status.PENDING, *, user=alice, now=None, inputs=None, **changes):
        now = now or timezone.now()
        taken = job_creation.create(
            user=user, spec=order(**changes), inputs=inputs or Inputs(), now=now
        )
        return bring(taken.job, at, now=now)

    return create


def bring(job, state, *, now=None):
    """The job at `state`, by the steps that workers take; other PENDING jobs may start with it."""
    now = now or timezone.now()
    if state == Status.CANCELLED:
        return lifecycle.cancel(job=job, now=now)
    way = [Status.PENDING, *Stage]
    goal = state if state in way else Stage.STORING
    while (here := where(job)) != goal:
        STEPS[here](job, now)
        job.refresh_from_db()
        assert where(job) == way[way.index(here) + 1]
    if state == Status.SUCCEEDED:
        assert lifecycle.succeed(job=job, video=stored(job), now=now)
    if state == Status.FAILED:
        assert lifecycle.fail(job=job, failure=BLOCKED, now=now)
    job.refresh_from_db()
    return job


def where(job):
    return job.stage or job.status


STEPS = {
    Status.PENDING: lambda job, now: leases.claim_pending(limit=100, now=now),
    Stage.SUBMITTING: lambda job, now: lifecycle.submitted(accepted={job: OPERATION}, now=now),
    Stage.GENERATING: lambda job, now: lifecycle.generated(job=job, now=now),
}
OPERATION = "projects/acme-7/operations/secret-operation"
BLOCKED = Failure(
    code="safety.output",
    message="The video was held back.",
    detail="raw words of the provider: AIzaSy-secret-key",
)


def stored(job):
    name = f"ai_studio/videos/{job.pk}"
    url = f"/media/{name}"
    return StoredVideo(name=f"{name}.mp4", url=f"{url}.mp4", poster_url=f"{url}.jpg", bytes=123)


def kept(job):
    """The job's row as it is now; None once it is deleted."""
    return VideoJob.objects.filter(pk=job.pk).first()


def limited(settings, rate):
    """How often one user may create jobs, such as "1/min"."""
    rest = settings.REST_FRAMEWORK
    rates = rest["DEFAULT_THROTTLE_RATES"] | {"create": rate}
    settings.REST_FRAMEWORK = rest | {"DEFAULT_THROTTLE_RATES": rates}


# ---- What remained ----


def traces():
    """How much there is of everything that a new job leaves behind."""
    tables = (VideoJob, JobImage, JobEvent, IdempotencyKey, Entry, OrmQ)
    return {table.__name__: table.objects.count() for table in tables}


@pytest.fixture
def nothing_happens(alice, settings):
    """The test may ask often and must leave no job, image, charge or wake-up behind."""
    limited(settings, "1000000/min")
    before = traces()
    yield
    assert traces() == before
    assert ledger.balance(user=alice) == TOKENS


def assert_fault(answer, status=400, code="invalid", field=None):
    """The shape of contract 3 for a request at fault; returns its body."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    body = answer.json()
    assert set(body) == {"detail", "code", "field", "errors"}
    assert (body["code"], body["field"]) == (code, field)
    assert {frozenset(each) for each in body["errors"]} == {frozenset(["field", "message", "code"])}
    assert body["detail"] == body["errors"][0]["message"]
    assert body["field"] == body["errors"][0]["field"]
    for text in (each[key] for each in body["errors"] for key in ("message", "code")):
        assert isinstance(text, str)
        assert text
    return body


def assert_problem(answer, status, code):
    """The shape of contract 3 for what is no fault of the request's; returns its body."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    assert answer.json()["code"] == code
    assert isinstance(answer.json()["detail"], str)
    return answer.json()


# ---- Pictures ----


def picture(kind="JPEG", *, size=(64, 48), color="red", mode="RGB", name=None, **options):
    """An uploaded image, named after its kind."""
    return upload(encoded(Image.new(mode, size, color), kind, **options), name or f"a.{kind}")


def encoded(image, kind, **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def upload(content, name="a.jpg", content_type="application/octet-stream"):
    return SimpleUploadedFile(name, content, content_type)


@pytest.fixture(params=["JPEG", "PNG", "WEBP"])
def kind(request):
    """Each of the formats that are taken."""
    return request.param
