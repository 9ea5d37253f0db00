"""Videos on this machine's disk, delivered by this server: for a single machine only."""

import io
import os
from collections.abc import Iterator
from datetime import datetime
from errno import EBADF, EINVAL
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from PIL import Image, UnidentifiedImageError

from jobs.storage import posters
from jobs.storage.base import FOLDER, StorageError, StoredVideo, job_of


class LocalVideos(FileSystemStorage):
    """Files under MEDIA_ROOT. A retry replaces the file of an earlier try."""

    def __init__(self) -> None:
        super().__init__(
            location=settings.MEDIA_ROOT, base_url=settings.MEDIA_URL, allow_overwrite=True
        )

    def upload_video(self, *, name: str, path: Path, poster: Path | None) -> StoredVideo:
        try:
            video = self._put(f"{name}.mp4", path)
            picture = self._put_poster(name, poster) if poster else ""
            self._flush(*filter(None, (video, picture)))
        except OSError as error:  # usually a full disk
            raise StorageError.of(error) from error
        return StoredVideo(
            name=video,
            url=self.url(video),
            poster_url=self.url(picture) if picture else "",
            bytes=path.stat().st_size,
        )

    def delete_video(self, *, name: str) -> None:
        try:
            for ending in ("mp4", "jpg", posters.SMALL.removeprefix(".")):
                self.delete(f"{name}.{ending}")
        except OSError as error:
            raise StorageError.of(error) from error

    def stored_before(self, *, moment: datetime) -> Iterator[str]:
        """Yields each name once, even if only one of its files is left."""
        seen: set[str] = set()
        for path in Path(self.path(FOLDER)).glob("*.*"):
            stem, _, _ = path.name.partition(".")  # the small poster ends in ".640.jpg"
            name = f"{FOLDER}/{stem}"
            if job_of(name) and name not in seen and self._is_older(path, moment):
                seen.add(name)
                yield name

    def _is_older(self, path: Path, moment: datetime) -> bool:
        try:
            return path.stat().st_mtime < moment.timestamp()
        except FileNotFoundError:  # a worker has deleted it meanwhile
            return False

    def _put_poster(self, name: str, poster: Path) -> str:
        """In its own size and, if it is a picture, in the size of the monitor's lists."""
        if small := _small(poster):
            self.save(f"{name}{posters.SMALL}", ContentFile(small))
        return self._put(f"{name}.jpg", poster)

    def _flush(self, *names: str) -> None:
        """A power failure must not lose a video that was charged for."""
        files = [Path(self.path(name)) for name in names]
        folders = [each for each in files[0].parents if each.is_relative_to(self.location)]
        for path in (*files, *folders):
            _sync(path)

    def _put(self, name: str, path: Path) -> str:
        with path.open("rb") as content:
            return self.save(name, File(content))


def _sync(path: Path) -> None:
    """Write a file, or the names in a folder, from the system's memory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not (path.is_dir() and error.errno in (EBADF, EINVAL)):  # it cannot flush folders
            raise
    finally:
        os.close(descriptor)


def _small(poster: Path) -> bytes | None:
    """None if it cannot be read: lists then show the poster itself (`serve_video`)."""
    small = io.BytesIO()
    try:
        with Image.open(poster) as image:
            image.thumbnail((posters.WIDTH, posters.WIDTH))
            image.convert("RGB").save(small, "JPEG", quality=80)
    except UnidentifiedImageError:
        return None
    return small.getvalue()
