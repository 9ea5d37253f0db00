"""Videos on Cloudinary.

django-cloudinary-storage itself uploads in one request without a time-out and lets the server add
a random suffix to the name. This subclass uploads in chunks, under a name made of the job's id, and
replaces the file of an earlier try. It accepts an answer only if that names this file, because the
SDK treats a gateway's error page as a success (cloudinary 1.46.3, `uploader.call_api`).
"""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import cloudinary
import cloudinary.api
import cloudinary.exceptions
import cloudinary.uploader
import cloudinary.utils
import urllib3
from cloudinary_storage.storage import VideoMediaCloudinaryStorage
from django.conf import settings

from jobs.storage.base import DELETE_THREADS, FOLDER, StorageError, StoredVideo, job_of

logging.getLogger("Cloudinary").handlers.clear()  # the SDK's handler does not remove secrets

# The SDK's pool keeps one connection: with several threads, most chunks open a new one, and urllib3
# logs a warning each time. The SDK has no setting for it (cloudinary 1.46.3, `uploader._http`).
cloudinary.uploader._http = cloudinary.utils.get_http_connector(
    cloudinary.config(),
    cloudinary.CERT_KWARGS | {"maxsize": settings.STORE_THREADS + DELETE_THREADS},
)

PAGE_SIZE = 500  # videos, the maximum of the Admin API
CHUNK_BYTES = 6_000_000  # Cloudinary's minimum is 5 MB, except for the last chunk
# Seconds, for each operation on the socket. The SDK's default is no time-out.
TIMEOUT = urllib3.Timeout(connect=10, read=60)
DELETE_TIMEOUT = urllib3.Timeout(connect=5, read=20)
# The account is wrong or blocked, which only the operator can fix.
ACCOUNT_REFUSED = (
    cloudinary.exceptions.AuthorizationRequired,
    cloudinary.exceptions.NotAllowed,
    cloudinary.exceptions.NotFound,
    ValueError,  # raised by the SDK if a credential is missing
)


class CloudinaryVideos(VideoMediaCloudinaryStorage):
    TAG = "ai_studio_video"  # not "media": the package's clean-up command deletes those files

    def upload_video(self, *, name: str, path: Path, poster: Path | None) -> StoredVideo:
        """Upload in chunks of 6 MB. Cloudinary makes the poster from the first frame."""
        size = path.stat().st_size
        with _storage_errors(), path.open("rb") as content:
            answer = self._upload_chunks(name, content, size)
        url = answer.get("secure_url")
        if not url or answer.get("public_id") != name or answer.get("bytes") != size:
            raise StorageError("Cloudinary's answer does not name this video", retryable=True)
        return StoredVideo(name=name, url=url, poster_url=_poster(name, url), bytes=size)

    def delete_video(self, *, name: str) -> None:
        """Also invalidates the CDN's copies, and the poster, which is derived from the video."""
        with _storage_errors():
            answer = cloudinary.uploader.destroy(
                name,
                resource_type="video",
                invalidate=True,
                timeout=DELETE_TIMEOUT,
                upload_prefix=settings.CLOUDINARY_UPLOAD_PREFIX,
            )
        if answer.get("result") not in ("ok", "not found"):
            raise StorageError("Cloudinary did not confirm the deletion", retryable=True)

    def stored_before(self, *, moment: datetime) -> Iterator[str]:
        cursor: dict[str, str] = {}
        while True:
            with _storage_errors():
                page = cloudinary.api.resources(
                    resource_type="video",
                    type="upload",
                    prefix=f"{FOLDER}/",
                    max_results=PAGE_SIZE,
                    timeout=60,
                    upload_prefix=settings.CLOUDINARY_UPLOAD_PREFIX,
                    **cursor,
                )
            for asset in page["resources"]:
                name = asset["public_id"]
                if job_of(name) and datetime.fromisoformat(asset["created_at"]) < moment:
                    yield name
            if "next_cursor" not in page:
                return
            cursor = {"next_cursor": page["next_cursor"]}

    def _upload_chunks(self, public_id: str, content: BinaryIO, size: int) -> dict:
        """Upload and return the last answer. The SDK's own loop would continue without our id after
        an error page of a gateway."""
        upload_id = secrets.token_hex(16)
        answer: dict = {}
        for start in range(0, size, CHUNK_BYTES):
            chunk = content.read(CHUNK_BYTES)
            answer = cloudinary.uploader.upload_large_part(
                ("video.mp4", chunk),
                http_headers={
                    "Content-Range": f"bytes {start}-{start + len(chunk) - 1}/{size}",
                    "X-Unique-Upload-Id": upload_id,
                },
                resource_type="video",
                public_id=public_id,
                overwrite=True,
                invalidate=True,
                tags=[self.TAG],
                timeout=TIMEOUT,
                upload_prefix=settings.CLOUDINARY_UPLOAD_PREFIX,
            )
            if answer.get("public_id") != public_id:
                break
        return answer


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Raise the SDK's errors as StorageError."""
    try:
        yield
    except cloudinary.exceptions.BadRequest as error:
        if str(error).startswith("Stale request"):  # signed over an hour ago: the video is not bad
            detail = "Cloudinary: this machine's clock is wrong"
            raise StorageError(detail, retryable=True, needs_operator=True) from error
        raise StorageError(_summary(error), retryable=False) from error
    except ACCOUNT_REFUSED as error:
        raise StorageError(_summary(error), retryable=True, needs_operator=True) from error
    except cloudinary.exceptions.Error as error:
        raise StorageError(_summary(error), retryable=True) from error


def _poster(name: str, url: str) -> str:
    """The JPEG of the first frame, on the host that delivers the video."""
    head, _, rest = url.partition("/video/upload/")
    version = rest.split("/", 1)[0]
    return f"{head}/video/upload/so_0/{version}/{name}.jpg"


def _summary(error: Exception) -> str:
    """Only the error types: Cloudinary's texts contain the API key and the signed parameters."""
    kind, cause = type(error).__name__, error.__context__
    return f"Cloudinary: {kind} ({type(cause).__name__})" if cause else f"Cloudinary: {kind}"
