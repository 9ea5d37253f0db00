"""`GET /api/v1/video-models`, and the combinations that can be ordered."""

from itertools import product

import pytest

from tests.api import Client

MODELS = "/api/v1/video-models"
REFERENCES = {
    "veo-3.1-fast-generate-preview": 3,
    "veo-3.1-generate-preview": 3,
    "veo-3.1-fast-generate-001": 3,
    "veo-3.1-generate-001": 3,
    "veo-3.1-lite-generate-001": 0,
}


class TestModels:
    @pytest.mark.parametrize("path", [MODELS, f"{MODELS}/"])
    def test_are_listed_without_a_login(self, anonymous, path):
        answer = anonymous.get(path)
        assert answer.status_code == 200
        assert answer.json() == {
            "models": [
                {
                    "id": id,
                    "durations": [4, 8],
                    "resolutions": ["720p", "1080p"],
                    "aspectRatios": ["16:9", "9:16"],
                    "inputs": {"initialImage": 1, "endFrame": 1, "referenceImages": references},
                    "tokenCost": 50,
                }
                for id, references in REFERENCES.items()
            ]
        }

    def test_are_listed_for_a_token_that_is_good_no_more(self, anonymous):
        anonymous.credentials(HTTP_AUTHORIZATION="Bearer gone")
        assert anonymous.get(MODELS).status_code == 200

    def test_cost_what_the_ledger_takes(self, client, settings, alice, tokens):
        settings.VIDEO_TOKEN_COSTS = {"video_generation": 7}
        assert {model["tokenCost"] for model in client.get(MODELS).json()["models"]} == {7}
        job = client.create().json()
        assert job["tokensConsumed"] == 7
        assert tokens(alice) == 993

    @pytest.mark.parametrize("model", REFERENCES)
    def test_are_taken_with_all_that_they_offer(self, client, settings, model):
        settings.VIDEO_MAX_ACTIVE_JOBS = 100
        [offer] = [each for each in client.get(MODELS).json()["models"] if each["id"] == model]
        for seconds, resolution, ratio in product(
            offer["durations"], offer["resolutions"], offer["aspectRatios"]
        ):
            wish = {"durationSeconds": seconds, "resolution": resolution, "aspectRatio": ratio}
            answer = client.create(model=model, **wish)
            if (seconds, resolution) == (4, "1080p"):
                assert answer.status_code == 400
            else:
                assert answer.status_code == 202
                assert {"model": model, **wish}.items() <= answer.json().items()

    def test_cannot_be_changed(self, client: Client):
        assert client.post(MODELS, {}).status_code == 405
