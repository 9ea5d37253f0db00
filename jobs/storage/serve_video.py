"""Serve videos from this machine's disk, with range requests, so that a browser can seek.

Only for an installation without Cloudinary. As on Cloudinary, anyone who knows a video's URL can
see it (`storage.base.video_name`).
"""

import os
import re
from pathlib import Path

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition, require_safe
from whitenoise.responders import SlicedFile

from jobs.models import VideoRemoval
from jobs.storage.base import FOLDER, job_of

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")  # enough digits for any file size
TYPES = {"mp4": "video/mp4", "jpg": "image/jpeg", "640.jpg": "image/jpeg"}


def _path(name: str, ending: str) -> Path:
    return Path(settings.MEDIA_ROOT) / FOLDER / f"{name}.{ending}"


def _etag(request: HttpRequest, name: str, ending: str) -> str | None:
    try:
        stat = _path(name, ending).stat()
    except OSError:
        return None
    return f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'


@csrf_exempt  # it only answers 405
@require_safe
@cache_control(public=True, no_cache=True)  # a removed video must not stay in caches
def video(request: HttpRequest, name: str, ending: str) -> HttpResponseBase:
    """A removed video is 404 at once, also while its file cannot be deleted."""
    job_id = job_of(name)
    if job_id is None or VideoRemoval.objects.filter(job_id=job_id).exists():
        raise Http404
    if ending != "mp4" and not _path(name, ending).exists():  # stored before there were small ones
        ending = "jpg"
    response = _deliver(request, name, ending)
    response["X-Robots-Tag"] = "noindex"
    return response


@condition(etag_func=_etag)
def _deliver(request: HttpRequest, name: str, ending: str) -> HttpResponseBase:
    """200 with the file, 206 with the requested bytes, 416 if the range is empty."""
    try:
        file = _path(name, ending).open("rb")
    except OSError:
        raise Http404 from None
    size = os.fstat(file.fileno()).st_size
    requested = _requested_range(request, _etag(request, name, ending), size)
    if requested == (0, 0):
        file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    first, end = requested or (0, size)
    content = SlicedFile(file, first, end - 1) if requested else file
    response = FileResponse(content, content_type=TYPES[ending])
    response["Accept-Ranges"] = "bytes"
    response["Content-Length"] = end - first
    if requested:
        response.status_code = 206
        response["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    return response


def _requested_range(request: HttpRequest, etag: str | None, size: int) -> tuple[int, int] | None:
    """The requested range as (first, end), `end` excluded; None for all of it, (0, 0) if empty.

    Only GET has ranges. Unsupported ones, such as several at once, may be ignored (RFC 9110, 14.2).
    """
    if request.method != "GET":
        return None
    found = RANGE.fullmatch(request.headers.get("Range", "").strip())
    if not found or found[0] == "bytes=-":
        return None
    if (request.headers.get("If-Range") or etag) != etag:  # it names another version of the file
        return None
    if not found[1]:
        first, end = max(0, size - int(found[2])), size
    else:
        first, end = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < first:
            return None
    return (first, end) if first < end else (0, 0)
