"""Videos on Cloudinary.

django-cloudinary-storage alone would upload in one request without a time-out and let the server
add a random suffix to each try's name. This subclass uploads in chunks, under a name made of the
job's id, over what an earlier try left, and believes an answer only where it names this very file:
the SDK takes a gateway's error page for a success (cloudinary 1.46.3, `uploader.call_api`).
"""

import logging
import secrets
from pathlib import Path
from typing import BinaryIO

import cloudinary.exceptions
import cloudinary.uploader
import urllib3
from cloudinary_storage.storage import VideoMediaCloudinaryStorage
from django.conf import settings

from jobs.storage.base import StorageError, StoredVideo

logging.getLogger("Cloudinary").handlers.clear()  # the SDK's own, which does not scrub

CHUNK_BYTES = 6_000_000  # Cloudinary's floor is 5 MB for all chunks but the last
# Seconds, for each operation on the socket: the SDK's own default is to wait for ever.
TIMEOUT = urllib3.Timeout(connect=10, read=60)
PERMANENT = (
    cloudinary.exceptions.BadRequest,
    cloudinary.exceptions.AuthorizationRequired,
    cloudinary.exceptions.NotAllowed,
    cloudinary.exceptions.NotFound,
    ValueError,  # how the SDK says that a credential is missing
)


class CloudinaryVideos(VideoMediaCloudinaryStorage):
    TAG = "ai_studio_video"  # not "media", which the package's clean-up command deletes by

    def upload_video(self, *, name: str, path: Path, poster: Path | None) -> StoredVideo:
        """Upload in chunks of 6 MB; Cloudinary makes the poster itself, of the first frame."""
        size = path.stat().st_size
        try:
            with path.open("rb") as content:
                answer = self._upload_chunks(name, content, size)
        except PERMANENT as error:
            raise StorageError(_in_short(error), retryable=False) from error
        except cloudinary.exceptions.Error as error:
            raise StorageError(_in_short(error), retryable=True) from error
        url = answer.get("secure_url")
        if not url or answer.get("public_id") != name or answer.get("bytes") != size:
            raise StorageError("Cloudinary's answer does not name this video", retryable=True)
        return StoredVideo(name=name, url=url, poster_url=_poster(name, url), bytes=size)

    def _upload_chunks(self, public_id: str, content: BinaryIO, size: int) -> dict:
        """The last answer. The SDK's own loop would go on, without our id, after a gateway's."""
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


def _poster(name: str, url: str) -> str:
    """The JPEG of the first frame, on the host that delivers the video."""
    head, _, rest = url.partition("/video/upload/")
    version = rest.split("/", 1)[0]
    return f"{head}/video/upload/so_0/{version}/{name}.jpg"


def _in_short(error: Exception) -> str:
    """The kinds of error alone: Cloudinary's texts hold the API key and the signed parameters."""
    kind, cause = type(error).__name__, error.__context__
    return f"Cloudinary: {kind} ({type(cause).__name__})" if cause else f"Cloudinary: {kind}"
