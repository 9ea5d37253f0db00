"""VIDEO_PRICES and VIDEO_MOCK_TOKENS: what a job costs, everywhere the same."""

from itertools import product

import pytest

from jobs.catalog import ASPECT_RATIOS, DURATIONS, MODELS, RESOLUTIONS
from jobs.models import VideoJob
from tests.api import JOBS, limited
from tests.job_states import bring, kept
from tests.prices import PRICES, price
from tests.staff_site import page_of, press, said, url_of
from tokens_ledger import ledger, reconciliation
from tokens_ledger.models import Entry

FAST = "veo-3.1-fast-generate-preview"
STANDARD = "veo-3.1-generate-preview"
HALVED = {FAST: PRICES[FAST], STANDARD: PRICES[FAST]}  # an old table's price changed


@pytest.fixture
def prices(settings):
    settings.VIDEO_PRICES = PRICES


@pytest.fixture
def unlimited(settings):
    settings.VIDEO_MAX_ACTIVE_JOBS = 1000
    limited(settings, "1000/min")
    limited(settings, "1000/min", "quote")


@pytest.mark.slow
class TestEveryCombination:
    @pytest.mark.parametrize(
        ("table", "model"),
        [({}, FAST), *((PRICES, model) for model in MODELS)],
        ids=["flat", *MODELS],
    )
    def test_quote_charge_and_list_agree(
        self, client, alice, tokens, settings, unlimited, table, model
    ):
        settings.VIDEO_PRICES = table
        tokens(alice, 1_000_000)
        models = client.get("/api/v1/video-models").json()["models"]
        [offer] = [each for each in models if each["id"] == model]
        listed = {
            (each["resolution"], each["durationSeconds"], each["generateAudio"]): each["tokens"]
            for each in offer["prices"]
        }
        ordered = set()
        for resolution, ratio, seconds, sound in product(
            RESOLUTIONS, ASPECT_RATIOS, DURATIONS, (False, True)
        ):
            order = {"model": model, "resolution": resolution, "aspectRatio": ratio}
            order |= {"durationSeconds": seconds, "generateAudio": sound}
            before = tokens(alice)
            quote, answer = client.quote(**order), client.create(**order)
            if answer.status_code != 202:
                assert (quote.status_code, quote.json()) == (400, answer.json())
                continue
            cost = 50
            if table:
                cost = price(model=model, resolution=resolution, seconds=seconds, sound=sound)
            assert quote.json() == {"tokens": cost, "availableTokens": before, "affordable": True}
            assert answer.json()["tokensConsumed"] == cost
            assert tokens(alice) == before - cost
            assert listed[resolution, seconds, sound] == cost
            ordered.add((ratio, resolution, seconds, sound))
        assert ordered == {(ratio, *each) for ratio in ASPECT_RATIOS for each in listed}
        assert offer["tokenCost"] == max(listed.values())
        assert not list(reconciliation.findings())


class TestTable:
    def test_missing_tokens_name_the_real_cost(self, client, alice, tokens, prices):
        tokens(alice, 20)
        cost = price(model=STANDARD, resolution="1080p", seconds=8, sound=True)
        answer = client.create(
            model=STANDARD, resolution="1080p", durationSeconds=8, generateAudio=True
        )
        assert answer.status_code == 402
        assert answer.json()["detail"] == {
            "message": f"Insufficient tokens. Operation 'video_generation' costs {cost} tokens "
            "but you have 20.",
            "cost": cost,
            "availableTokens": 20,
        }

    def test_costs_are_the_highest_price(self, client, settings, prices):
        highest = max(
            price(model=model, resolution="1080p", seconds=8, sound=True) for model in MODELS
        )
        assert client.get("/api/v1/tokens").json()["costs"] == {"video_generation": highest}

    def test_limit_of_a_key_counts_the_real_cost(self, program, prices):
        cost = price(model=FAST, resolution="720p", seconds=8, sound=False)
        program = program(dailyTokenLimit=2 * cost)
        order = {"model": FAST, "resolution": "720p", "durationSeconds": 8}
        assert [program.create(**order).status_code for _ in range(3)] == [202, 202, 429]
        assert 0 < cost != 50

    @pytest.mark.parametrize("changed", [{}, HALVED], ids=["removed", "changed"])
    def test_refund_is_what_the_job_cost(self, client, alice, tokens, settings, prices, changed):
        before = tokens(alice)
        job = client.create(model=STANDARD).json()
        settings.VIDEO_PRICES = changed
        assert client.quote(model=STANDARD).json()["tokens"] != job["tokensConsumed"]
        cancelled = client.post(f"{JOBS}/{job['id']}/cancel").json()
        assert cancelled["tokensRefunded"] == cancelled["tokensConsumed"] == job["tokensConsumed"]
        assert tokens(alice) == before

    def test_same_idempotency_key_returns_the_job_at_its_price(self, client, settings, prices):
        key = {"Idempotency-Key": "one"}
        first = client.create(key).json()
        settings.VIDEO_PRICES = {}
        assert client.create(key).json()["tokensConsumed"] == first["tokensConsumed"] != 50
        assert Entry.objects.filter(kind="charge").count() == 1

    @pytest.mark.parametrize("action", ["retry", "fetch"])
    def test_paid_rerun_costs_what_it_costs_today(
        self, operator, client, alice, tokens, settings, prices, action
    ):
        job = VideoJob.objects.get(pk=client.create(model=STANDARD).json()["id"])
        bring(job, "SUCCEEDED")
        VideoJob.objects.filter(pk=job.pk).update(status="FAILED", operation="operations/one")
        settings.VIDEO_PRICES = HALVED
        today = client.quote(model=STANDARD).json()["tokens"]
        assert today != kept(job).tokens_consumed
        [balance] = operator.get(url_of(action, job)).context["balances"]
        before = tokens(alice)
        assert balance["change"] == -today
        press(operator, action, job, price="charged")
        assert VideoJob.objects.get(rerun_of=job).tokens_consumed == today
        assert tokens(alice) == before - today

    def test_job_of_a_retired_model_is_fetched_free_and_never_retried(
        self, operator, new_job, tokens, alice, prices
    ):
        job = new_job("FAILED")
        VideoJob.objects.filter(pk=job.pk).update(model="veo-2", operation="operations/one")
        sentence = f"Job {job.pk}: used a model that is no longer available."
        assert "no longer available" in operator.get(url_of("retry", job)).text
        assert said(press(operator, "retry", job, price="charged")) == [sentence]
        assert operator.get(page_of(job)).status_code == 200
        assert operator.get(url_of("fetch", job)).status_code == 200
        assert said(press(operator, "fetch", job, price="charged")) == [sentence]
        assert not VideoJob.objects.filter(rerun_of=job).exists()
        press(operator, "fetch", job, price="free")
        assert VideoJob.objects.get(rerun_of=job).tokens_consumed == 0


class TestMockPrice:
    def test_mock_video_costs_the_mock_price_and_a_real_one_its_own(self, client, settings, prices):
        settings.VIDEO_MOCK_TOKENS, settings.GOOGLE_API_KEY = 5, "key"
        real = price(model=FAST, resolution="720p", seconds=4, sound=False)
        order = {"model": FAST, "resolution": "720p", "durationSeconds": 4}
        for mock, cost in (("true", 5), ("false", real)):
            assert client.quote(mockMode=mock, **order).json()["tokens"] == cost
            assert client.create(mockMode=mock, **order).json()["tokensConsumed"] == cost

    def test_free_video_needs_no_tokens_and_writes_no_entry(
        self, client, alice, operator, tokens, settings
    ):
        settings.VIDEO_MOCK_TOKENS = 0
        tokens(alice, 0)
        entries = Entry.objects.count()
        free = {"tokens": 0, "availableTokens": 0, "affordable": True}
        assert client.quote().json() == free
        created = client.create()
        assert (created.status_code, created.json()["tokensConsumed"]) == (202, 0)
        job = VideoJob.objects.get(pk=created.json()["id"])
        assert said(press(operator, "refund", job)) == [f"Job {job.pk}: was never charged."]
        assert "It cost nothing." in operator.get(page_of(job)).text
        assert said(press(operator, "cancel", job)) == [f"Job {job.pk}: cancelled; it was free."]
        preview = operator.get(url_of("retry", job))
        assert "<td>A new job</td>" in preview.text
        assert preview.context["balances"] == []
        ended = client.job(job)
        assert (ended["status"], ended["tokensRefunded"]) == ("CANCELLED", 0)
        assert not [line for line in ended["logs"] if "refunded" in line["message"]]
        assert Entry.objects.count() == entries
        assert ledger.balance(user=alice) == 0
        assert not list(reconciliation.findings())

    def test_failed_free_video_refunds_nothing(self, client, settings):
        settings.VIDEO_MOCK_TOKENS = 0
        job = VideoJob.objects.get(pk=client.create().json()["id"])
        bring(job, "FAILED")
        assert client.job(job)["tokensRefunded"] == 0
        assert not Entry.objects.filter(kind="refund").exists()

    def test_limit_of_a_key_does_not_stop_free_videos(self, program, settings):
        program = program(dailyTokenLimit=50)
        assert program.create().status_code == 202
        assert program.create().status_code == 429
        settings.VIDEO_MOCK_TOKENS = 0
        assert program.create().status_code == 202
