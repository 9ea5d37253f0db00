"""What a client sends to ask for a video: the contract's names and texts, `catalog`'s rules."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.datastructures import MultiValueDict
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.fields import empty

from jobs import catalog
from jobs.api.fields import (
    ChoiceField,
    DurationField,
    ImageField,
    PromptField,
    ReferenceImagesField,
    StrictBooleanField,
)
from jobs.catalog import VideoSpec
from jobs.providers import veo_is_configured
from jobs.providers.base import Inputs
from videostudio.core.api.strict import StrictSerializer

LIST_ITEM = re.compile(r"(referenceImages)\[([0-9]{0,4})\]")


class NotConfigured(serializers.ValidationError):
    """A real video was asked for where no Google account is set up."""

    code = "provider.not_configured"

    def __init__(self) -> None:
        message = "Real videos are not available on this server, only mockMode 'true' is"
        super().__init__({"mockMode": ErrorDetail(message, self.code)})


@dataclass(frozen=True)
class ValidatedRequest:
    """What a client asked for, checked."""

    spec: VideoSpec
    inputs: Inputs

    @property
    def fingerprint(self) -> str:
        """The same for the same fields and files, and only for them."""
        pictures = (
            self.inputs.initial_image,
            self.inputs.end_frame,
            *self.inputs.reference_images,
        )
        content = [vars(self.spec), [picture and picture.sha256 for picture in pictures]]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class CreateVideoJobSerializer(StrictSerializer):
    """What is to be made. Images are sent as multipart/form-data only."""

    prompt = PromptField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=catalog.MAX_PROMPT_CHARACTERS,
        error_messages={
            "max_length": f"Prompt must be at most {catalog.MAX_PROMPT_CHARACTERS:,} characters"
        },
        help_text="What the video shows. Required unless there is an initial image.",
    )
    model = ChoiceField("Model", catalog.MODELS, help_text="One of `/api/v1/video-models`.")
    resolution = ChoiceField(
        "Resolution", catalog.RESOLUTIONS, help_text="1080p needs a length of 8 seconds."
    )
    aspectRatio = ChoiceField("Aspect ratio", catalog.ASPECT_RATIOS, help_text="Width to height.")
    durationSeconds = DurationField(
        required=False, allow_null=True, help_text="4 or 8 seconds; 8 where it is left out."
    )
    mockMode = StrictBooleanField(
        "Mock mode",
        required=False,
        help_text="true: a sample video from the mock, no call to Google. Required, unless the "
        "operator set a default.",
    )
    generateAudio = StrictBooleanField("Generate audio", default=False, help_text="With sound.")
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
        help_text="Up to 3 images of what should appear; 8 seconds, 16:9 and a prompt, and "
        "neither initial image nor end frame.",
    )

    def run_validation(self, data: Any = empty) -> Any:
        return super().run_validation(_with_plain_names(data))

    def validate(
        self, attrs: dict
    ) -> Any:  # a ValidatedRequest: nothing of an order stays in the form
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
            generate_audio=attrs["generateAudio"],
            mock_mode=bool(attrs.get("mockMode", settings.VIDEO_DEFAULT_MOCK_MODE)),
            initial_image=inputs.initial_image is not None,
            end_frame=inputs.end_frame is not None,
            reference_images=len(inputs.reference_images),
        )
        _refuse_combinations(spec)
        return ValidatedRequest(spec, inputs)


def _with_plain_names(data: Any) -> Any:
    """A form with `referenceImages[]` or `referenceImages[0]`, as axios and PHP write lists, read
    as one with `referenceImages`."""
    if not hasattr(data, "getlist") or not any(map(LIST_ITEM.fullmatch, data)):
        return data
    plain: MultiValueDict[str, Any] = MultiValueDict()
    for name, values in sorted(data.lists(), key=lambda each: _place(each[0])):
        item = LIST_ITEM.fullmatch(name)
        plain.setlistdefault(item[1] if item else name).extend(values)
    return plain


def _place(name: str) -> int:
    """Where a field stands in its list, if its name says so."""
    item = LIST_ITEM.fullmatch(name)
    return int(item[2] or 0) if item else 0


def read(data: Any) -> ValidatedRequest:
    """What is wished for. Raises ValidationError, or NotConfigured where nothing else is wrong."""
    form = CreateVideoJobSerializer()
    form.fields["mockMode"].required = settings.VIDEO_DEFAULT_MOCK_MODE is None
    wanted: ValidatedRequest = form.run_validation(data)
    if not wanted.spec.mock_mode and not veo_is_configured():
        raise NotConfigured
    return wanted


def _refuse_combinations(spec: VideoSpec) -> None:
    refusals = list(catalog.refusals(spec))
    if refusals:
        found: dict[str, list] = {}
        for refusal in refusals:
            detail = ErrorDetail(refusal.message, "combination")
            found.setdefault(refusal.field, []).append(detail)
        raise serializers.ValidationError(found)
