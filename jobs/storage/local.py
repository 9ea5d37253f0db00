"""Videos on this machine's disk, delivered by this server: for a single machine only."""

from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage

from jobs.storage.base import StorageError, StoredVideo


class LocalVideos(FileSystemStorage):
    """Files under MEDIA_ROOT. A retry replaces the file of an earlier try."""

    def __init__(self) -> None:
        super().__init__(
            location=settings.MEDIA_ROOT, base_url=settings.MEDIA_URL, allow_overwrite=True
        )

    def upload_video(self, *, name: str, path: Path, poster: Path | None) -> StoredVideo:
        try:
            video = self._put(f"{name}.mp4", path)
            picture = self._put(f"{name}.jpg", poster) if poster else ""
        except OSError as error:  # usually a full disk
            raise StorageError.of(error) from error
        return StoredVideo(
            name=video,
            url=self.url(video),
            poster_url=self.url(picture) if picture else "",
            bytes=path.stat().st_size,
        )

    def _put(self, name: str, path: Path) -> str:
        with path.open("rb") as content:
            return self.save(name, File(content))
