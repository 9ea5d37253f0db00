"""A studio with a past, for browsers and pictures: a fortnight of orders, made by the domain's own
functions under a clock of ours.

    manage.py shell -c "from tests.staff import scene; scene.build()"
"""

import random
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone
from PIL import Image as Pillow

from accounts.models import User
from jobs import lifecycle, orders
from jobs.catalog import Order
from jobs.images import Image
from jobs.lifecycle import Failure
from jobs.models import Stage, Status, VideoJob
from jobs.providers.base import Inputs
from jobs.providers.mock import Mock
from jobs.videos.base import StoredVideo
from tokens_ledger import audit, ledger
from tokens_ledger.models import Entry

PASSWORD = "tall ships at anchor"
STAFF = {"sam": "Support", "olga": "Operator", "fred": "Finance"}
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
FAILURES = (
    Failure("safety.output", "The video was held back by the provider's safety filters."),
    Failure("provider.timeout", "Google Veo did not deliver the video in time."),
    Failure("provider.unavailable", "Google Veo is not available.", "503 UNAVAILABLE: overloaded"),
    Failure("storage.failed", "The finished video could not be stored.", "HTTP 500 of the upload"),
)


class Clock:
    """What the ledger takes for now."""

    now = timezone.now()


def build(*, jobs: int = 160, seed: int = 4) -> None:
    """Staff, customers, jobs of every kind, and a customer who writes a mail: maria."""
    chance, end = random.Random(seed), timezone.now()
    Entry._meta.get_field("created_at").__dict__["_get_default"] = lambda: Clock.now
    Clock.now = end - timedelta(days=13, hours=20)
    make_staff()
    customers = [_customer(name) for name in ("maria", "jonas", "aiko", "femi", "lucia")]
    ages = sorted((chance.expovariate(1 / 1.6) for _ in range(jobs)), reverse=True)
    for age in ages:
        at = end - timedelta(days=min(13.5, age), minutes=12)
        _job(chance.choice(customers), chance.choice(PROMPTS), at, chance)
    _the_mail(customers[0], end)
    Clock.now = end
    audit.run(now=end - timedelta(minutes=17))


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


def order(prompt: str, **changes: Any) -> Order:
    asked: dict[str, Any] = {
        "prompt": prompt,
        "model": "veo-3.1-fast-generate-preview",
        "resolution": "720p",
        "aspect_ratio": "16:9",
        "duration_seconds": 8,
        "generate_audio": True,
        "mock_mode": True,
    }
    return Order(**asked | changes)


def _job(user: User, prompt: str, at: datetime, chance: random.Random) -> VideoJob:
    """One that has ended, most of them well."""
    if ledger.balance(user=user) < 50:
        ledger.grant(user=user, amount=1_000, note="Package of 20 videos")
    job = _begun(user, order(prompt, mock_mode=chance.random() < 0.3), at)
    took = timedelta(seconds=chance.gauss(75, 18) + 12)
    if chance.random() < 0.06:
        Clock.now = at + timedelta(seconds=9)
        return lifecycle.cancel(job=job, now=Clock.now)
    Clock.now = at + max(took, timedelta(seconds=25))
    if chance.random() < 0.1:
        lifecycle.fail(job=job, failure=chance.choice(FAILURES), now=Clock.now)
    else:
        lifecycle.generated(job=job, now=Clock.now - timedelta(seconds=4))
        job.refresh_from_db()
        lifecycle.succeed(job=job, video=stored(job), now=Clock.now)
    return job


def _begun(user: User, asked: Order, at: datetime, inputs: Inputs | None = None) -> VideoJob:
    """A job that the provider is at work on."""
    Clock.now = at
    job, _ = orders.create(user=user, order=asked, inputs=inputs or Inputs(), now=at)
    at += timedelta(seconds=1)
    VideoJob.objects.filter(pk=job.pk).update(
        status=Status.RUNNING, stage=Stage.SUBMITTING, started_at=at
    )
    job.refresh_from_db()
    lifecycle.log(job, lifecycle.STARTED, at)
    lifecycle.log(job, lifecycle.CALLING, at)
    at += timedelta(seconds=2)
    operation = Mock(seconds=8, clock=at.timestamp).submit(order=asked, inputs=Inputs())
    if not asked.mock_mode:
        operation = f"projects/studio/operations/{job.pk.hex[:16]}"
    lifecycle.submitted(job=job, operation=operation, now=at)
    job.refresh_from_db()
    return job


def stored(job: VideoJob) -> StoredVideo:
    name = f"ai_studio/videos/{job.pk}"
    return StoredVideo(
        name=f"{name}.mp4",
        url=f"/media/{name}.mp4",
        poster_url=f"/media/{name}.jpg",
        bytes=1_841_202,
    )


def _the_mail(maria: User, end: datetime) -> None:
    """Her video "came", she says, as nothing but a black frame; and others of hers are at work."""
    at = end - timedelta(minutes=9)
    prompt = "A ballroom of paper dancers, one of them catches fire"
    job = _begun(maria, order(prompt), at)
    Clock.now = at + timedelta(seconds=58)
    error = Failure("provider.unavailable", "x", "503 UNAVAILABLE: the service is overloaded")
    lifecycle.step_failed(job=job, error=Exception(error.detail), now=at + timedelta(seconds=31))
    lifecycle.generated(job=job, now=Clock.now - timedelta(seconds=3))
    job.refresh_from_db()
    lifecycle.succeed(job=job, video=stored(job), now=Clock.now)
    first = Inputs(initial_image=picture())
    asked = order("The same ballroom, but underwater [[slow:600]]", initial_image=True)
    Clock.now = end - timedelta(seconds=40)
    orders.create(user=maria, order=asked, inputs=first, now=Clock.now)


def picture() -> Image:
    import io

    content = io.BytesIO()
    Pillow.radial_gradient("L").resize((640, 360)).convert("RGB").save(content, "JPEG")
    return Image(
        content=content.getvalue(), mime_type="image/jpeg", width=640, height=360, sha256="0" * 64
    )
