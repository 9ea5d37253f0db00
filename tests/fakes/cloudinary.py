"""A fake of Cloudinary's upload API and delivery, by the wire protocol of its SDK, version 1.46.

Faults of an upload: a status (504 is a gateway's, with a JSON body that has no "error"), `html`
(504 with a page), `drop-before` and `drop-after` (the connection is cut before or after the file
is stored), `hang`, `slow:N` (N seconds), and `short` (wrong `bytes`) and `no-secure-url` in the
answer. A fault applies to the next request, so to a chunk; `drop-after`, `short` and `no-secure-
url` wait for the last chunk. Deletions (`destroy`) know a status, `html`, `drop-before`, `hang` and
`slow:N`.
"""

import base64
import hashlib
import re
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.fakes.assets import Asset, Assets
from tests.fakes.multipart import Form
from tests.fakes.server import Answer, Answered, Cut, Fault, Imitation, Json, Match, Request

UPLOAD = re.compile(r"/v1_1/(?P<cloud>[^/]+)/(?P<type>video|image|raw)/upload")
DESTROY = re.compile(r"/v1_1/(?P<cloud>[^/]+)/(?P<type>video|image|raw)/destroy")
LISTING = re.compile(r"/v1_1/(?P<cloud>[^/]+)/resources/(?P<type>video|image|raw)/upload")
DELIVERY = re.compile(r"/(?P<cloud>[^/]+)/(?P<type>video|image|raw)/upload/(?P<path>.+)")
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
LEAST_CHUNK = 5 * 1024 * 1024  # "5 MB" in the SDK's own docs/upload-large-video.md
MOST_BYTES = 100_000_000  # in one request, on any plan
STALE_SECONDS = 3_600
FINAL_ONLY = ("drop-after", "short", "no-secure-url")
MESSAGES = {
    400: "Unsupported video format or file",
    401: "Unknown API key",
    403: "Not allowed",
    404: "Resource not found",
    420: "Rate limit exceeded",
    429: "Rate limit exceeded",
}
VIDEO: Json = {
    "width": 1280,
    "height": 720,
    "format": "mp4",
    "duration": 8.0,
    "frame_rate": 24.0,
    "bit_rate": 2_000_000,
    "nb_frames": 192,
    "rotation": 0,
    "pages": 0,
    "audio": {"codec": "aac", "frequency": 48_000, "channels": 2},
    "video": {"codec": "h264", "pix_format": "yuv420p", "level": 31, "profile": "High"},
}
POSTER = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP/////////////////////////////////////////////////////////////"
    "/////////////////////////wAALCAACAAIBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAv/EABQQAQAAAAAAAAAAAAAAAA"
    "AAAAD/2gAIAQEAAD8AL//Z"
)  # 2 x 2 grey pixels


class Refusal(Answered):
    """An error in Cloudinary's format, with the status's usual message unless another is given."""

    def __init__(self, status: int, message: str | None = None) -> None:
        message = message or MESSAGES.get(status, "General Error")
        headers = {"X-Cld-Error": message}
        super().__init__(Answer.json({"error": {"message": message}}, status, headers))


@dataclass
class Record:
    """The uploads of one public_id. `requests` counts every signed request, also failed ones."""

    requests: int = 0
    chunks: int = 0
    completed: int = 0
    versions: list[int] = field(default_factory=list)


class CloudinaryImitation(Imitation):
    """Assets survive `stop` and `start`. Answers call every video 1280 x 720 and 8 s long."""

    STAGES = ("upload", "destroy")

    cloud_name = "test-cloud"
    api_key = "test-cloudinary-key"
    api_secret = "test-cloudinary-secret"

    def __init__(self) -> None:
        super().__init__()
        self._assets = Assets()
        self._records: dict[str, Record] = {}
        self.invalidated: list[str] = []  # the public ids that were destroyed with their copies

    @property
    def records(self) -> dict[str, Record]:
        """By the public_id of a signed request."""
        with self._lock:
            return dict(self._records)

    @property
    def open_uploads(self) -> dict[str, int]:
        """X-Unique-Upload-Id -> received bytes, for unfinished chunked uploads."""
        return self._assets.unfinished()

    @property
    def public_ids(self) -> list[str]:
        """Of the stored assets."""
        return [asset.public_id for asset in self._assets.finished()]

    def backdate(self, public_id: str, days: int) -> None:
        """Make a video that many days old."""
        self._assets.backdate("video", public_id, days)

    def content_of(self, public_id: str, resource_type: str = "video") -> bytes | None:
        asset = self._assets.get(resource_type, public_id)
        return asset.path.read_bytes() if asset else None

    def fail(self, stage: str, fault: str, *, times: float = 1, match: Match | None = None) -> None:
        def final(subject: Json) -> bool:
            return subject["final"] and (match is None or match(subject))

        super().fail(stage, fault, times=times, match=final if fault in FINAL_ONLY else match)

    def handle(self, request: Request) -> Answer:
        if request.method == "POST" and (call := UPLOAD.fullmatch(request.path)):
            if call["cloud"] != self.cloud_name:
                raise Refusal(401, f"Invalid cloud_name {call['cloud']}")
            form = Form.of(request)
            self._verify(form)
            return self._upload(request, form, call["type"])
        if request.method == "POST" and (call := DESTROY.fullmatch(request.path)):
            form = Form.of(request)
            self._verify(form)
            return self._destroy(request, form, call["type"])
        if request.method == "GET" and (call := LISTING.fullmatch(request.path)):
            return self._list(request, call["type"])
        delivery = DELIVERY.fullmatch(request.path)
        if delivery and delivery["cloud"] == self.cloud_name:
            return self._deliver(request, delivery["type"], delivery["path"])
        raise Refusal(404)

    def _verify(self, form: Form) -> None:
        """The error texts are Cloudinary's own, as its users quote them in issues."""
        if form.get("api_key") != self.api_key:
            raise Refusal(401, f"Unknown API key {form.get('api_key')}")
        signature, to_sign = form.get("signature"), form.string_to_sign()
        if hashlib.sha1((to_sign + self.api_secret).encode()).hexdigest() != signature:
            raise Refusal(401, f"Invalid Signature {signature}. String to sign - '{to_sign}'.")
        reported = int(form.get("timestamp") or 0)
        if reported < time.time() - STALE_SECONDS:
            at = datetime.fromtimestamp(reported, UTC).strftime("%Y-%m-%d %H:%M:%S +0000")
            raise Refusal(400, f"Stale request - reported time is {at} which is over 1 hour ago")

    def _upload(self, request: Request, form: Form, resource_type: str) -> Answer:
        if form.file is None:
            raise Refusal(400, "Missing required parameter - file")
        start, end, total = _range(request, len(form.file))
        upload_id = request.headers.get("X-Unique-Upload-Id") or uuid.uuid4().hex
        partial = self._assets.partial(upload_id, form.get("public_id"))
        record = self._record(partial.public_id)
        self._count(record, requests=1)
        final = end == total
        subject = {"public_id": partial.public_id, "start": start, "total": total, "final": final}
        fault = self.take_fault("upload", subject)
        self._break_before(fault, request)
        with partial.lock:
            _check(form.file, resource_type, start, final, partial.size)
            self._assets.keep(upload_id, partial)
            partial.append(form.file)
        self._count(record, chunks=1)
        if final:
            return _answer_after(fault, self._complete(upload_id, form, resource_type, record))
        told = {"done": False, "bytes": partial.size, "kind": "upload"}
        return Answer.json(told | {"public_id": partial.public_id})

    def _complete(self, upload_id: str, form: Form, resource_type: str, record: Record) -> Json:
        old = self._assets.get(resource_type, form.get("public_id"))
        self._count(record, completed=1)
        asset = self._assets.complete(upload_id, resource_type)
        with self._lock:
            record.versions.append(asset.version)
        named = {"original_filename": Path(form.filename).stem}
        return self._described(asset) | named | ({"overwritten": True} if old else {})

    def _destroy(self, request: Request, form: Form, resource_type: str) -> Answer:
        public_id = form.get("public_id")
        self._break_before(self.take_fault("destroy", {"public_id": public_id}), request)
        if form.get("invalidate") == "1":
            self.invalidated.append(public_id)
        found = self._assets.delete(resource_type, public_id)
        return Answer.json({"result": "ok" if found else "not found"})

    def _list(self, request: Request, resource_type: str) -> Answer:
        """A page of the Admin API's list of resources, by public id."""
        login = base64.b64encode(f"{self.api_key}:{self.api_secret}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {login}":
            raise Refusal(401)
        after, most = request.query.get("next_cursor", ""), int(request.query["max_results"])
        found = [
            self._described(asset)
            for asset in sorted(self._assets.finished(), key=lambda asset: asset.public_id)
            if asset.resource_type == resource_type
            and asset.public_id.startswith(request.query.get("prefix", ""))
            and asset.public_id > after
        ]
        more = {"next_cursor": found[most - 1]["public_id"]} if len(found) > most else {}
        return Answer.json({"resources": found[:most]} | more)

    def _deliver(self, request: Request, resource_type: str, path: str) -> Answer:
        sought = self._assets.seek(resource_type, path)
        if not sought or sought.suffix not in ("", "mp4", "jpg"):
            raise Refusal(404, f"Resource not found - {path}")
        if sought.suffix == "jpg":
            return Answer(200, POSTER, {"Content-Type": "image/jpeg"})
        asset = sought.asset
        return Answer(200, asset.path.read_bytes(), {"Content-Type": "video/mp4"})

    def _described(self, asset: Asset) -> Json:
        place = f"{self.url}/{self.cloud_name}/{asset.resource_type}/upload"
        suffix = "" if asset.resource_type == "raw" else ".mp4"
        url = f"{place}/v{asset.version}/{asset.public_id}{suffix}"
        signed = f"public_id={asset.public_id}&version={asset.version}{self.api_secret}"
        whole = {
            "asset_id": asset.asset_id,
            "public_id": asset.public_id,
            "version": asset.version,
            "version_id": hashlib.md5(url.encode()).hexdigest(),
            "signature": hashlib.sha1(signed.encode()).hexdigest(),
            "resource_type": asset.resource_type,
            "created_at": asset.created_at,
            "bytes": asset.size,
            "type": "upload",
            "etag": asset.md5,
            "placeholder": False,
            "url": url,
            "secure_url": url,
            "asset_folder": "",
            "display_name": asset.public_id.rpartition("/")[2],
            "api_key": self.api_key,
        }
        if asset.resource_type == "raw":
            return whole
        return whole | VIDEO | {"playback_url": f"{place}/sp_auto/v1/{asset.public_id}.m3u8"}

    def _record(self, public_id: str) -> Record:
        with self._lock:
            return self._records.setdefault(public_id, Record())

    def _count(self, record: Record, **more: int) -> None:
        with self._lock:
            for name, number in more.items():
                setattr(record, name, getattr(record, name) + number)

    def _break_before(self, fault: Fault | None, request: Request) -> None:
        if not fault or fault.name in FINAL_ONLY:
            return
        if fault.name == "slow":
            self.pause(request, fault.argument)
            return
        if fault.name == "hang":
            self.pause(request)
        if fault.name in ("hang", "drop-before"):
            raise Cut
        if fault.name == "html":
            raise Answered(Answer.html(504, "504 Gateway Time-out"))
        if fault.name == "504":
            raise Answered(Answer.json({"message": "Endpoint request timed out"}, 504))
        raise Refusal(int(fault.name))


def _answer_after(fault: Fault | None, result: Json) -> Answer:
    name = fault.name if fault else ""
    if name == "drop-after":
        raise Cut
    if name == "short":
        result["bytes"] -= 1
    if name == "no-secure-url":
        del result["secure_url"]
    return Answer.json(result, headers={"X-Request-Id": uuid.uuid4().hex})


def _range(request: Request, size: int) -> tuple[int, int, int]:
    """The half-open range of the sent bytes, and the total; by default the whole file."""
    text = request.headers.get("Content-Range")
    if text is None:
        return 0, size, size
    asked = CONTENT_RANGE.fullmatch(text)
    start, last, total = map(int, asked.groups()) if asked else (0, 0, 0)
    if last + 1 - start != size or last >= total:
        raise Refusal(400, f"Invalid Content-Range {text} for {size} bytes")
    return start, last + 1, total


def _check(file: memoryview, resource_type: str, start: int, final: bool, received: int) -> None:
    """The texts about chunks are our own, the others Cloudinary's."""
    if not file:
        raise Refusal(400, "Empty file")
    if len(file) > MOST_BYTES:
        raise Refusal(400, f"File size too large. Got {len(file)}. Maximum is {MOST_BYTES}.")
    if start != received:
        raise Refusal(400, f"Chunk starts at {start}, expected {received}")
    if not final and len(file) < LEAST_CHUNK:
        raise Refusal(400, f"Every chunk but the last must have at least {LEAST_CHUNK} bytes")
    video = start or bytes(file[4:8]) == b"ftyp"
    if resource_type == "image" or (resource_type == "video" and not video):
        raise Refusal(400)


def use_cloudinary(service: CloudinaryImitation, settings: Any) -> None:
    """Store videos at `service` while the fixture `settings` lasts."""
    settings.CLOUDINARY_STORAGE = {
        "CLOUD_NAME": service.cloud_name,
        "API_KEY": service.api_key,
        "API_SECRET": service.api_secret,
        "PREFIX": "",
    }
    settings.CLOUDINARY_UPLOAD_PREFIX, settings.USE_CLOUDINARY = service.url, True
    backend = {"BACKEND": "jobs.storage.cloudinary.CloudinaryVideos"}
    settings.STORAGES = settings.STORAGES | {"videos": backend}
