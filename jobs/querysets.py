"""Named queries on jobs, including the order of the waiting line."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection, models

from jobs.statuses import ACTIVE, HELD, Stage, Status

if TYPE_CHECKING:
    from jobs.models import VideoJob  # noqa: F401  # for the base class's type argument

# `waiting_jobs` selects every waiting job, or those of some users, with
#   nth            its rank among its user's waiting jobs, 1 for the first;
#   user_rank      its rank among its user's running and waiting jobs;
#   waiting_since  when a job of its user was last started or, if that is later, when the user's
#                  first waiting job was created.
# The query is raw SQL, because the ORM cannot nest window functions. It leaves out held jobs.
# The running jobs are counted once for each user, in the row of the user's first waiting job. So
# PostgreSQL uses the index of active jobs, even with outdated statistics.
NOT_HELD = f"next_step_at < '{HELD:%Y-%m-%d}'"
ALL_WAITING = f"status = 'PENDING' AND stage = '' AND {NOT_HELD}"
WAITING_OF_USERS = f"status = 'PENDING' AND {NOT_HELD} AND user_id IN ({{users}})"


def waiting_jobs(condition: str = ALL_WAITING) -> str:
    return f"""
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
            WHERE {condition}
        ) AS waiting
    ) AS counted
"""


# With an equal `user_rank`, the job that is further back among its user's waiting jobs comes later:
# its user will have been served by then.
LINE_ORDER = "user_rank, nth, waiting_since, created_at, id"
IN_LINE = f"SELECT * FROM ({waiting_jobs()}) AS line ORDER BY {LINE_ORDER}"
PLACE = f"ROW_NUMBER() OVER (PARTITION BY mock_mode ORDER BY {LINE_ORDER}) - 1 AS place"
PLACES = f"""
    SELECT id, place FROM (SELECT id, {PLACE} FROM ({waiting_jobs()}) AS line) AS placed
    WHERE id IN ({{ids}})
"""
SORT_KEYS = f"""
    SELECT mock_mode, 0 AS place, {LINE_ORDER} FROM ({waiting_jobs(WAITING_OF_USERS)}) AS line
    WHERE id IN ({{ids}})
"""
NUMBERED = f"""
    SELECT mock_mode, place, {LINE_ORDER} FROM (
        SELECT *, {PLACE}, COUNT(*) OVER (PARTITION BY mock_mode) AS total
        FROM ({waiting_jobs()}) AS line
    ) AS placed
    WHERE place < {{front}} OR place % (total / {{marks}} + 1) = 0
    ORDER BY mock_mode, place
"""


# The jobs that take a slot at Google Veo.
IN_FLIGHT = models.Q(
    mock_mode=False, status=Status.RUNNING, stage__in=(Stage.SUBMITTING, Stage.GENERATING)
)


class VideoJobQuerySet(models.QuerySet["VideoJob"]):
    def for_user(self, user: Any) -> "VideoJobQuerySet":
        return self.filter(user=user)

    def active(self) -> "VideoJobQuerySet":
        return self.filter(status__in=ACTIVE)

    def ended(self) -> "VideoJobQuerySet":
        """The jobs that have ended, the oldest orders first."""
        return self.filter(completed_at__isnull=False).order_by("created_at", "id")

    def with_video(self) -> "VideoJobQuerySet":
        """The jobs that have a video, the oldest videos first."""
        return self.exclude(video_url="").order_by("completed_at")

    def due(self, *, now: datetime) -> "VideoJobQuerySet":
        """Jobs whose next step is due, those due longest first."""
        return self.filter(next_step_at__lte=now).order_by("next_step_at", "id")

    def running(self) -> "VideoJobQuerySet":
        """RUNNING jobs, by the columns of the index of due jobs."""
        return self.filter(
            status=Status.RUNNING, stage__in=Stage.values, next_step_at__isnull=False
        )

    def in_flight(self) -> "VideoJobQuerySet":
        return self.filter(IN_FLIGHT)

    def submitted_lately(self, *, now: datetime) -> "VideoJobQuerySet":
        """Those that were started for Google within a minute of now. Later ones: the clock was set
        back.
        """
        minute = timedelta(minutes=1)
        return self.filter(
            mock_mode=False, started_at__gt=now - minute, started_at__lte=now + minute
        )

    def in_line(self) -> Any:  # the type checker does not know the annotation
        """The waiting jobs in the order in which they start, each with its `user_rank`.

        A user's first job comes before any other user's second, running jobs included. Users with
        as many running jobs take turns: the one that was served longest ago is next. So a user's
        first job waits for at most one job of each other user, however many those have ordered.
        Columns that `waiting_jobs` does not select are deferred.
        """
        return self.model.objects.raw(IN_LINE)

    def waiting(self) -> "VideoJobQuerySet":
        """The line: PENDING jobs that are not held.

        By these two columns alone, which the constraints allow only to PENDING jobs: `status` is
        not in the index of due jobs, in which thousands may be counted.
        """
        return self.filter(stage="", next_step_at__lt=HELD)

    def held(self) -> "VideoJobQuerySet":
        """PENDING jobs that workers must not start before staff have decided."""
        return self.filter(stage="", next_step_at=HELD)

    def places(self, ids: Sequence[UUID]) -> dict[UUID, int]:
        """The queue position of each PENDING job among `ids`: how many of its kind come first.

        Reads the whole line; `stats.waiting_line` does not if the line is long.
        """
        with connection.cursor() as cursor:
            cursor.execute(PLACES.format(ids=_parameters(ids)), self._prepared(ids))
            return {UUID(_hex(id)): place for id, place in cursor.fetchall()}

    def sort_keys(self, ids: Sequence[UUID], *, users: Collection[UUID]) -> list[tuple[str, list]]:
        """The kind and the sort key of each PENDING job among `ids`, all of which are jobs of
        `users`. Reads only the waiting jobs of these users.
        """
        statement = SORT_KEYS.format(users=_parameters(users), ids=_parameters(ids))
        rows = self._rows(statement, [*self._prepared(users), *self._prepared(ids)])
        return [(kind, key) for kind, _, key in rows]

    def numbered(self, *, front: int, marks: int) -> list[tuple[str, int, list]]:
        """The kind, the place and the sort key of the first `front` jobs of each kind in the line,
        and of at most `marks` others, evenly spaced. Reads the whole line.
        """
        return self._rows(NUMBERED.format(front=front, marks=marks), None)

    def _rows(self, statement: str, parameters: list | None) -> list[tuple[str, int, list]]:
        """Rows of kind, place and LINE_ORDER, whose columns become a list that sorts as they do."""
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return [
                ("mock" if mock else "veo", place, [rank, nth, *map(str, moments), _hex(id)])
                for mock, place, rank, nth, *moments, id in cursor.fetchall()
            ]

    def _prepared(self, ids: Collection[UUID]) -> list[Any]:
        key = self.model._meta.pk
        return [key.get_db_prep_value(id, connection) for id in ids]


def _parameters(values: Collection[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def _hex(id: Any) -> str:
    """An id as PostgreSQL or SQLite returns it, without hyphens."""
    return UUID(str(id)).hex
