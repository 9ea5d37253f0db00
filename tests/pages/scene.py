"""A studio with jobs in progress, for pictures and browser tests, made through the API."""

import time
from typing import Any

from tests.client import ApiClient
from tests.stack import Stack

ENV = {"MOCK_SECONDS": "24", "VIDEO_MAX_ACTIVE_JOBS": "4", "VIDEO_MAX_WAITING_JOBS": "4"}
MADE: tuple[dict[str, Any], ...] = (
    {"prompt": "A lighthouse at dusk, waves rolling in, seen from a drone", "resolution": "1080p"},
    {"prompt": "An old astronaut waters tomatoes on the Moon", "generateAudio": "true"},
    {"prompt": "A paper boat drifts down a rainy gutter, macro shot", "durationSeconds": 4},
    {"prompt": "Two foxes play in fresh snow, early morning light", "aspectRatio": "9:16"},
    {"prompt": "A violin maker planes a spruce top, shavings curling", "generateAudio": "true"},
    {"prompt": "[[fail:safety]] A robbery, filmed by the robber"},
    {"prompt": "Time-lapse of a city waking up under heavy snow", "resolution": "1080p"},
)
UNDER_WAY = (
    "A cat conducts an orchestra of mice in a candle-lit hall",
    "Slow pan across a kitchen where bread is baking",
    "Fog lifts off a mountain lake, a single canoe crosses",
    "A hot-air balloon made of maps drifts over Lisbon",
)
WAITING = (
    "Rain on the window of a night train, neon passing by",
    "Macro of a watchmaker’s hands setting the last screw",
)


def fill(stack: Stack, *, pause: float = 4) -> None:
    """Jobs that have ended, well and otherwise; then, `pause` seconds apart, some that run, and
    two that wait for their owner's other jobs."""
    alice = stack.user("alice", tokens=5_000)
    made = [_order(alice, **order) for order in MADE]
    for id in made:
        alice.wait(id, seconds=120)
    cancelled = _order(alice, prompt="A wedding in a library, slow motion")
    alice.post(f"/api/v1/video-jobs/{cancelled}/cancel")
    for prompt in UNDER_WAY:
        _order(alice, prompt=prompt)
        time.sleep(pause)
    for prompt in WAITING:
        _order(alice, prompt=prompt)


def _order(client: ApiClient, **fields: Any) -> str:
    answer = client.create(**fields)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]
