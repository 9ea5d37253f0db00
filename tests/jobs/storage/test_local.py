"""Videos on this machine's disk."""

import os
from pathlib import Path
from uuid import uuid4

import pytest

from jobs.providers.mock import SAMPLES
from jobs.storage.base import video_name
from jobs.storage.local import LocalVideos

pytestmark = pytest.mark.once


def test_stored_video_and_its_folder_are_flushed_to_the_disk(settings, tmp_path, monkeypatch):
    """A power failure may lose what is only in the system's memory."""
    settings.MEDIA_ROOT = tmp_path
    flushed, fsync = [], os.fsync

    def flush(descriptor):
        fsync(descriptor)
        flushed.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", flush)
    video = LocalVideos().upload_video(
        name=video_name(uuid4()),
        path=next(SAMPLES.glob("*.mp4")),
        poster=next(SAMPLES.glob("*.jpg")),
    )
    stored = Path(tmp_path, video.name)
    poster = stored.with_suffix(".jpg")
    for path in (stored, poster, stored.parent, stored.parent.parent, tmp_path):
        assert path.stat().st_ino in flushed
