"""Delete an account at its user's request: jobs, keys and everything that identifies the person.

The ledger entries stay, with the reasons that staff wrote, for a user row without a name.
The first transaction closes the account under the lock that every order takes, so no order follows.
Then the jobs are deleted, each batch in its own transaction. It locks the job, then the account,
as workers and staff do.
"""

from datetime import datetime

from django.db import transaction

from accounts import erasure
from accounts.models import User
from jobs import lifecycle, removals
from jobs.models import IdempotencyKey, JobCount, VideoJob, VideoRemoval, Webhook, WebhookDelivery
from jobs.statuses import FINAL
from jobs.webhooks import registry
from tokens_ledger import ledger

BATCH_SIZE = 200  # jobs, with their events and images


def delete(*, user: User, now: datetime) -> None:
    """Close the account of `user` and delete its jobs; active ones are cancelled first.

    If the process dies in between, `finish` deletes the rest within an hour.
    """
    try:
        with transaction.atomic():
            ledger.close(user=user)
            erasure.erase(user=user)
            WebhookDelivery.objects.filter(user=user).delete()  # their bodies have the prompts
            Webhook.objects.filter(user=user).delete()
    except ledger.AccountClosed:
        return  # a simultaneous request deletes it
    _delete_jobs(user, now)


def finish(*, now: datetime) -> None:
    """Delete what an interrupted deletion, or a simultaneous request, left of closed accounts."""
    Webhook.objects.filter(user__token_account__is_closed=True).delete()
    left = User.objects.filter(token_account__is_closed=True, video_jobs__isnull=False)
    for user in left.distinct()[:BATCH_SIZE]:
        _delete_jobs(user, now)


def _delete_jobs(user: User, now: datetime) -> None:
    IdempotencyKey.objects.filter(user=user).delete()
    for job in VideoJob.objects.for_user(user).active():
        lifecycle.delete(job=job, now=now, video_too=VideoRemoval.Cause.ACCOUNT)
    while _delete_ended(user, now):
        pass
    with transaction.atomic():
        registry.lock(users=[user.pk])
        WebhookDelivery.objects.filter(user=user).delete()  # of a webhook that was set meanwhile
    JobCount.objects.filter(user=user).delete()


def _delete_ended(user: User, now: datetime) -> int:
    """Delete one batch, with the videos. The counts are not updated: their row is deleted too."""
    ended = VideoJob.objects.for_user(user).filter(status__in=FINAL).order_by("pk")
    with transaction.atomic():
        batch = list(ended.select_for_update().only("video_url", "video_name")[:BATCH_SIZE])
        stored = [job for job in batch if job.video_url]
        removals.queue(jobs=stored, cause=VideoRemoval.Cause.ACCOUNT, now=now, is_bulk=True)
        ids = [job.pk for job in batch]
        registry.lock(users=[user.pk])  # as the sender does before it changes several deliveries
        WebhookDelivery.objects.filter(job_id__in=ids).delete()
        VideoJob.objects.filter(pk__in=ids).delete()
    return len(batch)
