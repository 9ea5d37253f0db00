"""Writes an event's row in the transaction that ends the job, so that neither is lost."""

from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from rest_framework.renderers import JSONRenderer

from jobs.job_json import ShownJob, VideoJobSerializer
from jobs.models import Status, VideoJob, Webhook, WebhookDelivery
from jobs.webhooks import addresses

TYPES = {
    Status.SUCCEEDED: "video_job.succeeded",
    Status.FAILED: "video_job.failed",
    Status.CANCELLED: "video_job.cancelled",
}
EVENTS = (*TYPES.values(),)
TEST = "webhook.test"
MAX_BODY_BYTES = 20_000
LONG_TEXTS = ("prompt", "negativePrompt")

SERIALIZER = VideoJobSerializer()


def job_ended(job: VideoJob, now: datetime) -> None:
    """Queue the event of a job that ended in this transaction, if its owner wants it.

    One statement if the owner has no webhook. The body is that of the job's row now.
    """
    webhook = Webhook.objects.filter(user_id=job.user_id).first()
    if webhook is None or TYPES[Status(job.status)] not in webhook.events:
        return
    if webhook.disabled_reason and not job.webhook_url:
        return
    ended = VideoJob.objects.get(pk=job.pk)
    url = job.webhook_url or webhook.url
    WebhookDelivery.objects.create(
        user_id=job.user_id,
        job_id=job.pk,
        type=TYPES[Status(ended.status)],
        url=url,
        host=host(url),
        from_order=bool(job.webhook_url),
        body=_body(ended, now),
        next_try_at=now,
        created_at=now,
    )


def host(url: str) -> str:
    return addresses.host_of(addresses.parse_url(url))[:255]


def test_body(now: datetime) -> bytes:
    return _event(TEST, now, {"message": "This is a test of your webhook."})


def _body(job: VideoJob, now: datetime) -> str:
    job.log = []
    shown = ShownJob(job=job, position=None, now=now, absolute=absolute(job.origin))
    data = SERIALIZER.to_representation(shown)
    del data["logs"]
    type = TYPES[Status(job.status)]
    body = _event(type, now, data)
    if len(body) > MAX_BODY_BYTES:
        longest = max(len(data.get(name) or "") for name in LONG_TEXTS)
        # The longest cut that fits; bodies grow with it.
        length = bisect_right(
            range(longest),
            MAX_BODY_BYTES,
            key=lambda length: len(_event(type, now, _cut(data, length))),
        )
        body = _event(type, now, _cut(data, length - 1))
    return body.decode()


def _cut(data: dict[str, Any], length: int) -> dict[str, Any]:
    """`data` with each of the long texts cut to `length` characters."""
    cut = {name: data[name][:length] for name in LONG_TEXTS if data.get(name)}
    return data | cut | {"truncated": True}


def _event(type: str, now: datetime, data: Any) -> bytes:
    timestamp = now.strftime(str(settings.REST_FRAMEWORK["DATETIME_FORMAT"]))
    event = {"type": type, "timestamp": timestamp, "data": data}
    return bytes(JSONRenderer().render(event))


def absolute(origin: str) -> Callable[[str], str]:
    """Makes absolute URLs of the paths of an order that came to `origin`."""
    return lambda url: urljoin(settings.PUBLIC_URL or origin, url)
