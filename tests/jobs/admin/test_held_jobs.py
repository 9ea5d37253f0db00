"""Jobs that are held after a restore: staff run them, or refund them."""

import pytest
from django.utils import timezone

from jobs import restores
from jobs.stats import prometheus
from jobs.worker import leases
from tests.job_states import kept
from tests.staff_site import LIST, page_of, press, said, url_of


@pytest.fixture
def held(new_job):
    job = new_job(mock_mode=False)
    restores.after_restore(now=timezone.now())
    return kept(job)


def test_page_says_why_it_waits_and_what_to_do(operator, held):
    page = operator.get(page_of(held)).text
    assert "Google may have this job already" in page
    assert "No step is due: the job is held." in page
    assert "/run/" in page


def test_list_marks_and_filters_them(operator, held, new_job):
    other = new_job(mock_mode=False, now=timezone.now())
    text = operator.get(f"{LIST}?held=yes").text
    assert str(held.pk) in text
    assert str(other.pk) not in text
    assert ">held</span>" in text


def test_overview_counts_them_among_the_pending_ones_that_its_link_lists(operator, held):
    text = operator.get("/admin/").text
    assert '<dt>Held</dt><dd><a href="/admin/jobs/videojob/?held=yes">1</a>' in text
    assert '<dt>PENDING</dt><dd><a href="/admin/jobs/videojob/?status__exact=PENDING">1</a>' in text
    listed = operator.get("/admin/jobs/videojob/?status__exact=PENDING").context_data["cl"]
    assert listed.result_count == 1
    assert "Waiting too long</dt><dd><a" in text


def test_overview_without_them_does_not_mention_them(operator):
    assert "<dt>Held" not in operator.get("/admin/").text


def test_run_lets_workers_start_it(operator, client, held):
    confirmation = operator.get(url_of("run", held)).text
    assert "Google charges for two videos" in confirmation
    answer = press(operator, "run", held, reason="Google does not have it")
    assert said(answer) == [f"Job {held.pk}: a worker starts it."]
    assert leases.claim_pending(limit=1, now=timezone.now()) == [held]
    page = operator.get(page_of(held)).text
    assert "Run by operator" in page
    assert "Google does not have it" in page
    assert "Google does not have it" not in str(client.job(held))


def test_mark_as_failed_refunds_it(operator, client, held):
    answer = press(operator, "fail", held, reason="Made before the restore")
    assert said(answer) == [f"Job {held.pk}: marked as failed, 50 tokens refunded."]
    shown = client.job(held)
    assert (shown["status"], shown["tokensRefunded"]) == ("FAILED", 50)


def test_second_run_is_refused(operator, held):
    press(operator, "run", held)
    assert said(press(operator, "run", held)) == [f"Job {held.pk}: is not held."]


def test_metrics_count_them_apart_from_waiting_ones(held):
    text = prometheus.text().decode()
    assert "videostudio_held_jobs 1.0" in text
    assert "videostudio_queue_depth 0.0" in text
    assert "videostudio_oldest_wait_seconds 0.0" in text
