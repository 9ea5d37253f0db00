"""What clients can request: models, lengths, sizes and the combinations that Veo 3.1 accepts.

The API's validation, its documentation, `/video-models` and the Veo provider all read it, so they
cannot disagree. Source of the rules: Google's "Generate videos with Veo 3.1" pages (durations,
1080p, last frame and reference images at 8 seconds only).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

OPERATION = "video_generation"  # the name under which the ledger prices a job

RESOLUTIONS = ("720p", "1080p")
ASPECT_RATIOS = ("16:9", "9:16")
DURATIONS = (4, 6, 8)  # seconds
DEFAULT_DURATION = 8
MAX_PROMPT_CHARACTERS = 4_000  # of a negative prompt too
MAX_SEED = 2**32 - 1
MAX_REFERENCE_IMAGES = 3


@dataclass(frozen=True)
class Model:
    """A model that clients can request by `id`; `veo_id` is Google's current id for it.

    The other fields say what it accepts.
    """

    id: str
    veo_id: str
    reference_images: int = MAX_REFERENCE_IMAGES
    negative_prompt: bool = True
    seed: bool = True


MODELS = {
    model.id: model
    for model in (
        Model(id="veo-3.1-fast-generate-preview", veo_id="veo-3.1-fast-generate-001"),
        Model(id="veo-3.1-generate-preview", veo_id="veo-3.1-generate-001"),
        Model(id="veo-3.1-fast-generate-001", veo_id="veo-3.1-fast-generate-001"),
        Model(id="veo-3.1-generate-001", veo_id="veo-3.1-generate-001"),
        Model(
            id="veo-3.1-lite-generate-001", veo_id="veo-3.1-lite-generate-001", reference_images=0
        ),
    )
}


def google_id(*, name: str, overrides: Mapping[str, str]) -> str:
    """Google's id of the model that clients call `name`; `overrides` come before the catalog."""
    return overrides.get(name) or MODELS[name].veo_id


@dataclass(frozen=True)
class VideoSpec:
    """A client's request, with each value already checked against the constants above."""

    prompt: str | None
    model: str
    resolution: str
    aspect_ratio: str
    duration_seconds: int
    generate_audio: bool
    mock_mode: bool
    negative_prompt: str | None = None
    seed: int | None = None
    initial_image: bool = False
    end_frame: bool = False
    reference_images: int = 0


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused: the field to change and one sentence for a person."""

    field: str
    message: str


def refusals(spec: VideoSpec) -> Iterator[Refusal]:
    """The combinations in `spec` that Veo refuses, the most fundamental first."""
    if not spec.prompt and not spec.initial_image:
        yield Refusal("prompt", "Either a prompt or an initial image is required")
    yield from _model_refusals(spec)
    if spec.resolution == "1080p" and spec.duration_seconds != 8:
        yield Refusal("durationSeconds", "1080p videos must be 8 seconds long")
    if spec.end_frame and not spec.initial_image:
        yield Refusal("endFrame", "An end frame needs an initial image as well")
    if spec.end_frame and spec.duration_seconds != 8:
        yield Refusal("durationSeconds", "Videos with an end frame must be 8 seconds long")
    if spec.reference_images:
        yield from _reference_refusals(spec)


def _model_refusals(spec: VideoSpec) -> Iterator[Refusal]:
    model, refuses = MODELS[spec.model], f"Model '{spec.model}' does not take"
    if spec.reference_images and not model.reference_images:
        yield Refusal("referenceImages", f"{refuses} reference images")
    if spec.negative_prompt and not model.negative_prompt:
        yield Refusal("negativePrompt", f"{refuses} a negative prompt")
    if spec.seed is not None and not model.seed:
        yield Refusal("seed", f"{refuses} a seed")


def _reference_refusals(spec: VideoSpec) -> Iterator[Refusal]:
    field = "referenceImages"
    if spec.initial_image or spec.end_frame:
        yield Refusal(
            field, "Reference images cannot be combined with an initial image or an end frame"
        )
    if not spec.prompt:
        yield Refusal("prompt", "Reference images need a prompt")
    if spec.negative_prompt:
        yield Refusal(
            "negativePrompt", "A negative prompt cannot be combined with reference images"
        )
    if spec.duration_seconds != 8:
        yield Refusal("durationSeconds", "Videos with reference images must be 8 seconds long")
    if spec.aspect_ratio != "16:9":
        yield Refusal("aspectRatio", "Videos with reference images must have aspect ratio '16:9'")
