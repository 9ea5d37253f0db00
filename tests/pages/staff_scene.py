"""A fortnight of orders, made by the domain's own functions under a clock of ours.

    manage.py shell -c "from tests.pages import staff_scene; staff_scene.build(jobs=160)"

Customers who write a mail: maria (a video like a black frame), jonas (it never came), aiko (held
back), femi (withdrew, and wants it after all) and lucia (waits). In the past hour Google was
overloaded, and nobody was given their tokens back.
"""

import io
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.files.storage import storages
from django.utils import timezone
from PIL import Image as Pillow

from accounts.models import User
from jobs import events, job_creation, lifecycle, messages
from jobs.catalog import VideoSpec
from jobs.failures import Failure
from jobs.input_images import Image
from jobs.models import Stage, Status, VideoJob
from jobs.providers.base import Inputs
from jobs.providers.mock import SAMPLES, Mock
from jobs.storage.base import VideoStorage, video_name
from tests.pages.staff_studio import PASSWORD, STAFF
from tokens_ledger import ledger, reconciliation
from tokens_ledger.models import Entry

PROMPTS = (
    "A lighthouse at dusk, waves rolling in, seen from a drone",
    "A cat conducts an orchestra of mice in a candle-lit hall",
    "Time-lapse of a city waking up under heavy snow",
    "A paper boat drifts down a rainy gutter, macro shot",
    "An old astronaut waters tomatoes on the Moon",
    "Slow pan across a kitchen where bread is baking",
    "Two foxes play in fresh snow, early morning light",
    "A violin maker planes a spruce top, shavings curling",
)
SAFETY = Failure("safety.output", "The video was held back by the provider's safety filters.")
TIMEOUT = Failure("provider.timeout", "Google Veo did not deliver the video in time.")
OVERLOADED = Failure(
    "provider.unavailable", "Google Veo is not available.", "503 UNAVAILABLE: overloaded"
)
STORAGE = Failure(
    "storage.failed", "The finished video could not be stored.", "HTTP 500 of the upload"
)


class Clock:
    """What the ledger takes for now."""

    now = timezone.now()


def build(*, jobs: int, seed: int = 4) -> None:
    chance, end = random.Random(seed), timezone.now()
    Entry._meta.get_field("created_at").__dict__["_get_default"] = lambda: Clock.now
    settings.VIDEO_REFUND_FAILED_JOBS = True
    Clock.now = end - timedelta(days=13, hours=20)
    make_staff()
    customers = [_customer(name) for name in ("maria", "jonas", "aiko", "femi", "lucia")]
    ages = sorted((chance.expovariate(1 / 1.6) for _ in range(jobs)), reverse=True)
    for age in ages:
        at = end - timedelta(days=min(13.5, age), minutes=75)
        _any(chance.choice(customers), chance.choice(PROMPTS), at, chance)
    settings.VIDEO_REFUND_FAILED_JOBS = False
    _outage(customers, end)
    _mails(customers, end)
    Clock.now = end
    reconciliation.run(now=end - timedelta(minutes=17))


def make_staff() -> None:
    """One member of each role; the password of all is PASSWORD."""
    for name, role in STAFF.items():
        user = User.objects.create_user(name, f"{name}@studio.example", PASSWORD, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
    User.objects.create_superuser("root", "root@studio.example", PASSWORD)


def _customer(name: str) -> User:
    user = User.objects.create_user(name, f"{name}@example.com", PASSWORD)
    ledger.grant(user=user, amount=2_500, note="Package of 50 videos")
    return user


def order(prompt: str, **changes: Any) -> VideoSpec:
    asked: dict[str, Any] = {
        "prompt": prompt,
        "model": "veo-3.1-fast-generate-preview",
        "resolution": "720p",
        "aspect_ratio": "16:9",
        "duration_seconds": 8,
        "generate_audio": True,
        "mock_mode": True,
    }
    return VideoSpec(**asked | changes)


# ---- The fortnight ----


def _any(user: User, prompt: str, at: datetime, chance: random.Random) -> None:
    """A job that has ended, as most do well."""
    if ledger.balance(user=user) < 50:
        ledger.grant(user=user, amount=1_000, note="Package of 20 videos")
    job = _begun(user, order(prompt, mock_mode=chance.random() < 0.3), at)
    took = timedelta(seconds=max(25, chance.gauss(87, 18)))
    fate = chance.random()
    if fate < 0.06:
        _cancel(job, at + timedelta(seconds=9))
    elif fate < 0.16:
        _fail(job, chance.choice((SAFETY, TIMEOUT, OVERLOADED, STORAGE)), at + took)
    else:
        _succeed(job, at + took)


def _outage(customers: list[User], end: datetime) -> None:
    for number, minutes in enumerate((50, 46, 42, 37, 30, 22)):
        at = end - timedelta(minutes=minutes)
        job = _begun(customers[number % 5], order(PROMPTS[number], mock_mode=False), at)
        _fail(job, OVERLOADED, at + timedelta(seconds=64))


def _mails(customers: list[User], end: datetime) -> None:
    maria, jonas, aiko, femi, lucia = customers

    def minutes(ago: float) -> datetime:
        return end - timedelta(minutes=ago)

    prompt = "A glass whale swims over the rooftops of Berlin"
    _fail(_begun(jonas, order(prompt), minutes(18)), STORAGE, minutes(16.5))
    prompt = "A koi made of ink dissolves in a bowl of milk"
    _fail(_begun(aiko, order(prompt), minutes(14)), SAFETY, minutes(12.8))
    prompt = "A marching band of penguins crosses a frozen river"
    _cancel(_begun(femi, order(prompt), minutes(11)), minutes(10.8))

    prompt = "A ballroom of paper dancers, one of them catches fire"
    job = _begun(maria, order(prompt), minutes(9))
    error = Exception("503 UNAVAILABLE: the service is overloaded")
    lifecycle.step_failed(job=job, error=error, now=minutes(8.5))
    _succeed(job, minutes(7.2))

    Clock.now = minutes(1)
    wish = order("The same ballroom, but underwater", initial_image=True)
    image = Inputs(initial_image=picture())
    job_creation.create(user=maria, spec=wish, inputs=image, now=Clock.now)
    wish = order("A tram climbs a hill through a thunderstorm")
    job_creation.create(user=lucia, spec=wish, inputs=Inputs(), now=Clock.now)


# ---- One job ----


def _begun(user: User, asked: VideoSpec, at: datetime) -> VideoJob:
    """One that the provider is at work on."""
    Clock.now = at
    job = job_creation.create(user=user, spec=asked, inputs=Inputs(), now=at).job
    at += timedelta(seconds=1)
    VideoJob.objects.filter(pk=job.pk).update(
        status=Status.RUNNING, stage=Stage.SUBMITTING, started_at=at
    )
    job.refresh_from_db()
    events.add(job, messages.STARTED, at)
    events.add(job, messages.CALLING, at)
    at += timedelta(seconds=2)
    operation = Mock(seconds=8, clock=at.timestamp).submit(spec=asked, inputs=Inputs(), labels={})
    if not asked.mock_mode:
        operation = f"projects/studio/operations/{job.pk.hex[:16]}"
    lifecycle.submitted(accepted={job: operation}, now=at)
    job.refresh_from_db()
    return job


def _succeed(job: VideoJob, at: datetime) -> None:
    Clock.now = at
    lifecycle.generated(job=job, now=at - timedelta(seconds=4))
    job.refresh_from_db()
    name, sample = video_name(job.pk), Path(SAMPLES, "720p-16x9-8s-audio.mp4")
    poster = Path(SAMPLES, "720p-16x9-8s.jpg")
    storage = cast(VideoStorage, storages["videos"])
    video = storage.upload_video(name=name, path=sample, poster=poster)
    lifecycle.succeed(job=job, video=video, now=at)


def _fail(job: VideoJob, failure: Failure, at: datetime) -> None:
    Clock.now = at
    lifecycle.fail(job=job, failure=failure, now=at)


def _cancel(job: VideoJob, at: datetime) -> None:
    Clock.now = at
    lifecycle.cancel(job=job, now=at)


def picture() -> Image:
    content = io.BytesIO()
    Pillow.radial_gradient("L").resize((640, 360)).convert("RGB").save(content, "JPEG")
    return Image(
        content=content.getvalue(), mime_type="image/jpeg", width=640, height=360, sha256="0" * 64
    )
