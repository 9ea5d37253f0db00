"""Which models Google no longer has: orders of them are refused until Google accepts one.

A model is identified by Google's id: another id in VEO_MODEL_IDS makes it available at once.
A job created after the row was inserted has passed `admit`, so its outcome counts.
"""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings

from jobs import catalog
from jobs.models import Status, UnavailableModel, VideoJob

CLOCKS_DIFFER = timedelta(minutes=1)  # of two machines, at most


class ModelUnavailable(Exception):
    """Google has no such `model`. It may be tried again in `wait_seconds`; None: at any moment."""

    def __init__(self, *, model: str, wait_seconds: int | None) -> None:
        super().__init__(model)
        self.model = model
        self.wait_seconds = wait_seconds


def google_id(name: str) -> str:
    """Google's id of a model in the catalog."""
    return catalog.google_id(name=name, overrides=settings.VEO_MODEL_IDS)


def names_by_google_id() -> dict[str, list[str]]:
    """The names by which clients order each of Google's models."""
    names: dict[str, list[str]] = {}
    for name in catalog.MODELS:
        names.setdefault(google_id(name), []).append(name)
    return names


def unavailable() -> list[UnavailableModel]:
    """The models in use that Google no longer has, those missing longest first."""
    rows = UnavailableModel.objects.order_by("since")
    return [row for row in rows if row.google_id in names_by_google_id()]


def refused_names(*, now: datetime) -> set[str]:
    """The names of the models of which an order would be refused now."""
    names = names_by_google_id()
    refused = [row for row in unavailable() if not _may_probe(row, now)]
    return {name for row in refused for name in names[row.google_id]}


def admit(*, job: VideoJob, now: datetime) -> None:
    """Raise ModelUnavailable, unless Google has the model or this new job is the probe.

    Call it in the transaction that creates the job. One of simultaneous callers becomes the
    probe. The others wait for the row's lock, and then find the row changed.
    """
    if job.mock_mode:
        return
    row = UnavailableModel.objects.filter(pk=google_id(job.model)).first()
    if row is None:
        return
    unchanged = UnavailableModel.objects.filter(
        pk=row.pk, next_probe_at=row.next_probe_at, probe=row.probe
    )
    if not _may_probe(row, now) or not unchanged.update(
        probe=job.pk, next_probe_at=now + timedelta(seconds=settings.VEO_REOPEN_SECONDS)
    ):
        raise ModelUnavailable(model=job.model, wait_seconds=_wait_seconds(row, now))


def close(*, google_id: str, cause: str, now: datetime) -> None:
    """Refuse orders of this model: Google answered that it does not have it."""
    changes = {
        "probe": None,
        "next_probe_at": now + timedelta(seconds=settings.VEO_REOPEN_SECONDS),
        "cause": cause.replace("\0", "\N{REPLACEMENT CHARACTER}"),
    }
    UnavailableModel.objects.update_or_create(
        pk=google_id, defaults=changes, create_defaults=changes | {"since": now}
    )


def reopen(*, accepted: Iterable[VideoJob]) -> None:
    """Accept orders of the models of these jobs, because Google accepted the jobs."""
    jobs = [job for job in accepted if not job.mock_mode]
    for row in UnavailableModel.objects.all() if jobs else ():
        if any(_is_of(job, row) and _was_admitted(job, row) for job in jobs):
            row.delete()


def is_lost(*, job: VideoJob, row: UnavailableModel) -> bool:
    """Whether this job waits for the model since before Google answered 404 for it."""
    return job.status == Status.PENDING and _is_of(job, row) and not _was_admitted(job, row)


def _is_of(job: VideoJob, row: UnavailableModel) -> bool:
    return not job.mock_mode and job.model in names_by_google_id().get(row.google_id, [])


def _was_admitted(job: VideoJob, row: UnavailableModel) -> bool:
    """Whether the job passed `admit` while the row existed.

    The probe did, even if a clock that was ahead wrote `since`.
    """
    return job.pk == row.probe or job.created_at > row.since


def _may_probe(row: UnavailableModel, now: datetime) -> bool:
    """Whether a new order may try the model: it is time, or the last probe ended undecided.

    A time beyond the interval was written by a fast clock, or with a longer VEO_REOPEN_SECONDS.
    """
    interval = timedelta(seconds=settings.VEO_REOPEN_SECONDS)
    if not now < row.next_probe_at <= now + interval + CLOCKS_DIFFER:
        return True
    return row.probe is not None and not VideoJob.objects.active().filter(pk=row.probe).exists()


def _wait_seconds(row: UnavailableModel, now: datetime) -> int | None:
    """None while a probe is under way, which may end at any moment."""
    if row.probe or row.next_probe_at <= now:
        return None
    return math.ceil((row.next_probe_at - now).total_seconds())
