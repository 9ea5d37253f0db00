"""Finished assets and unfinished uploads of the fake Cloudinary, as files."""

import hashlib
import re
import shutil
import tempfile
import threading
import time
import uuid
import weakref
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

STEP = re.compile(r"v\d+|[a-z]{1,3}_[^/]+")  # a version or a transformation in a delivery path


@dataclass
class Partial:
    """An unfinished upload."""

    path: Path
    public_id: str
    size: int = 0
    md5: "hashlib._Hash" = field(default_factory=hashlib.md5)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def append(self, piece: memoryview) -> None:
        with self.path.open("ab") as file:
            file.write(piece)
        self.md5.update(piece)
        self.size += len(piece)


@dataclass(frozen=True)
class Asset:
    asset_id: str
    resource_type: str
    public_id: str
    version: int
    path: Path
    size: int
    md5: str
    created_at: str


@dataclass(frozen=True)
class Sought:
    """The asset of a delivery path, and the path's suffix, which may be empty."""

    asset: Asset
    suffix: str


class Assets:
    """The folder is deleted with this object, at the latest when the process exits."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cloudinary-imitation-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._lock = threading.Lock()
        self._finished: dict[tuple[str, str], Asset] = {}
        self._partials: dict[str, Partial] = {}

    def get(self, resource_type: str, public_id: str) -> Asset | None:
        return self._finished.get((resource_type, public_id))

    def delete(self, resource_type: str, public_id: str) -> bool:
        """Whether there was such an asset."""
        with self._lock:
            asset = self._finished.pop((resource_type, public_id), None)
            if asset:
                asset.path.unlink()
        return asset is not None

    def backdate(self, resource_type: str, public_id: str, days: int) -> None:
        with self._lock:
            asset = self._finished[resource_type, public_id]
            at = datetime.fromisoformat(asset.created_at) - timedelta(days=days)
            text = at.strftime("%Y-%m-%dT%H:%M:%SZ")
            self._finished[resource_type, public_id] = replace(asset, created_at=text)

    def finished(self) -> list[Asset]:
        with self._lock:
            return list(self._finished.values())

    def unfinished(self) -> dict[str, int]:
        """Upload id -> bytes received."""
        with self._lock:
            return {key: partial.size for key, partial in self._partials.items()}

    def partial(self, upload_id: str, public_id: str) -> Partial:
        """The upload with that id; a new one is stored only by `keep`."""
        fresh = Partial(self.folder / uuid.uuid4().hex, public_id or uuid.uuid4().hex[:20])
        return self._partials.get(upload_id, fresh)

    def keep(self, upload_id: str, partial: Partial) -> None:
        with self._lock:
            self._partials[upload_id] = partial

    def complete(self, upload_id: str, resource_type: str) -> Asset:
        """Make the upload an asset. A known public_id keeps its asset_id and gets a new version."""
        with self._lock:
            partial = self._partials.pop(upload_id)
            key = (resource_type, partial.public_id)
            old = self._finished.get(key)
            now = int(time.time())
            asset = self._finished[key] = Asset(
                asset_id=old.asset_id if old else uuid.uuid4().hex,
                resource_type=resource_type,
                public_id=partial.public_id,
                version=max(now, old.version + 1) if old else now,
                path=partial.path,
                size=partial.size,
                md5=partial.md5.hexdigest(),
                created_at=datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            )
            if old:
                old.path.unlink()
        return asset

    def seek(self, resource_type: str, path: str) -> Sought | None:
        """`so_0/v1/ai_studio/videos/job.mp4`: a public_id may contain slashes, so the longest
        match wins.
        """
        parts = path.split("/")
        for skip in range(len(parts)):
            name = "/".join(parts[skip:])
            stem, _, suffix = name.rpartition(".")
            for public_id, ending in ((name, ""), (stem, suffix)):
                asset = self.get(resource_type, public_id)
                if asset and all(map(STEP.fullmatch, parts[:skip])):
                    return Sought(asset, ending)
        return None
