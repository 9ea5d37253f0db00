"""Serializers for responses, and for the query of a list."""

from datetime import datetime
from uuid import UUID

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from jobs.api.fields import StrictBooleanField
from jobs.job_json import VideoJobSerializer
from jobs.models import Status, VideoJob
from videostudio.core.api.fields import ChoicesField, DigitsField, same_message
from videostudio.core.api.openapi import ProblemSerializer
from videostudio.core.api.pagination import CursorField, PageSerializer
from videostudio.core.api.strict import StrictQuerySerializer


@extend_schema_serializer(many=False)
class VideoJobListSerializer(serializers.Serializer):
    jobs = VideoJobSerializer(many=True, help_text="Newest first.")
    total = serializers.IntegerField(help_text="The number of jobs that match the filter.")
    nextCursor = serializers.CharField(
        allow_null=True, help_text="For `after`: the next page; null on the last page."
    )
    hasMore = serializers.BooleanField(help_text="Whether there is a next page.")


class ListQuerySerializer(PageSerializer):
    status_filter = ChoicesField(
        "Status filter",
        Status.values,
        required=False,
        help_text="One or several statuses, separated by commas: `PENDING,RUNNING`.",
    )
    client_reference = serializers.CharField(
        required=False,
        max_length=VideoJob.CLIENT_REFERENCE_LENGTH,
        error_messages=same_message("Client reference must be 1 to 255 characters"),
        help_text="Only jobs with this `clientReference`.",
    )
    after = CursorField(
        datetime, UUID, required=False, help_text="The `nextCursor` of the previous page."
    )


class DeleteQuerySerializer(StrictQuerySerializer):
    video = StrictBooleanField(
        "Video", default=False, help_text="`true` removes the stored video too."
    )


class VideoModelInputsSerializer(serializers.Serializer):
    initialImage = serializers.IntegerField(help_text="Maximum number.")
    endFrame = serializers.IntegerField(help_text="Maximum number.")
    referenceImages = serializers.IntegerField(help_text="Maximum number.")


class VideoModelPriceSerializer(serializers.Serializer):
    resolution = serializers.CharField(help_text="For `resolution`.")
    durationSeconds = serializers.IntegerField(help_text="For `durationSeconds`.")
    generateAudio = serializers.BooleanField(help_text="For `generateAudio`.")
    tokens = serializers.IntegerField(help_text="What such a video costs.")


class VideoModelSerializer(serializers.Serializer):
    id = serializers.CharField(help_text="For `model` in a request.")
    available = serializers.BooleanField(
        help_text="False while Google does not offer the model: an order is answered with 503."
    )
    durations = serializers.ListField(child=serializers.IntegerField(), help_text="Seconds.")
    resolutions = serializers.ListField(
        child=serializers.CharField(), help_text="For `resolution`."
    )
    aspectRatios = serializers.ListField(
        child=serializers.CharField(), help_text="For `aspectRatio`."
    )
    inputs = VideoModelInputsSerializer(help_text="How many of each one job may include.")
    negativePrompt = serializers.BooleanField(help_text="Whether it takes a `negativePrompt`.")
    seed = serializers.BooleanField(help_text="Whether it takes a `seed`.")
    tokenCost = serializers.IntegerField(help_text="The most that a video costs, in tokens.")
    prices = VideoModelPriceSerializer(
        many=True,
        help_text="What each combination costs as a real video, with any aspect ratio and images.",
    )


@extend_schema_serializer(many=False)
class VideoModelListSerializer(serializers.Serializer):
    models = VideoModelSerializer(many=True, help_text="All models.")


class QuoteSerializer(serializers.Serializer):
    tokens = serializers.IntegerField(help_text="What the order would be charged.")
    availableTokens = serializers.IntegerField(
        source="available_tokens", help_text="Your balance in tokens."
    )
    affordable = serializers.BooleanField(help_text="Whether the balance is high enough.")


class InsufficientTokensDetailSerializer(serializers.Serializer):
    message = serializers.CharField(help_text="A sentence for a person.")
    cost = serializers.IntegerField(help_text="The cost in tokens.")
    availableTokens = serializers.IntegerField(help_text="Your balance in tokens.")


class InsufficientTokensProblemSerializer(serializers.Serializer):
    detail = InsufficientTokensDetailSerializer(help_text="In this response only, an object.")
    code = serializers.CharField(help_text="An identifier for a program.")
    help = serializers.CharField(
        required=False, help_text="How to get tokens, if the operator has set it."
    )


class TooManyActiveJobsProblemSerializer(ProblemSerializer):
    """429. The numbers are present for too many active jobs, not for too many requests."""

    activeJobs = serializers.IntegerField(required=False, help_text="Yours, PENDING and RUNNING.")
    limit = serializers.IntegerField(required=False, help_text="The maximum number of active jobs.")
    estimatedWaitSeconds = serializers.IntegerField(
        required=False, allow_null=True, help_text="Until one of them ends; null when unknown."
    )


class TokenBalanceSerializer(serializers.Serializer):
    availableTokens = serializers.IntegerField(help_text="Tokens that can be spent now.")
    costs = serializers.DictField(
        child=serializers.IntegerField(), help_text="The most that each operation costs, in tokens."
    )
    activeJobs = serializers.IntegerField(help_text="Your jobs that are PENDING or RUNNING.")
    activeJobsLimit = serializers.IntegerField(help_text="The maximum number of active jobs.")


class UsageQuerySerializer(StrictQuerySerializer):
    days = DigitsField(
        default=30,
        min_value=1,
        max_value=90,
        help_text="How many days, including today.",
        error_messages=same_message("Days must be a whole number from 1 to 90"),
    )


class TokenUsageDaySerializer(serializers.Serializer):
    date = serializers.DateField(help_text="A day in UTC.")
    jobs = serializers.IntegerField(help_text="Jobs created, except those deleted since.")
    charges = serializers.IntegerField(help_text="Tokens charged.")
    refunds = serializers.IntegerField(help_text="Tokens refunded.")


@extend_schema_serializer(many=False)
class TokenUsageSerializer(serializers.Serializer):
    days = TokenUsageDaySerializer(many=True, help_text="Today first.")
