"""OpenAI's format of the video jobs. It translates, and makes the same domain calls as `views`."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import lifecycle
from jobs.api import job_lists
from jobs.api import openai_schema as schema
from jobs.api.job_responses import RETRY_AFTER
from jobs.api.openai_serializers import (
    NO_SUCH_VIDEO,
    OpenAIContentQuerySerializer,
    OpenAIListQuerySerializer,
    OpenAIVideoRequestSerializer,
    video,
)
from jobs.api.throttling import CreateThrottle
from jobs.api.views import VideoJobViewSet, replayed, with_video
from jobs.models import ACTIVE, VideoJob, VideoRemoval
from videostudio.core.api.errors import Problem


@extend_schema(tags=["OpenAI format"])
class OpenAIVideoViewSet(VideoJobViewSet):
    """The jobs of the authenticated user."""

    query_serializers = {"list": OpenAIListQuerySerializer, "content": OpenAIContentQuerySerializer}
    reads_body = {"create"}
    noun = "video"
    throttles_of = {"create": CreateThrottle}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Clients send `Accept: application/binary` for a video."""
        return super().perform_content_negotiation(request, force=True)

    @schema.create
    def create(self, request: Request) -> Response:
        created = self.order(OpenAIVideoRequestSerializer)
        return _response(created.job, replayed(created))

    @schema.retrieve
    def retrieve(self, request: Request, pk: str) -> Response:
        return _response(self.get_object())

    @schema.list_videos
    def list(self, request: Request) -> Response:
        query = self.query
        try:
            jobs, has_more = job_lists.after_job(
                user=request.user,
                after=query.get("after"),
                limit=query["limit"],
                oldest_first=query["order"] == "asc",
            )
        except VideoJob.DoesNotExist as error:
            raise ValidationError({"after": NO_SUCH_VIDEO}) from error
        ids: Any = [str(job.pk) for job in jobs] or [None]
        page = {"object": "list", "data": [video(job) for job in jobs], "has_more": has_more}
        return Response(page | {"first_id": ids[0], "last_id": ids[-1]})

    @schema.content
    def content(self, request: Request, pk: str) -> Response:
        job = self.get_object()
        if job.status in ACTIVE:  # 409, which OpenAI's clients repeat, in place of our 400
            headers = {"Retry-After": RETRY_AFTER}
            raise Problem(409, "The video is not ready yet", "not_ready", headers=headers)
        job = with_video(job)
        url = job.video_url if self.query["variant"] == "video" else job.poster_url
        if not url:
            raise NotFound("The video has no thumbnail.")
        return self.redirect(url)

    @schema.destroy
    def destroy(self, request: Request, pk: str) -> Response:
        """The video goes too, as at OpenAI."""
        job = self.get_object()
        lifecycle.delete(job=job, now=timezone.now(), video_too=VideoRemoval.Cause.OWNER)
        return Response({"id": str(job.pk), "object": "video.deleted", "deleted": True})


def _response(job: VideoJob, headers: dict[str, str] | None = None) -> Response:
    poll_after = {"openai-poll-after-ms": f"{RETRY_AFTER}000"} if job.status in ACTIVE else {}
    return Response(video(job), headers=poll_after | (headers or {}))
