"""Google answers 404 for a model: its orders are refused until Google accepts one again."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import model_availability
from jobs.models import UnavailableModel, VideoJob
from jobs.monitor import figures, status_message
from jobs.stats import dashboard, prometheus
from tests.api import COST, JOBS, TOKENS, assert_problem
from tests.faults.studio import Studio
from tests.staff_site import press, said

pytestmark = pytest.mark.slow

FAST, ALIAS = "veo-3.1-fast-generate-preview", "veo-3.1-fast-generate-001"
OTHER = "veo-3.1-generate-preview"
REOPEN = 600


def ask(studio: Studio, model=FAST, *, client=None, status=503, **fields):
    """Order a video of this model; return the answer, which must have this status."""
    answer = (client or studio.client).create(model=model, **{"mockMode": "false"} | fields)
    assert answer.status_code == status, answer.content
    if status == 202:
        studio.job = VideoJob.objects.get(pk=answer.json()["id"])
    return answer


def offered(anonymous):
    models = anonymous.get("/api/v1/video-models").json()["models"]
    return {model["id"]: model["available"] for model in models}


def balance(studio):
    return studio.client.get("/api/v1/tokens").json()["availableTokens"]


@pytest.fixture
def gone(studio: Studio):
    """Google retires a model: the order under way fails and is refunded."""
    studio.google.retired.add(ALIAS)
    studio.order()
    studio.finish()
    yield studio
    studio.google.retired.clear()


class TestClosed:
    def test_order_under_way_is_refunded_and_the_next_is_refused(self, gone: Studio):
        job = gone.client.job(gone.job)
        assert (job["status"], job["errorCode"]) == ("FAILED", "provider.rejected")
        answer = ask(gone)
        assert FAST in assert_problem(answer, 503, "model_unavailable")["detail"]
        assert REOPEN - 60 < int(answer["Retry-After"]) <= REOPEN
        assert balance(gone) == TOKENS
        assert gone.client.get(JOBS).json()["total"] == 1
        assert gone.calls() == (1, 0, 0)

    def test_quote_is_answered(self, gone: Studio):
        quote = gone.client.quote(model=FAST, mockMode="false")
        assert (quote.status_code, quote.json()["tokens"]) == (200, COST)

    def test_every_name_of_the_model_is_closed_and_nothing_else(self, gone: Studio, anonymous):
        ask(gone, ALIAS)
        ask(gone, mockMode="true", status=202)
        ask(gone, OTHER, status=202)
        gone.finish()
        assert gone.client.job(gone.job)["status"] == "SUCCEEDED"
        assert {name for name, available in offered(anonymous).items() if not available} == {
            FAST,
            ALIAS,
        }

    def test_replay_of_an_earlier_order_is_answered(self, studio: Studio):
        key = {"headers": {"Idempotency-Key": "a"}}
        ask(studio, status=202, **key)
        model_availability.close(google_id=ALIAS, cause="404", now=timezone.now())
        assert ask(studio, status=202, **key)["Idempotency-Replayed"] == "true"

    def test_waiting_jobs_fail_without_a_call(self, studio: Studio, stranger):
        studio.settings.VEO_MAX_IN_FLIGHT = 1
        studio.google.retired.add(ALIAS)
        mine, other = studio.order(), ask(studio, OTHER, status=202).json()["id"]
        bobs = studio.order(client=stranger)
        for _ in range(3):
            studio.tick()
        assert studio.google.calls["create"] == 2  # of the first, and of the other model
        shown = [studio.client.job(mine), stranger.job(bobs)]
        assert {job["errorMessage"] for job in shown} == {"Google Veo no longer offers this model."}
        assert [job["tokensRefunded"] for job in shown] == [COST, COST]
        assert VideoJob.objects.get(pk=other).stage == "generating"
        studio.google.retired.clear()

    def test_staff_cannot_retry_a_job_of_it(self, gone: Studio, operator):
        [message] = said(press(operator, "retry", gone.job, price="free"))
        assert "Google does not offer at the moment" in message
        assert VideoJob.objects.count() == 1

    @pytest.mark.parametrize("answer", ["404", "html", "403", "400"])
    def test_other_refusals_close_no_model(self, studio: Studio, answer):
        studio.google.fail("create", answer)
        studio.order()
        studio.finish()
        ask(studio, status=202)
        assert not UnavailableModel.objects.exists()


class TestReopening:
    def test_one_order_is_let_through_and_when_accepted_all_are(self, gone: Studio, anonymous):
        gone.google.retired.clear()
        gone.later(REOPEN - 30)
        ask(gone)
        gone.later(31)
        assert offered(anonymous)[FAST]
        ask(gone, status=202)
        assert int(ask(gone, ALIAS)["Retry-After"]) == 30
        assert not offered(anonymous)[FAST]
        gone.tick()
        ask(gone, ALIAS, status=202)
        assert offered(anonymous)[FAST]
        gone.finish()
        assert gone.client.job(gone.job)["status"] == "SUCCEEDED"

    def test_model_that_is_still_missing_is_tried_again_later(self, gone: Studio):
        since = UnavailableModel.objects.get().since
        for _ in range(2):
            gone.later(REOPEN)
            ask(gone, status=202)
            gone.finish()
            ask(gone)
        assert UnavailableModel.objects.get().since < since
        assert balance(gone) == TOKENS

    @pytest.mark.parametrize("end", ["cancel", "delete", "400"])
    def test_probe_without_an_answer_makes_the_next_order_the_probe(self, gone: Studio, end):
        gone.google.retired.clear()
        gone.later(REOPEN)
        gone.google.fail("create", "400")
        ask(gone, status=202)
        gone.finish() if end == "400" else getattr(gone, end)()
        gone.google.clear_faults()
        ask(gone, status=202)
        ask(gone)
        gone.tick()
        ask(gone, status=202)

    def test_probe_that_still_waits_is_replaced_and_counts_later(self, gone: Studio, stranger):
        gone.google.retired.clear()
        gone.later(REOPEN)
        gone.settings.VEO_CREATES_PER_MINUTE = 0  # Google takes none
        ask(gone, status=202)
        gone.tick()
        gone.later(REOPEN)
        ask(gone, client=stranger, status=202)
        ask(gone, client=stranger)
        gone.settings.VEO_CREATES_PER_MINUTE = gone.settings.VEO_MAX_IN_FLIGHT = 1
        gone.tick()
        ask(gone, client=stranger, status=202)

    def test_clock_that_is_a_little_ahead_does_not_open_the_model(self, gone: Studio):
        ahead = timezone.now() + timedelta(seconds=REOPEN + 30)
        UnavailableModel.objects.update(next_probe_at=ahead)
        ask(gone)

    def test_clock_that_was_ahead_does_not_keep_the_model_closed(self, gone: Studio):
        gone.google.retired.clear()
        ahead = timezone.now() + timedelta(days=1)
        UnavailableModel.objects.update(
            since=ahead, next_probe_at=ahead + timedelta(seconds=REOPEN)
        )
        ask(gone, status=202)
        gone.tick()
        ask(gone, status=202)

    def test_order_without_tokens_is_no_probe(self, gone: Studio, stranger, bob, tokens):
        tokens(bob, 0)
        gone.later(REOPEN)
        ask(gone, client=stranger, status=402)
        ask(gone, status=202)

    def test_another_id_for_the_name_reopens_at_once(self, gone: Studio, anonymous):
        gone.restart(VEO_MODEL_IDS={FAST: "veo-3.1-lite-generate-001"})
        assert [offered(anonymous)[name] for name in (FAST, ALIAS)] == [True, False]
        ask(gone, status=202)
        gone.finish()
        assert gone.client.job(gone.job)["status"] == "SUCCEEDED"
        ask(gone, ALIAS)


class TestShown:
    def test_monitor_overview_and_metrics_name_the_model(self, gone: Studio):
        now = timezone.now()
        status = status_message.service_status(figures.read(now=now), now=now)
        assert f"Google has not offered {FAST} and {ALIAS} since" in status.text
        assert status.severity == "problem"
        [(names, row)] = dashboard.jobs(now)["missing_models"]
        assert (names, row.google_id) == ([FAST, ALIAS], ALIAS)
        assert f'videostudio_model_available{{model="{ALIAS}"}} 0.0' in prometheus.text().decode()

    def test_staff_read_googles_answer_and_the_public_does_not(self, gone: Studio, boss, anonymous):
        overview = boss.get("/admin/").content.decode()
        assert "Publisher Model" in overview
        assert f"Google has not offered {ALIAS} since" in overview
        monitor = anonymous.get("/video-monitor").content.decode()
        assert f"Google has not offered {FAST} and {ALIAS} since" in monitor
        assert "Publisher Model" not in monitor
