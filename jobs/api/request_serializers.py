"""The serializer for a request to create a video, with the rules of `catalog`."""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.datastructures import MultiValueDict
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.fields import empty

from jobs import catalog, input_images
from jobs.api.fields import (
    DurationField,
    ImageField,
    PlainTextField,
    ReferenceImagesField,
    SeedField,
    StrictBooleanField,
    WebhookUrlField,
)
from jobs.catalog import VideoSpec
from jobs.models import VideoJob
from jobs.providers import veo_is_configured
from jobs.providers.base import Inputs
from videostudio.core.api.fields import ChoiceField
from videostudio.core.api.strict import StrictSerializer

LIST_ITEM = re.compile(r"(referenceImages)\[([0-9]{0,4})\]")


class NotConfigured(serializers.ValidationError):
    """A real video was requested, but no Google account is configured."""

    code = "provider.not_configured"

    def __init__(self) -> None:
        message = "Real videos are not available on this server, only mockMode 'true' is"
        super().__init__({"mockMode": ErrorDetail(message, self.code)})


@dataclass(frozen=True)
class ValidatedRequest:
    """A client's request after validation."""

    spec: VideoSpec
    inputs: Inputs
    client_reference: str = ""
    webhook_url: str = ""
    private: bool = False

    @property
    def fingerprint(self) -> str:
        """Equal for two requests if, and only if, all their fields and files are equal."""
        pictures = (self.inputs.initial_image, self.inputs.end_frame, *self.inputs.reference_images)
        # Later fields only if they are set: fingerprints made before they existed stay valid.
        later = {"negative_prompt", "seed"}
        spec = {
            name: value
            for name, value in vars(self.spec).items()
            if value is not None or name not in later
        }
        content: list[Any] = [spec, [picture and picture.sha256 for picture in pictures]]
        if self.client_reference:
            content.append(self.client_reference)
        if self.webhook_url:
            content.append({"webhookUrl": self.webhook_url})
        if self.private:
            content.append({"private": True})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class CreateVideoJobSerializer(StrictSerializer):
    """The video to create."""

    prompt = PlainTextField(
        "Prompt",
        max_length=catalog.MAX_PROMPT_CHARACTERS,
        help_text="What the video shows. Required unless there is an initial image.",
    )
    negativePrompt = PlainTextField(
        "Negative prompt",
        max_length=catalog.MAX_PROMPT_CHARACTERS,
        help_text="What the video should not show. Cannot be combined with reference images.",
    )
    model = ChoiceField("Model", catalog.MODELS, help_text="One of `/api/v1/video-models`.")
    resolution = ChoiceField(
        "Resolution", catalog.RESOLUTIONS, help_text="1080p needs a length of 8 seconds."
    )
    aspectRatio = ChoiceField("Aspect ratio", catalog.ASPECT_RATIOS, help_text="Width to height.")
    durationSeconds = DurationField(
        required=False,
        allow_null=True,
        help_text="4, 6 or 8 seconds; the default is 8. 1080p, an end frame and reference images "
        "need 8.",
    )
    mockMode = StrictBooleanField(
        "Mock mode",
        required=False,
        help_text="true: a sample video, without a call to Google. Required unless the operator "
        "has set a default.",
    )
    generateAudio = StrictBooleanField(
        "Generate audio",
        default=False,
        allow_null=True,
        help_text="With sound; the default is false.",
    )
    seed = SeedField(
        required=False,
        allow_null=True,
        help_text="The same request with the same seed gets a similar video.",
    )
    clientReference = PlainTextField(
        "Client reference",
        max_length=VideoJob.CLIENT_REFERENCE_LENGTH,
        help_text="Your own name for the job. It need not be unique; the list can filter by it.",
    )
    private = StrictBooleanField(
        "Private",
        required=False,
        allow_null=True,
        help_text="true: the public monitor counts the job and shows nothing else about it. The "
        "default is false unless the operator has set another.",
    )
    webhookUrl = WebhookUrlField(
        "Webhook URL",
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="Receives this job's event instead of your webhook's URL. Needs a webhook, whose "
        "secret signs the request. It is not returned.",
    )
    initialImage = ImageField(
        "Initial image",
        required=False,
        allow_null=True,
        help_text="First frame: JPEG, PNG or WebP, at most 10 MB and 40 megapixels.",
    )
    endFrame = ImageField(
        "End frame",
        required=False,
        allow_null=True,
        help_text="Last frame; needs an initial image and 8 seconds.",
    )
    referenceImages = ReferenceImagesField(
        child=ImageField("Reference image"),
        required=False,
        allow_null=True,
        help_text="Up to 3 images of what should appear. They need 8 seconds, 16:9 and a prompt, "
        "and cannot be combined with an initial image, an end frame or a negative prompt.",
    )

    def run_validation(self, data: Any = empty) -> Any:
        return super().run_validation(_with_plain_names(data))

    def validate(self, attrs: dict) -> Any:
        """Returns a ValidatedRequest in place of a dict."""
        inputs = Inputs(
            initial_image=attrs.get("initialImage"),
            end_frame=attrs.get("endFrame"),
            reference_images=attrs.get("referenceImages") or [],
        )
        spec = VideoSpec(
            prompt=attrs.get("prompt"),
            model=attrs["model"],
            resolution=attrs["resolution"],
            aspect_ratio=attrs["aspectRatio"],
            duration_seconds=attrs.get("durationSeconds") or catalog.DEFAULT_DURATION,
            generate_audio=bool(attrs["generateAudio"]),
            mock_mode=bool(attrs.get("mockMode", settings.VIDEO_DEFAULT_MOCK_MODE)),
            negative_prompt=attrs.get("negativePrompt"),
            seed=attrs.get("seed"),
            initial_image=inputs.initial_image is not None,
            end_frame=inputs.end_frame is not None,
            reference_images=len(inputs.reference_images),
        )
        _refuse_combinations(spec)
        private = attrs.get("private")
        return ValidatedRequest(
            spec,
            inputs,
            client_reference=attrs.get("clientReference") or "",
            webhook_url=attrs.get("webhookUrl") or "",
            private=settings.VIDEO_DEFAULT_PRIVATE if private is None else private,
        )


class UpdateVideoJobSerializer(StrictSerializer):
    """The fields of a job that can be changed."""

    private = StrictBooleanField(
        "Private", help_text="true hides the job from the public monitor, false shows it."
    )


def _with_plain_names(data: Any) -> Any:
    """Rename `referenceImages[]` and `referenceImages[0]`, the list notation of axios and PHP, to
    `referenceImages`."""
    if not hasattr(data, "getlist") or not any(map(LIST_ITEM.fullmatch, data)):
        return data
    plain: MultiValueDict[str, Any] = MultiValueDict()
    for name, values in sorted(data.lists(), key=lambda each: _index(each[0])):
        item = LIST_ITEM.fullmatch(name)
        plain.setlistdefault(item[1] if item else name).extend(values)
    return plain


def _index(name: str) -> int:
    """The index in a field's name, or 0."""
    item = LIST_ITEM.fullmatch(name)
    return int(item[2] or 0) if item else 0


def read(
    data: Any, serializer_class: type[CreateVideoJobSerializer] = CreateVideoJobSerializer
) -> ValidatedRequest:
    """Validate a request. Raises ValidationError, or NotConfigured if nothing else is wrong."""
    form = _form(serializer_class, mock_mode_required=settings.VIDEO_DEFAULT_MOCK_MODE is None)
    with input_images.of_one_request():
        validated: ValidatedRequest = form.run_validation(data)
    if not validated.spec.mock_mode and not veo_is_configured():
        raise NotConfigured
    return validated


@cache
def _form(
    serializer_class: type[CreateVideoJobSerializer], *, mock_mode_required: bool
) -> CreateVideoJobSerializer:
    """One instance for all requests, as in `strict.read`."""
    form = serializer_class()
    form.fields["mockMode"].required = mock_mode_required
    return form


def _refuse_combinations(spec: VideoSpec) -> None:
    refusals = list(catalog.refusals(spec))
    if refusals:
        errors: dict[str, list] = {}
        for refusal in refusals:
            detail = ErrorDetail(refusal.message, "combination")
            errors.setdefault(refusal.field, []).append(detail)
        raise serializers.ValidationError(errors)
