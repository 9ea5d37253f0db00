"""What a create request asks of Veo 3.1, and what Veo refuses."""

import base64
import binascii
import hashlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.fakes.server import Answer, Answered, Json

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
MESSAGES = {
    400: "Your use case is currently not supported. Please refer to Gemini API documentation for "
    "current model offering.",
    401: "Request is missing required authentication credential.",
    403: "Method doesn't allow unregistered callers (callers without established identity).",
    404: "Requested entity was not found.",
    429: "You exceeded your current quota, please check your plan and billing details.",
    503: "The model is overloaded. Please try again later.",
}


class Refusal(Answered):
    """An error answer in Google's shape, with the usual message of its code unless given."""

    def __init__(
        self, code: int, message: str | None = None, details: list[Json] | None = None
    ) -> None:
        message = message or MESSAGES.get(code, "Internal error encountered.")
        error = {"code": code, "message": message, "status": STATUSES.get(code, "UNKNOWN")}
        super().__init__(Answer.json({"error": error | {"details": details or []}}, code))


@dataclass
class Record:
    """One create request, its answer and its operation. `status` is None without an answer.

    `images` are dicts of role (image, lastFrame, referenceImage), mime_type, size and sha256.
    """

    model: str
    prompt: str | None
    parameters: Json
    images: list[Json]
    labels: Json
    created_at: float
    operation: str | None = None
    status: int | None = None
    polls: int = 0
    deliveries: int = 0
    done_at: float | None = None  # on the clock of time.monotonic


def read(model: str, body: Json) -> Record:
    instance, parameters = instance_of(body), body.get("parameters") or {}
    images: list[tuple[str, Json]]
    images = [(role, instance[role]) for role in ("image", "lastFrame") if role in instance]
    images += [("referenceImage", one.get("image", {})) for one in _references(instance)]
    seen = [_image(role, image) for role, image in images]
    labels = body.get("labels") or {}
    return Record(model, instance.get("prompt"), parameters, seen, labels, created_at=time.time())


def instance_of(body: Json) -> Json:
    return dict((body.get("instances") or [{}])[0])


def check(record: Record, instance: Json) -> None:
    """Raise a Refusal if Veo would refuse the request."""
    for image in record.images:
        if not image["mime_type"] or not image["size"]:
            both = "should contain both `bytesBase64Encoded` and `mimeType`"
            raise Refusal(400, f"Input instance with `{image['role']}` {both} but not found.")
    if not all(_is_label(*label) for label in record.labels.items()):
        raise Refusal(400, "Invalid labels.")
    if _references(instance) and "negativePrompt" in record.parameters:
        # modellix.ai/models/google/veo-3.1-fast-i2v quotes it.
        raise Refusal(400, "Negative prompt is not supported in your use case.")
    if any(_unsupported(record, instance)):
        raise Refusal(400)


def _unsupported(record: Record, instance: Json) -> Iterator[bool]:
    """Google's documented rules; where its sources disagree, the stricter one."""
    asked: dict[str, Any] = {"durationSeconds": 8, "resolution": "720p", "aspectRatio": "16:9"}
    asked |= {"personGeneration": "allow_adult", "sampleCount": 1} | record.parameters
    lite = "lite" in record.model
    references = _references(instance)
    short = asked["durationSeconds"] != 8
    framed = "image" in instance or "lastFrame" in instance
    wide = asked["aspectRatio"] == "16:9"
    yield not record.prompt and "image" not in instance
    yield asked["durationSeconds"] not in (4, 6, 8)  # "8" is not 8 either
    yield asked["aspectRatio"] not in ("16:9", "9:16")
    yield asked["resolution"] not in (("720p", "1080p") if lite else ("720p", "1080p", "4k"))
    yield asked["resolution"] != "720p" and short
    yield asked["personGeneration"] not in ("allow_all", "allow_adult", "dont_allow")
    yield asked["sampleCount"] not in (1, 2, 3, 4)
    yield type(asked.get("seed", 0)) is not int or not 0 <= asked.get("seed", 0) < 2**32
    yield not isinstance(asked.get("negativePrompt", ""), str)
    yield "lastFrame" in instance and ("image" not in instance or short)
    yield bool(references) and (framed or short or lite or not wide or not record.prompt)
    yield len(references) > 3
    yield any(str(one.get("referenceType", "asset")).lower() != "asset" for one in references)
    yield any(
        i["mime_type"] not in ("image/jpeg", "image/png", "image/webp") for i in record.images
    )


def _is_label(name: str, value: Any) -> bool:
    """By "Custom metadata labels" of Google's documentation."""
    return bool(
        re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", name)
        and isinstance(value, str)
        and re.fullmatch(r"[a-z0-9_-]{0,63}", value)
    )


def _image(role: str, image: Json) -> Json:
    try:
        data = base64.b64decode(image.get("bytesBase64Encoded", ""), validate=True)
    except binascii.Error:
        data = b""
    digest = hashlib.sha256(data).hexdigest()
    return {"role": role, "mime_type": image.get("mimeType"), "size": len(data), "sha256": digest}


def _references(instance: Json) -> list[Json]:
    return instance.get("referenceImages") or []
