"""`GET /api/v1/video-models`. test_pricing orders every combination that it offers."""

import pytest

MODELS = "/api/v1/video-models"
REFERENCES = {
    "veo-3.1-fast-generate-preview": 3,
    "veo-3.1-generate-preview": 3,
    "veo-3.1-fast-generate-001": 3,
    "veo-3.1-generate-001": 3,
    "veo-3.1-lite-generate-001": 0,
}
COMBINATIONS = [
    *(("720p", seconds, sound) for seconds in (4, 6, 8) for sound in (False, True)),
    *(("1080p", 8, sound) for sound in (False, True)),
]


class TestModels:
    def test_models_are_listed_without_login(self, anonymous):
        answer = anonymous.get(MODELS)
        assert answer.status_code == 200
        assert answer.json() == {
            "models": [
                {
                    "id": id,
                    "available": True,
                    "durations": [4, 6, 8],
                    "resolutions": ["720p", "1080p"],
                    "aspectRatios": ["16:9", "9:16"],
                    "inputs": {"initialImage": 1, "endFrame": 1, "referenceImages": references},
                    "negativePrompt": True,
                    "seed": True,
                    "tokenCost": 50,
                    "prices": [
                        {
                            "resolution": resolution,
                            "durationSeconds": seconds,
                            "generateAudio": sound,
                            "tokens": 50,
                        }
                        for resolution, seconds, sound in COMBINATIONS
                    ],
                }
                for id, references in REFERENCES.items()
            ]
        }

    @pytest.mark.parametrize("path", [MODELS, "/api/v1/schema", "/api/v1/docs"])
    def test_what_is_public_is_shown_to_an_invalid_token(self, anonymous, path):
        anonymous.credentials(HTTP_AUTHORIZATION="Bearer gone")
        assert anonymous.get(path).status_code == 200

    def test_token_cost_is_what_the_ledger_charges(self, client, settings, alice, tokens):
        settings.VIDEO_TOKEN_COSTS = {"video_generation": 7}
        assert {model["tokenCost"] for model in client.get(MODELS).json()["models"]} == {7}
        job = client.create().json()
        assert job["tokensConsumed"] == 7
        assert tokens(alice) == 993
