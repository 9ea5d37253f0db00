"""`POST /api/v1/video-jobs/quote`: what an order would cost."""

import json
from typing import Any
from urllib.parse import urlencode

from django_q.models import OrmQ

from jobs.models import IdempotencyKey, JobImage, VideoJob
from tests.api import FORM, JOBS, assert_fault, assert_problem, limited
from tests.uploads import picture
from tokens_ledger.models import Account, Entry

QUOTE = f"{JOBS}/quote"
AFFORDABLE = {"tokens": 50, "availableTokens": 1000, "affordable": True}
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mNgYGAAAAAEAAHI"
    "6uv5AAAAAElFTkSuQmCC"
)


def stored():
    rows = (VideoJob, JobImage, Entry, IdempotencyKey, OrmQ)
    return [model.objects.count() for model in rows], list(Account.objects.values())


class TestQuote:
    def test_formats_of_an_order_are_read(self, client):
        for content_type, body in (
            ("application/json", json.dumps(FORM)),
            ("application/json", json.dumps(FORM | {"initialImage": PIXEL})),
            ("application/x-www-form-urlencoded", urlencode(FORM)),
        ):
            answer = client.post(QUOTE, body, content_type=content_type)
            assert (answer.status_code, answer.json()) == (200, AFFORDABLE)

    def test_nothing_is_stored_or_charged(self, client):
        before = stored()
        answer = client.quote(initialImage=picture())
        assert (answer.status_code, answer.json()) == (200, AFFORDABLE)
        assert stored() == before

    def test_too_few_tokens_are_an_answer_and_no_error(self, client, alice, tokens):
        tokens(alice, 49)
        answer = client.quote()
        expected = {"tokens": 50, "availableTokens": 49, "affordable": False}
        assert (answer.status_code, answer.json()) == (200, expected)
        tokens(alice, 50)
        assert client.quote().json()["affordable"] is True

    def test_form_that_an_order_refuses_gets_the_same_400(self, client):
        refused: list[dict[str, Any]] = [
            {"resolution": "480p"},
            {"resolution": "1080p", "durationSeconds": 4},
            {"aspect_ratio": "16:9"},
            {"mockMode": None},
            {"mockMode": "false"},
            {"prompt": ""},
            {"prompt": "x" * 4001},
            {"webhookUrl": "https://client.example.org/hooks"},
            {"webhookUrl": "nonsense"},
            {"initialImage": "nonsense"},
        ]
        for fields in refused:
            quote, order = client.quote(**fields), client.create(**fields)
            assert (quote.status_code, quote.json()) == (400, order.json()), fields

    def test_damaged_image_is_refused(self, client):
        image = picture("PNG")
        image.file.truncate(60)
        assert_fault(client.quote(initialImage=image), field="initialImage")

    def test_active_jobs_do_not_matter(self, client):
        assert [client.create().status_code for _ in range(4)] == [202, 202, 202, 429]
        assert client.quote().status_code == 200

    def test_another_user_sees_their_own_balance(self, stranger, bob, tokens, client):
        tokens(bob, 7)
        assert stranger.quote().json()["availableTokens"] == 7
        assert client.quote().json()["availableTokens"] == 1000

    def test_key_that_may_only_read_is_refused(self, program):
        assert_problem(program(scope="read").quote(), 403, "read_only_key")
        assert program(scope="full").quote().status_code == 200

    def test_quotes_have_a_throttle_of_their_own(self, client, settings):
        limited(settings, "1/min", "quote")
        assert client.quote().status_code == 200
        body = assert_problem(client.quote(), 429, "throttled")
        assert body["detail"].startswith("At most 1 quotes of one user are allowed")
        assert client.create().status_code == 202
