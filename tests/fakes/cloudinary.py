"""A fake of Cloudinary's upload API and delivery, by its documentation and its Python SDK.

Faults of an upload or destroy: a status (504 is a gateway's, with a JSON body without "error"),
`html` (504 with a page), `drop-before` and `drop-after` (the connection is closed before or after
the work is done), `hang`, `slow:N`, `short` (wrong `bytes` in the response) and `no-secure-url`.
Every request counts, hence every chunk, but `drop-after`, `short` and `no-secure-url` wait for the
request that completes an upload. Faults of delivery: statuses, `html`, `hang` and `slow:N`.
"""

import base64
import hashlib
import re
import time
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.fakes.assets import Asset, Assets, pieces
from tests.fakes.multipart import Form
from tests.fakes.server import Answer, Answered, Cut, Fault, Imitation, Json, Match, Request

API = re.compile(r"/v1_1/(?P<cloud>[^/]+)/(?P<type>video|image|raw)/(?P<action>upload|destroy)")
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
    """What happened to one public_id. `requests` counts all signed upload requests, also failed."""

    requests: int = 0
    chunks: int = 0
    completed: int = 0
    destroyed: int = 0
    asset_id: str | None = None
    versions: list[int] = field(default_factory=list)
    size: int | None = None
    sha256: str | None = None


class CloudinaryImitation(Imitation):
    """Assets are kept between `stop` and `start`, so an outage loses nothing.

    Responses describe every video as 1280 x 720 and 8 s long, because nothing decodes it.
    """

    SUBJECT = "public_id"
    STAGES = ("upload", "destroy", "deliver")

    def __init__(
        self,
        *,
        port: int = 0,
        cloud_name: str = "test-cloud",
        api_key: str = "test-cloudinary-key",
        api_secret: str = "test-cloudinary-secret",
        hang_seconds: float = 600,
    ) -> None:
        super().__init__(port=port, hang_seconds=hang_seconds)
        self.cloud_name = cloud_name
        self.api_key = api_key
        self.api_secret = api_secret
        self._assets = Assets()
        self._records: dict[str, Record] = {}

    @property
    def records(self) -> dict[str, Record]:
        """By public_id, as named in signed requests."""
        with self._lock:
            return dict(self._records)

    @property
    def open_uploads(self) -> dict[str, int]:
        """X-Unique-Upload-Id -> received bytes, for unfinished chunked uploads."""
        return self._assets.unfinished()

    def content_of(self, public_id: str, resource_type: str = "video") -> bytes | None:
        asset = self._assets.get(resource_type, public_id)
        return asset.path.read_bytes() if asset else None

    def fail(self, stage: str, fault: str, *, times: float = 1, match: Match | None = None) -> None:
        def final(subject: Json) -> bool:
            return subject["final"] and (match is None or match(subject))

        super().fail(stage, fault, times=times, match=final if fault in FINAL_ONLY else match)

    def snapshot(self, query: dict[str, str]) -> Json:
        uploads = {key: asdict(record) for key, record in self.records.items()}
        assets = [asset.public_id for asset in self._assets.finished()]
        return {"uploads": uploads, "assets": assets, "open_uploads": self.open_uploads}

    def handle(self, request: Request) -> Answer:
        call = API.fullmatch(request.path) if request.method == "POST" else None
        if call:
            return self._call(request, call["cloud"], call["type"], call["action"])
        seek = DELIVERY.fullmatch(request.path) if request.method in ("GET", "HEAD") else None
        if seek and seek["cloud"] == self.cloud_name:
            return self._deliver(request, seek["type"], seek["path"])
        raise Refusal(404)

    def _call(self, request: Request, cloud: str, resource_type: str, action: str) -> Answer:
        if cloud != self.cloud_name:
            raise Refusal(401, f"Invalid cloud_name {cloud}")
        form = Form.of(request)
        self._verify(form)
        if action == "destroy":
            return self._destroy(request, form, resource_type)
        return self._upload(request, form, resource_type)

    def _verify(self, form: Form) -> None:
        """Cloudinary's own texts. The status 400 of a stale request is an assumption."""
        if form.get("api_key") != self.api_key:
            raise Refusal(401, f"Unknown API key {form.get('api_key')}")
        signature, to_sign = form.get("signature"), form.string_to_sign()
        digest = "sha256" if len(signature) == 64 else "sha1"
        if hashlib.new(digest, (to_sign + self.api_secret).encode()).hexdigest() != signature:
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
        """With overwrite=0, an existing public_id is unchanged."""
        old = self._assets.get(resource_type, form.get("public_id"))
        self._count(record, completed=1)
        if old and form.get("overwrite") == "0":
            self._assets.discard(upload_id)
            return self._described(old) | {"existing": True}
        tags = [tag for tag in form.get("tags").split(",") if tag]
        asset = self._assets.complete(upload_id, resource_type, tags)
        with self._lock:
            record.asset_id, record.size, record.sha256 = asset.asset_id, asset.size, asset.sha256
            record.versions.append(asset.version)
        named = {"original_filename": Path(form.filename).stem}
        return self._described(asset) | named | ({"overwritten": True} if old else {})

    def _destroy(self, request: Request, form: Form, resource_type: str) -> Answer:
        public_id = form.get("public_id")
        fault = self.take_fault("destroy", {"public_id": public_id, "final": True})
        self._break_before(fault, request)
        found = self._assets.destroy(resource_type, public_id)
        self._count(self._record(public_id), destroyed=int(found))
        return _answer_after(fault, {"result": "ok" if found else "not found"})

    def _deliver(self, request: Request, resource_type: str, path: str) -> Answer:
        subject = {"public_id": path, "final": True}  # the whole path: it contains the public_id
        self._break_before(self.take_fault("deliver", subject), request)
        sought = self._assets.seek(resource_type, path)
        if not sought or sought.suffix not in ("", "mp4", "jpg"):
            raise Refusal(404, f"Resource not found - {path}")
        if sought.suffix == "jpg":
            return Answer(200, POSTER, {"Content-Type": "image/jpeg"})
        asset = sought.asset
        headers = {"Content-Type": "video/mp4", "Accept-Ranges": "bytes", "ETag": f'"{asset.md5}"'}
        attachment = re.search(r"fl_attachment:?([^/,]*)", sought.transformations)
        if attachment:
            name = attachment[1] or asset.public_id.rpartition("/")[2]
            headers["Content-Disposition"] = f'attachment; filename="{name}.mp4"'
        start, end = _span(request.headers.get("Range") or "", asset.size)
        part = (start, end) != (0, asset.size)
        if part:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{asset.size}"
        head_only = request.method == "HEAD"
        body = b"" if head_only else pieces(self._assets.open(asset), start, end)
        return Answer(206 if part else 200, body, headers, end - start)

    def _described(self, asset: Asset) -> Json:
        """The fields of Cloudinary's documented response."""
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
            "tags": asset.tags,
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
            self.pause(request, fault.argument or 2)
            return
        if fault.name == "hang":
            self.pause(request, fault.argument)
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
    """Cloudinary's own texts; those about chunks are ours."""
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


def _span(header: str, size: int) -> tuple[int, int]:
    """The half-open range of a Range header; without one, the whole file."""
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if not asked or header == "bytes=-":
        return 0, size
    first, last = asked.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        raise Answered(Answer(416, headers={"Content-Range": f"bytes */{size}"}))
    return start, end
