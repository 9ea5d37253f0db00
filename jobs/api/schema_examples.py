"""The examples in the OpenAPI documentation: bodies of requests and of responses."""

ID = "550e8400-e29b-41d4-a716-446655440000"
VIDEO = f"https://studio.example.com/media/ai_studio/videos/{ID}-9b1d3f7a5c2e48d6a0b4c8e2f6a1d3b5"
ORDER = {
    "prompt": "A lighthouse at dusk, waves rolling in",
    "negativePrompt": "people, text",
    "model": "veo-3.1-fast-generate-preview",
    "resolution": "720p",
    "aspectRatio": "16:9",
    "durationSeconds": 8,
    "generateAudio": False,
    "seed": 42,
    "mockMode": True,
    "clientReference": "invoice-2026-117",
    "private": False,
}
WEBHOOK_URL = "https://client.example.org/hooks/video"
# A PNG of one pixel.
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mNgYGAAAAAEAAHI"
    "6uv5AAAAAElFTkSuQmCC"
)
HELD_BACK = "The video was held back by the provider's safety filters."


def _line(time: str, message: str, level: str = "info") -> dict[str, str]:
    return {"timestamp": f"2026-01-15T{time}Z", "level": level, "message": message}


ORDERED = _line("10:30:00", "📝 Job created")
GENERATING = [
    ORDERED,
    _line("10:30:01", "🚀 Starting video generation"),
    _line("10:30:01", "☁️  Calling Google Veo API..."),
    _line("10:30:02", "🎬 Video generation in progress..."),
]
STORED = [
    _line("10:31:38", "💾 Saving the video..."),
    _line("10:31:40", "✅ Video generation completed successfully!"),
]
PENDING = {
    "id": ID,
    "userId": "7d3f0c7e-2c86-4f0b-9a52-5f2f7f2c9b1d",
    **ORDER,
    "inputs": {"initialImage": False, "endFrame": False, "referenceImages": 0},
    "status": "PENDING",
    "statusMessage": "Job queued for processing",
    "progressPercentage": 0,
    "logs": [ORDERED],
    "tokensConsumed": 50,
    "tokensRefunded": 0,
    "cloudinaryUrl": None,
    "posterUrl": None,
    "errorMessage": None,
    "errorCode": None,
    "queuePosition": 0,
    "estimatedSecondsRemaining": 95,
    "createdAt": "2026-01-15T10:30:00Z",
    "startedAt": None,
    "completedAt": None,
    "videoRemovedAt": None,
    "videoRemovedReason": None,
}
RUNNING = PENDING | {
    "status": "RUNNING",
    "statusMessage": "Video generation in progress...",
    "progressPercentage": 45,
    "logs": GENERATING,
    "queuePosition": None,
    "estimatedSecondsRemaining": 50,
    "startedAt": "2026-01-15T10:30:01Z",
}
ENDED = RUNNING | {"estimatedSecondsRemaining": None, "completedAt": "2026-01-15T10:31:40Z"}
SUCCEEDED = ENDED | {
    "status": "SUCCEEDED",
    "statusMessage": "Video generation completed successfully!",
    "progressPercentage": 100,
    "logs": GENERATING + STORED,
    "cloudinaryUrl": f"{VIDEO}.mp4",
    "posterUrl": f"{VIDEO}.jpg",
}
REMOVED = SUCCEEDED | {
    "logs": [*GENERATING, *STORED, _line("11:02:00", "🗑️ Video removed by user")],
    "cloudinaryUrl": None,
    "posterUrl": None,
    "videoRemovedAt": "2026-01-15T11:02:00Z",
    "videoRemovedReason": "owner",
}
FAILED = ENDED | {
    "status": "FAILED",
    "statusMessage": "Video generation failed",
    "logs": [
        *GENERATING,
        _line("10:31:40", f"❌ {HELD_BACK}", "error"),
        _line("10:31:40", "💰 50 tokens refunded"),
    ],
    "tokensRefunded": 50,
    "errorMessage": HELD_BACK,
    "errorCode": "safety.output",
}
CANCELLED = PENDING | {
    "status": "CANCELLED",
    "statusMessage": "Video generation cancelled",
    "logs": [
        ORDERED,
        _line("10:30:08", "🛑 Cancelled by user"),
        _line("10:30:08", "💰 50 tokens refunded"),
    ],
    "tokensRefunded": 50,
    "queuePosition": None,
    "estimatedSecondsRemaining": None,
    "completedAt": "2026-01-15T10:30:08Z",
}
JOBS = (RUNNING, PENDING, SUCCEEDED, FAILED, CANCELLED)
CURSOR = "WyIyMDI2LTAxLTE1VDEwOjMwOjAwKzAwOjAwIiwiNTUwZTg0MDAiLG51bGxd"
MODEL = {
    "id": "veo-3.1-fast-generate-preview",
    "available": True,
    "durations": [4, 6, 8],
    "resolutions": ["720p", "1080p"],
    "aspectRatios": ["16:9", "9:16"],
    "inputs": {"initialImage": 1, "endFrame": 1, "referenceImages": 3},
    "negativePrompt": True,
    "seed": True,
    "tokenCost": 50,
    "prices": [
        {"resolution": size, "durationSeconds": seconds, "generateAudio": sound, "tokens": 50}
        for size, seconds in (("720p", 4), ("720p", 6), ("720p", 8), ("1080p", 8))
        for sound in (False, True)
    ],
}
QUOTE = {"tokens": 50, "availableTokens": 300, "affordable": True}
NO_TOKENS = {
    "detail": {
        "message": "Insufficient tokens. Operation 'video_generation' costs 50 tokens but you "
        "have 20.",
        "cost": 50,
        "availableTokens": 20,
    },
    "code": "insufficient_tokens",
}
THROTTLED = {
    "detail": "At most 60 new jobs of one user are allowed in a minute. Try again in 60 seconds.",
    "code": "throttled",
}
TOO_MANY = {
    "detail": "Maximum 3 concurrent video jobs allowed. Please wait for existing jobs to complete.",
    "code": "too_many_active_jobs",
    "activeJobs": 3,
    "limit": 3,
    "estimatedWaitSeconds": 10,
}
