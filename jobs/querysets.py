"""Named queries on jobs, including the order of the waiting line."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection, models

from jobs.statuses import ACTIVE

if TYPE_CHECKING:
    from jobs.models import VideoJob  # noqa: F401  # for the base class's type argument

# Every waiting job with
#   nth            its rank among its user's waiting jobs, 1 for the first;
#   user_rank      its rank among its user's running and waiting jobs;
#   waiting_since  when a job of its user was last started or, if that is later, when the user's
#                  first waiting job was created.
# The ORM cannot nest window functions. Running jobs are counted once per user, for the first
# waiting job, so that PostgreSQL uses the index of active jobs even with stale statistics.
WAITING = """
    SELECT id, mock_mode, created_at, next_step_at, status_message, nth,
        nth + MAX(running) OVER (PARTITION BY user_id) AS user_rank,
        MAX(since) OVER (PARTITION BY user_id) AS waiting_since
    FROM (
        SELECT *, CASE WHEN nth = 1 THEN (
            SELECT COUNT(*) FROM jobs_videojob AS other
            WHERE other.user_id = waiting.user_id AND other.status = 'RUNNING'
        ) ELSE 0 END AS running,
        CASE WHEN nth = 1 THEN COALESCE((
            SELECT served_at FROM jobs_turn AS turn
            WHERE turn.user_id = waiting.user_id AND served_at > waiting.created_at
        ), created_at) END AS since
        FROM (
            SELECT id, mock_mode, created_at, next_step_at, status_message, user_id,
                ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY created_at, id) AS nth
            FROM jobs_videojob
            WHERE status = 'PENDING' AND stage = '' AND next_step_at IS NOT NULL
        ) AS waiting
    ) AS counted
"""
# With an equal `user_rank`, the job that is further back among its user's waiting jobs comes later:
# its user will have been served by then.
LINE_ORDER = "user_rank, nth, waiting_since, created_at, id"
IN_LINE = f"SELECT * FROM ({WAITING}) AS line ORDER BY {LINE_ORDER}"
PLACES = f"""
    SELECT id, place FROM (
        SELECT id, ROW_NUMBER() OVER (PARTITION BY mock_mode ORDER BY {LINE_ORDER}) - 1 AS place
        FROM ({WAITING}) AS line
    ) AS placed
    WHERE id IN ({{}})
"""


class VideoJobQuerySet(models.QuerySet["VideoJob"]):
    def for_user(self, user: Any) -> "VideoJobQuerySet":
        return self.filter(user=user)

    def active(self) -> "VideoJobQuerySet":
        return self.filter(status__in=ACTIVE)

    def due(self, *, now: datetime) -> "VideoJobQuerySet":
        """Jobs whose next step is due, those due longest first."""
        return self.filter(next_step_at__lte=now).order_by("next_step_at", "id")

    def in_line(self) -> Any:  # the type checker does not know the annotation
        """All PENDING jobs in the order in which they start, each with its `user_rank`.

        A user's first job comes before any other user's second, running jobs included. Users with
        as many running jobs take turns: the one that was served longest ago is next. So a user's
        first job waits for at most one job of each other user, however many those have ordered.
        Columns that WAITING does not select are deferred.
        """
        return self.model.objects.raw(IN_LINE)

    def places(self, ids: Sequence[UUID]) -> dict[UUID, int]:
        """The queue position of each PENDING job among `ids`: how many of its kind come first."""
        key = self.model._meta.pk
        keys = [key.get_db_prep_value(id, connection) for id in ids]
        placed: Any = self.model.objects.raw(PLACES.format(", ".join(["%s"] * len(keys))), keys)
        return {job.pk: job.place for job in placed}
