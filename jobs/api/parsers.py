"""JSON with images as data URIs."""

import base64
import re
import threading
from typing import IO, Any

from django.core.files.uploadedfile import SimpleUploadedFile

from jobs import catalog
from videostudio.core.api.parsers import BoundedJSONParser

IMAGE_FIELDS = ("initialImage", "endFrame")
IMAGE_LISTS = ("referenceImages",)
DATA_URI = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)  # RFC 2397

# Parsing takes four times the memory of a body, so each process reads and parses one body at a
# time. It does not wait for a client: the web server runs a request when its body has arrived.
_parsing = threading.Lock()


class ImageJSONParser(BoundedJSONParser):
    """JSON of at most 20 MB, whose images become uploaded files, as those of a form.

    A text that is not a valid data URI stays as it is, for the field to refuse; so does a list of
    too many images.
    """

    max_bytes = 20_000_000

    def parse(self, stream: IO, media_type: str | None = None, parser_context: Any = None) -> Any:
        with _parsing:
            return super().parse(stream, media_type, parser_context)

    def parsed(self, body: bytearray) -> Any:
        data = super().parsed(body)
        for name in IMAGE_FIELDS:
            if name in data:
                data[name] = uploaded(data[name])
        for name in IMAGE_LISTS:
            images = data.get(name)
            if isinstance(images, list) and len(images) <= catalog.MAX_REFERENCE_IMAGES:
                data[name] = [uploaded(each) for each in images]
        return data


def uploaded(value: Any) -> Any:
    """The file in a data URI; any other value unchanged. The declared type is ignored, as that of
    a file. White space and missing padding are allowed, as in a browser's `atob`."""
    if not isinstance(value, str) or not (header := DATA_URI.match(value)):
        return value
    encoded = "".join(value[header.end() :].split())
    try:
        content = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        return value
    return SimpleUploadedFile("image", content)
