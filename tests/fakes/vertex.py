"""A fake of Google's Vertex video endpoints, by the wire protocol of google-genai 3.4.

A request fails by a rule (`fail`) or by marks in its prompt:
`{{create:503x3}}`, `{{poll:cut}}`, `{{done:filtered}}`, `{{seconds:2.5}}`. A mark is `stage:fault`,
`stage:fault:number` or either with `xN`: only the first N times for that prompt (create) or
operation (poll, done).

create  a status (429:34 asks for a delay of 34 s), unsafe (400, the prompt is refused), html,
        html200, hang, cut (accepted, response lost), slow:N (accepted, answered N s later)
poll    a status, html, html200, hang, cut, slow:N
done    filtered, filtered-text, unsafe (code 3, the prompt is refused), large (code 3, the video
        needs a bucket), error (code 13), error3, error8 ..., empty, notmp4, truncated (the response
        is cut off), half (a complete response with the first half of the video)

Statuses and shapes are those that the SDK and Google's documentation describe; a message that has
another source names it.
"""

import base64
import heapq
import json
import random
import re
import struct
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict

from tests.fakes import veo_request
from tests.fakes.server import Answer, Cut, Fault, Imitation, Json, Request
from tests.fakes.veo_request import Record, Refusal

API_KEY = "test-google-key"
MODELS = ("veo-3.1-generate-001", "veo-3.1-fast-generate-001", "veo-3.1-lite-generate-001")
NO_PROJECT = "no-such-project"  # a request for it is answered with 403
EMPTY_REGION = "europe-north9"  # has none of the models
MODEL = re.compile(r"/v1(?:beta1)?/(?P<resource>publishers/google/models/(?P<model>[^/:]+))")
ROUTE = re.compile(
    r"/v1(?:beta1)?/(?P<resource>(?:projects/[^/]+/locations/[^/]+/)?"
    r"publishers/google/models/(?P<model>[^/:]+)):(?P<verb>predictLongRunning|fetchPredictOperation)"
)
MARK = re.compile(
    r"\{\{(?P<stage>create|poll|done):(?P<fault>[a-z0-9-]+?(?::[0-9.]+)?)(?:x(?P<times>\d+))?\}\}"
)
SECONDS = re.compile(r"\{\{seconds:([0-9.]+)\}\}")
GOOGLE_RPC = "type.googleapis.com/google.rpc."
RESPONSE = {"@type": "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"}
NO_CONSUMER = {"@type": f"{GOOGLE_RPC}ErrorInfo", "reason": "CONSUMER_INVALID"}
LARGE = "Generated video is large, an output storage uri is required."
FILTERED = {
    "filtered": "The video was blocked by the safety filters. You will not be charged for this "
    "request. Support codes: 64151117, 42237218",
    # github.com/DaWe35/image-router/issues/41 quotes this answer of Vertex.
    "filtered-text": "Veo could not generate 1 videos based on the prompt provided. You will not "
    "be charged for this request. Try rephrasing the prompt. If you think this was an error, send "
    "feedback. Support codes: 42237218",
}
# github.com/HKUDS/ViMax/issues/20 quotes it, without saying whether the create or the poll failed.
UNSAFE = (
    "The prompt could not be submitted. This prompt contains sensitive words that violate Google's "
    "Responsible AI practices. Try rephrasing your prompt. Support codes: 58061214"
)
FAILURE = "Video generation failed due to an internal server issue. Please try again."

# An ftyp box and an empty moov box; `_default_pieces` adds the head of an mdat box: together 48
# bytes, and like BLOCK a multiple of 3, so that base64 of the pieces joins to base64 of the whole.
HEAD = struct.pack(">I4s4sI16s", 32, b"ftyp", b"isom", 0x200, b"isomiso2mp41mp42")
HEAD += struct.pack(">I4s", 8, b"moov")
BLOCK = 196_608


class VertexImitation(Imitation):
    """`seconds` is the run time of an operation: a number, or a range for `seed` to draw from.

    `video` is the content of every operation, or a function of `asdict(record)` that returns it.
    Without it, each operation has its own `video_bytes` bytes, which `default_video` can reproduce.
    `retired` are models that the service no longer has; tests add and remove them.
    """

    STAGES = ("create", "poll", "done")

    def __init__(
        self,
        *,
        seconds: float | tuple[float, float] = 0.5,
        video: bytes | Callable[[Json], bytes] | None = None,
        video_bytes: int = 4_096,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.seconds = seconds
        self.max_in_flight = 0
        self.retired: set[str] = set()
        self._video = video
        self._video_bytes = video_bytes
        self._random = random.Random(seed)
        self._records: list[Record] = []
        self._operations: dict[str, Record] = {}
        self._ends: list[float] = []  # a heap of the running operations' done_at
        self._used: Counter[tuple[str | None, int]] = Counter()

    def forget(self) -> None:
        """Forget all requests, faults and operations; the service keeps running."""
        self.clear_faults()
        with self._lock:
            self._records.clear()
            self._operations.clear()
            self._ends.clear()
            self._used.clear()

    @property
    def records(self) -> list[Record]:
        """Every create with a valid key, including refused ones, in the order of arrival."""
        with self._lock:
            return list(self._records)

    @property
    def in_flight(self) -> int:
        """Operations that are running now."""
        with self._lock:
            while self._ends and self._ends[0] <= time.monotonic():
                heapq.heappop(self._ends)
            return len(self._ends)

    def video_of(self, operation: str) -> bytes:
        """The bytes that `operation` delivers when it is done."""
        return b"".join(self._content(self._operations[operation])[1])

    def handle(self, request: Request) -> Answer:
        route = (MODEL if request.method == "GET" else ROUTE).fullmatch(request.path)
        if not route:
            return Answer.html(404, "Error 404 (Not Found)!!1")
        self._authenticate(request)
        if f"projects/{NO_PROJECT}/" in route["resource"]:
            raise Refusal(
                403, f"Permission denied on resource project {NO_PROJECT}.", [NO_CONSUMER]
            )
        if request.method == "GET":
            self._check_model(route["resource"], route["model"])
            return Answer.json({"name": route["resource"], "launchStage": "GA"})
        body = _parsed(request)
        if route["verb"] == "fetchPredictOperation":
            operation = body.get("operationName", "")
            if operation not in self._operations:  # those of a retired model are completed
                self._check_model(route["resource"], route["model"])
            return self._poll(request, operation)
        return self._create(request, route["resource"], route["model"], body)

    def _authenticate(self, request: Request) -> None:
        key = request.headers.get("x-goog-api-key")
        if not key:
            raise Refusal(403)
        if key != API_KEY:
            reason = {"@type": f"{GOOGLE_RPC}ErrorInfo", "reason": "API_KEY_INVALID"}
            raise Refusal(400, "API key not valid. Please pass a valid API key.", [reason])

    def _create(self, request: Request, resource: str, model: str, body: Json) -> Answer:
        instance, record = veo_request.instance_of(body), veo_request.read(model, body)
        with self._lock:
            self._records.append(record)
        try:
            answer = self._submit(request, resource, record, instance)
        except Refusal as refusal:
            answer = refusal.answer
        record.status = answer.status
        return answer

    def _submit(self, request: Request, resource: str, record: Record, instance: Json) -> Answer:
        fault = self._fault("create", record)
        if fault and fault.name not in ("cut", "slow"):
            return self._broken(fault, request)
        self._check_model(resource, record.model)
        veo_request.check(record, instance)
        self._accept(record, f"{resource}/operations/{uuid.uuid4()}")
        self._delay(fault, request)
        if fault and fault.name == "cut":
            raise Cut
        return Answer.json({"name": record.operation})

    def _check_model(self, resource: str, model: str) -> None:
        has_none = f"/locations/{EMPTY_REGION}/" in resource
        if has_none or model not in MODELS or model in self.retired:
            raise Refusal(404, _no_such_model(resource))

    def _accept(self, record: Record, operation: str) -> None:
        own = SECONDS.search(record.prompt or "")
        low, high = self.seconds if isinstance(self.seconds, tuple) else (self.seconds,) * 2
        with self._lock:
            seconds = float(own[1]) if own else self._random.uniform(low, high)
            record.done_at = time.monotonic() + seconds
            record.operation = operation
            self._operations[operation] = record
            heapq.heappush(self._ends, record.done_at)
            self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def _poll(self, request: Request, operation: str) -> Answer:
        record = self._operations.get(operation)
        if not record:
            raise Refusal(404)
        with self._lock:
            record.polls += 1
        fault = self._fault("poll", record)
        if fault and fault.name != "slow":
            return self._broken(fault, request)
        self._delay(fault, request)
        if time.monotonic() < (record.done_at or 0):
            return Answer.json({"name": operation})
        return self._finished(record, self._fault("done", record))

    def _fault(self, stage: str, record: Record) -> Fault | None:
        """The fault of a rule, else of the first mark that is not used up."""
        fault = self.take_fault(stage, asdict(record))
        if fault:
            return fault
        for mark in MARK.finditer(record.prompt or ""):
            used = (record.operation or record.prompt, mark.start())
            with self._lock:
                if mark["stage"] == stage and self._used[used] < int(mark["times"] or 10**9):
                    self._used[used] += 1
                    return Fault.of(mark["fault"])
        return None

    def _delay(self, fault: Fault | None, request: Request) -> None:
        if fault and fault.name == "slow":
            self.pause(request, fault.argument or 2)

    def _broken(self, fault: Fault, request: Request) -> Answer:
        if fault.name == "unsafe":
            raise Refusal(400, UNSAFE)
        if fault.name in ("html", "html200"):
            return Answer.html(200 if fault.name == "html200" else 502, "502 Bad Gateway")
        if fault.name == "hang":
            self.pause(request, fault.argument)
        if fault.name in ("hang", "cut"):
            raise Cut
        if not fault.argument:
            raise Refusal(int(fault.name))
        delay = f"{fault.argument:g}"
        retry = {"@type": f"{GOOGLE_RPC}RetryInfo", "retryDelay": f"{delay}s"}
        answer = Refusal(int(fault.name), details=[retry]).answer
        answer.headers["Retry-After"] = delay
        return answer

    def _finished(self, record: Record, fault: Fault | None) -> Answer:
        name = fault.name if fault else "video"
        done = {"name": record.operation, "done": True}
        if name == "unsafe":
            return Answer.json(done | {"error": {"code": 3, "message": UNSAFE}})
        if name == "large":
            return Answer.json(done | {"error": {"code": 3, "message": LARGE}})
        if name.startswith("error"):
            code = int(name.removeprefix("error") or 13)
            message = veo_request.MESSAGES[429] if code == 8 else FAILURE  # RESOURCE_EXHAUSTED
            return Answer.json(done | {"error": {"code": code, "message": message}})
        if name == "empty":
            return Answer.json(done | {"response": RESPONSE})
        if name in FILTERED:
            rai = {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": [FILTERED[name]]}
            return Answer.json(done | {"response": RESPONSE | rai})
        return self._delivery(record, name)

    def _delivery(self, record: Record, name: str) -> Answer:
        """The video inline, encoded piece by piece while it is sent, to save memory."""
        size, pieces = self._content(record)
        if name == "notmp4":
            size, pieces = 30, iter([b"<html>This is no video.</html>"])
        elif name == "half":
            size, pieces = size // 2, iter([b"".join(pieces)[: size // 2]])
        video = {"bytesBase64Encoded": "<video>", "mimeType": "video/mp4"}
        response = RESPONSE | {"raiMediaFilteredCount": 0, "videos": [video]}
        text = json.dumps({"name": record.operation, "done": True, "response": response})
        head, tail = text.encode().rsplit(b"<video>", 1)
        length = len(head) + len(tail) + 4 * ((size + 2) // 3)
        body = self._inline(record, head, pieces, tail)
        if name == "truncated":
            body = _broken_off(body, length // 2)
        elif name not in ("video", "notmp4", "half"):
            raise ValueError(f"there is no fault done:{name}")
        headers = {"Content-Type": "application/json; charset=UTF-8"}
        return Answer(200, body, headers, length)

    def _inline(
        self, record: Record, head: bytes, pieces: Iterator[bytes], tail: bytes
    ) -> Iterator[bytes]:
        """Counts a delivery before its last bytes, so that its client sees the new count."""
        yield head
        for piece in pieces:
            yield base64.b64encode(piece)
        with self._lock:
            record.deliveries += 1
        yield tail

    def _content(self, record: Record) -> tuple[int, Iterator[bytes]]:
        if self._video is None:
            size = self._video_bytes
            return size, _default_pieces(str(record.operation), size)
        video = self._video if isinstance(self._video, bytes) else self._video(asdict(record))
        return len(video), (video[at : at + BLOCK] for at in range(0, len(video), BLOCK))


def default_video(operation: str, size: int = 4_096) -> bytes:
    """The default content of an operation, which depends only on its name."""
    return b"".join(_default_pieces(operation, size))


def _default_pieces(operation: str, size: int) -> Iterator[bytes]:
    left = size - len(HEAD) - 8
    yield HEAD + struct.pack(">I4s", left + 8, b"mdat")
    block = random.Random(operation).randbytes(min(left, BLOCK))
    for rest in range(left, 0, -BLOCK):
        yield block[:rest]


def _broken_off(pieces: Iterator[bytes], left: int) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            raise Cut


def _parsed(request: Request) -> Json:
    try:
        return dict(request.json())
    except (TypeError, ValueError):
        raise Refusal(400, "Invalid JSON payload received.") from None


def _no_such_model(resource: str) -> str:
    """Vertex's own sentence: github.com/truefoundry/models/pull/946, decolua/9router/pull/3964."""
    return (
        f"Publisher Model `{resource}` was not found or your project does not have access to it. "
        "Please ensure you are using a valid model version."
    )
