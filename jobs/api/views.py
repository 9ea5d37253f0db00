"""The API of the jobs, the models and the balance. Each action makes one domain call."""

import re
from typing import Any, cast

from django.db.models import UUIDField
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey, User
from jobs import catalog, job_creation, lifecycle, model_availability, pricing, removals
from jobs.api import job_lists, request_serializers, schema
from jobs.api.errors import NotReady, api_exception
from jobs.api.job_responses import job_response, page_response
from jobs.api.parsers import ImageJSONParser
from jobs.api.request_serializers import CreateVideoJobSerializer, UpdateVideoJobSerializer
from jobs.api.serializers import (
    DeleteQuerySerializer,
    ListQuerySerializer,
    QuoteSerializer,
    TokenBalanceSerializer,
    TokenUsageSerializer,
    UsageQuerySerializer,
)
from jobs.api.throttling import CreateThrottle, QuoteThrottle
from jobs.models import ACTIVE, Status, VideoJob, VideoRemoval
from jobs.stats import usage
from tokens_ledger import ledger
from videostudio.core.api.errors import Problem
from videostudio.core.api.parsers import BoundedFormParser, WholeMultiPartParser
from videostudio.core.api.strict import StrictView, id_in_path, read
from videostudio.core.compiled_query import CompiledQuery, Param

KEY_HEADER = "Idempotency-Key"
JOB_OF_USER = CompiledQuery(
    lambda: VideoJob.objects.filter(pk=Param("pk", UUIDField()), user=Param("user", UUIDField()))
)


class VideoJobViewSet(StrictView, viewsets.ViewSet):
    """The jobs of the authenticated user; other users' jobs are answered with 404."""

    query_serializers = {"list": ListQuerySerializer, "destroy": DeleteQuerySerializer}
    reads_body = {"create", "quote", "partial_update"}
    noun = "job"
    throttles_of = {"create": CreateThrottle, "quote": QuoteThrottle}
    parser_classes = [WholeMultiPartParser, ImageJSONParser, BoundedFormParser]

    def get_object(self) -> VideoJob:
        """Raises NotFound for a malformed id too, as for another user's job."""
        id = id_in_path(str(self.kwargs["pk"]))
        job = JOB_OF_USER.first(pk=id, user=self.request.user.pk)
        if job is None:
            raise NotFound
        return job

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """`download` ignores the Accept header, which names the type of the video."""
        return super().perform_content_negotiation(request, force or self.action == "download")

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(api_exception(exc))

    def get_parsers(self) -> Any:
        """An order may contain images; the body of a change is small."""
        if self.request and self.request.method == "PATCH":
            self.parser_classes = [*StrictView.parser_classes, BoundedFormParser]
        return super().get_parsers()

    def order(
        self, serializer_class: type[CreateVideoJobSerializer] = CreateVideoJobSerializer
    ) -> job_creation.CreatedJob:
        """Create the job that the request orders."""
        replay_key = _idempotency_key(self.request)
        validated = request_serializers.read(self.request.data, serializer_class)
        return job_creation.create(
            user=self.request.user,
            spec=validated.spec,
            inputs=validated.inputs,
            now=timezone.now(),
            client_reference=validated.client_reference,
            webhook_url=validated.webhook_url,
            private=validated.private,
            origin=self.request.build_absolute_uri("/")[:-1][: VideoJob.ORIGIN_LENGTH],
            api_key=self.request.auth if isinstance(self.request.auth, ApiKey) else None,
            idempotency_key=replay_key,
            fingerprint=validated.fingerprint if replay_key else "",
        )

    @schema.create
    def create(self, request: Request) -> HttpResponse:
        created = self.order()
        url = request.build_absolute_uri(reverse("video-job-detail", args=[created.job.pk]))
        return job_response(
            request=request,
            job=created.job,
            status=202,
            headers={"Location": url} | replayed(created),
            log=created.log,
            position=created.position,
        )

    @schema.quote
    @action(detail=False, methods=["post"])
    def quote(self, request: Request) -> Response:
        order = request_serializers.read(request.data)
        quote = job_creation.quote(
            user=request.user, spec=order.spec, webhook_url=order.webhook_url
        )
        return Response(QuoteSerializer(quote).data)

    @schema.retrieve
    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        return job_response(request=request, job=self.get_object())

    @schema.list_jobs
    def list(self, request: Request) -> HttpResponse:
        page = job_lists.page(user=request.user, query=self.query)
        return page_response(request=request, page=page)

    @schema.partial_update
    def partial_update(self, request: Request, pk: str) -> HttpResponse:
        change = read(UpdateVideoJobSerializer, request.data)
        job = lifecycle.set_private(job=self.get_object(), private=change["private"])
        return job_response(request=request, job=job)

    @schema.destroy
    def destroy(self, request: Request, pk: str) -> Response:
        video_too = VideoRemoval.Cause.OWNER if self.query["video"] else None
        lifecycle.delete(job=self.get_object(), now=timezone.now(), video_too=video_too)
        return Response(status=204)

    @schema.remove_video
    @action(detail=True, methods=["delete"])
    def video(self, request: Request, pk: str) -> HttpResponse:
        job = removals.remove(job=self.get_object(), now=timezone.now())
        return job_response(request=request, job=job)

    @schema.cancel
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> HttpResponse:
        job = lifecycle.cancel(job=self.get_object(), now=timezone.now())
        return job_response(request=request, job=job)

    @schema.download
    @action(detail=True)
    def download(self, request: Request, pk: str) -> Response:
        return self.redirect(with_video(self.get_object()).video_url)

    def redirect(self, url: str) -> Response:
        return Response(status=302, headers={"Location": self.request.build_absolute_uri(url)})


class VideoModelViewSet(StrictView, viewsets.ViewSet):
    """The models that clients can request."""

    permission_classes = [AllowAny]
    authentication_classes = ()

    @schema.list_models
    def list(self, request: Request) -> Response:
        refused = model_availability.refused_names(now=timezone.now())
        models = [
            _model(each, available=each.id not in refused) for each in catalog.MODELS.values()
        ]
        return Response({"models": models})


@extend_schema(tags=["tokens"])
class TokensViewSet(StrictView, viewsets.ViewSet):
    query_serializers = {"usage": UsageQuerySerializer}

    @schema.get_tokens
    def retrieve(self, request: Request) -> Response:
        tokens = {
            "availableTokens": ledger.balance(user=cast(User, request.user)),
            "costs": {catalog.OPERATION: pricing.highest()},
            "activeJobs": VideoJob.objects.for_user(request.user).active().count(),
            "activeJobsLimit": job_creation.max_active_jobs(),
        }
        return Response(TokenBalanceSerializer(tokens).data)

    @schema.get_usage
    def usage(self, request: Request) -> Response:
        days = usage.by_day(user=request.user, days=self.query["days"], now=timezone.now())
        return Response(TokenUsageSerializer({"days": list(days)}).data)


def _model(model: catalog.Model, *, available: bool) -> dict[str, Any]:
    return {
        "id": model.id,
        "available": available,
        "durations": catalog.DURATIONS,
        "resolutions": catalog.RESOLUTIONS,
        "aspectRatios": catalog.ASPECT_RATIOS,
        "inputs": {"initialImage": 1, "endFrame": 1, "referenceImages": model.reference_images},
        "negativePrompt": model.negative_prompt,
        "seed": model.seed,
        "tokenCost": pricing.highest([model.id]),
        "prices": [
            {
                "resolution": spec.resolution,
                "durationSeconds": spec.duration_seconds,
                "generateAudio": spec.generate_audio,
                "tokens": pricing.tokens(spec),
            }
            for spec in pricing.combinations(model.id)
        ],
    }


def _idempotency_key(request: Request) -> str:
    """The header's value, or "" if it is absent. Raises ValidationError."""
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return ""
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        message = f"{KEY_HEADER} must be 1 to 255 visible ASCII characters"
        raise ValidationError({KEY_HEADER: message})
    return key


def replayed(created: job_creation.CreatedJob) -> dict[str, str]:
    """The header of an answer to an Idempotency-Key that was used before."""
    return {} if created.log else {"Idempotency-Replayed": "true"}


def with_video(job: VideoJob) -> VideoJob:
    """The job, if its video can be downloaded. Raises NotReady, or a Problem."""
    if job.status != Status.SUCCEEDED:
        ended = f"There is no video: the job ended as {job.status}"
        raise NotReady("The video is not ready yet" if job.status in ACTIVE else ended)
    if job.video_removed_at:
        raise Problem(410, "The video was removed.", "video_removed")
    return job
