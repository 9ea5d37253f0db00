"""The `Idempotency-Key` of a new job."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.models import IdempotencyKey, VideoJob
from tests.api import COST, FORM, JOBS, TOKENS, assert_fault, assert_problem
from tests.job_states import bring
from tests.uploads import picture, upload


def key(value="key-1"):
    return {"idempotency-key": value}


@pytest.fixture
def first(client):
    """The answer to a first order under key-1."""
    answer = client.create(headers=key())
    assert answer.status_code == 202
    return answer.json()


class TestKey:
    def test_visible_ascii_key_is_accepted(self, client, many):
        for value in ("!", "~", '"quoted"', "x" * 255):
            ids = [client.create(headers=key(value)).json()["id"] for _ in range(2)]
            assert ids[0] == ids[1]

    def test_other_key_is_refused(self, client, nothing_happens):
        for value in ("", "a b", "x" * 256, "é", "a\x7f", "🎬"):
            body = assert_fault(client.create(headers=key(value)), field="Idempotency-Key")
            assert body["detail"] == "Idempotency-Key must be 1 to 255 visible ASCII characters"

    def test_key_is_case_sensitive(self, client, first):
        assert client.create(headers=key("KEY-1")).json()["id"] != first["id"]


class TestReplay:
    def test_repeated_order_gets_the_same_job_charged_once(self, client, first, alice, tokens):
        for _ in range(3):
            answer = client.create(headers=key())
            assert answer.status_code == 202
            assert answer["Idempotency-Replayed"] == "true"
            assert answer.json() == first
        assert tokens(alice) == TOKENS - COST
        assert VideoJob.objects.count() == 1

    @pytest.mark.parametrize("state", ["generating", "SUCCEEDED", "FAILED", "CANCELLED"])
    def test_replay_shows_the_current_job(self, client, first, state):
        job = bring(VideoJob.objects.get(pk=first["id"]), state)
        answer = client.create(headers=key())
        assert answer.status_code == 202
        assert answer.json() == client.job(job)
        assert answer.json()["status"] != "PENDING"

    def test_replay_needs_no_tokens_and_no_free_place(self, client, first, alice, tokens, new_job):
        new_job()
        new_job()
        tokens(alice, 0)
        assert client.create(headers=key()).json() == first

    def test_same_content_in_another_format_is_a_replay(self, client, first):
        body = FORM | {"mockMode": True, "generateAudio": False, "prompt": f" {FORM['prompt']} "}
        answer = client.post(JOBS, body, format="json", headers=key())
        assert answer.json()["id"] == first["id"]
        again = client.create(headers=key(), durationSeconds=None, mockMode="TRUE")
        assert again.json()["id"] == first["id"]

    def test_same_files_under_other_names_are_a_replay(self, client):
        content = picture().read()
        answers = [
            client.create(headers=key(), initialImage=upload(content, name))
            for name in ("a.jpg", "b.png")
        ]
        assert answers[0].json() == answers[1].json()

    def test_replay_of_a_deleted_job_is_404(self, client, first, alice, tokens):
        client.delete(f"{JOBS}/{first['id']}")
        assert_problem(client.create(headers=key()), 404, "not_found")
        assert_problem(client.create(headers=key()), 404, "not_found")
        assert tokens(alice) == TOKENS
        assert client.create(headers=key("another")).status_code == 202


class TestMismatch:
    OTHER: list[dict[str, Any]] = [
        {"prompt": "Another"},
        {"model": "veo-3.1-generate-preview"},
        {"resolution": "1080p"},
        {"aspectRatio": "9:16"},
        {"durationSeconds": 4},
        {"generateAudio": "true"},
        {"negativePrompt": "rain"},
        {"seed": "0"},
        {"mockMode": "false"},
        {"initialImage": picture},
        {"initialImage": picture, "endFrame": picture},
        {"referenceImages": picture},
    ]

    def test_other_content_is_422(self, client, first, alice, tokens, settings):
        settings.GOOGLE_API_KEY = "a key"
        for changes in self.OTHER:
            made = {name: value() if callable(value) else value for name, value in changes.items()}
            answer = client.create(headers=key(), **made)
            body = assert_fault(answer, 422, "idempotency_mismatch", field="Idempotency-Key")
            assert body["detail"] == "This Idempotency-Key was used with other content"
        assert tokens(alice) == TOKENS - COST
        assert client.create(headers=key()).json() == first

    def test_other_file_content_is_422(self, client):
        for color, status in (("red", 202), ("red", 202), ("#fe0000", 422)):
            file = picture("PNG", color=color)
            assert client.create(headers=key(), initialImage=file).status_code == status

    def test_other_order_or_number_of_files_is_422(self, client):
        def ask(*colors, **fields):
            files = [picture(color=color) for color in colors]
            return client.create(headers=key(), referenceImages=files, **fields).status_code

        assert [ask("red", "blue"), ask("red", "blue"), ask("blue", "red")] == [202, 202, 422]
        assert [ask("red"), ask("red", "blue", "blue")] == [422, 422]

    def test_another_seed_is_422(self, client):
        seeds = [("7", 202), ("07", 202), ("8", 422), (None, 422)]
        for seed, status in seeds:
            assert client.create(headers=key(), seed=seed).status_code == status

    def test_invalid_body_under_a_used_key_is_400(self, client, first):
        assert_fault(client.create(headers=key(), resolution="4k"), field="resolution")
        assert client.create(headers=key()).json() == first


class TestTime:
    def grown_older(self, age):
        IdempotencyKey.objects.update(created_at=timezone.now() - age)

    def test_key_is_kept_for_24_hours(self, client, first):
        self.grown_older(timedelta(hours=23, minutes=59))
        answer = client.create(headers=key())
        assert answer["Idempotency-Replayed"] == "true"
        assert answer.json()["id"] == first["id"]

    @pytest.mark.parametrize("fields", [{}, {"prompt": "Another"}])
    def test_key_is_free_after_24_hours(self, client, first, alice, tokens, fields):
        self.grown_older(timedelta(hours=24, seconds=1))
        answer = client.create(headers=key(), **fields)
        assert answer.status_code == 202
        assert "Idempotency-Replayed" not in answer
        assert answer.json()["id"] != first["id"]
        assert tokens(alice) == TOKENS - 2 * COST
        assert client.create(headers=key(), **fields).json()["id"] == answer.json()["id"]


class TestErrorAnswer:
    """It is not kept: the key can be used again."""

    def test_key_is_free_after_a_400(self, client):
        assert client.create(headers=key(), resolution="4k").status_code == 400
        assert client.create(headers=key()).status_code == 202

    def test_key_is_free_after_a_402(self, client, alice, tokens):
        tokens(alice, 0)
        assert client.create(headers=key()).status_code == 402
        tokens(alice, 50)
        answer = client.create(headers=key(), prompt="Another")
        assert answer.status_code == 202
        assert "Idempotency-Replayed" not in answer

    def test_key_is_free_after_a_429(self, client, new_job):
        jobs = [new_job() for _ in range(3)]
        assert client.create(headers=key()).status_code == 429
        bring(jobs[0], "CANCELLED")
        assert client.create(headers=key()).status_code == 202


class TestStranger:
    def test_users_have_separate_keys(self, first, stranger, bob, tokens):
        answer = stranger.create(headers=key())
        assert answer.status_code == 202
        assert "Idempotency-Replayed" not in answer
        assert answer.json()["id"] != first["id"]
        assert stranger.create(headers=key(), prompt="Another").status_code == 422
        assert tokens(bob) == TOKENS - COST
