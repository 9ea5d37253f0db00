"""`/metrics` and the log after the service has made a video: it called Google, the storage and a
webhook."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests import receiver as receivers
from tests.client import ApiClient
from tests.docs.markdown import table
from tests.fakes import CloudinaryImitation, VertexImitation
from tests.promql import queries
from tests.run import PROJECT
from tests.stack import Stack, until

pytestmark = pytest.mark.live

TOKEN = "metrics-are-for-prometheus"
MODEL = "veo-3.1-fast-generate-preview"
JOBS = "/api/v1/video-jobs"


@pytest.fixture(scope="module")
def receiver() -> Iterator[receivers.Receiver]:
    with receivers.receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def studio() -> Iterator[Stack]:
    env = {"METRICS_TOKEN": TOKEN, "MOCK_SECONDS": "1", "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1"}
    with ExitStack() as opened:
        google = opened.enter_context(VertexImitation(seconds=1))
        cloudinary = opened.enter_context(CloudinaryImitation())
        stack = Stack(webs=2, google=google.url, cloudinary=cloudinary.url, env=env)
        yield opened.enter_context(stack)


@pytest.fixture(scope="module", autouse=True)
def alice(studio, receiver) -> ApiClient:
    """Orders videos, removes one, is refused, gets webhooks, and kills a cluster."""
    alice = studio.user("alice", tokens=200)
    assert alice.put("/api/v1/webhook", json={"url": receiver.url}).status_code in (200, 201)
    answer = alice.create(
        prompt="A private prompt", mockMode="false", headers={"X-Request-ID": "made-by-alice"}
    )
    assert answer.headers["X-Request-ID"] == "made-by-alice"
    made, mock = answer.json()["id"], alice.order()["id"]
    failed = alice.order(prompt="[[fail:provider]]")["id"]
    assert alice.create(prompt="One too many").status_code == 429
    ends = [alice.wait(job)["status"] for job in (made, mock, failed)]
    assert ends == ["SUCCEEDED", "SUCCEEDED", "FAILED"]
    assert alice.delete(f"{JOBS}/{mock}?video=true").status_code == 204
    assert until(lambda: len(receiver.received) == 3, seconds=20)
    wrong = {"username": "alice", "password": "wrong"}
    assert ApiClient(studio.url).post("/api/v1/auth/token", json=wrong).status_code == 401
    [cluster] = [each for log, each in studio.started.items() if log.name.startswith("cluster")]
    studio.kill(studio.descendants(cluster.pid)[0])
    removed = 'storage_calls_total{call="delete",result="ok"}'
    assert until(lambda: removed in _text(studio.url), seconds=20)
    assert until(lambda: "cluster_restarts_total{" in _text(studio.url), seconds=30)
    studio.wait_until_ready()
    return alice


def _text(url: str) -> str:
    answer = ApiClient(url, TOKEN).get("/metrics")
    assert answer.status_code == 200
    return answer.text


@pytest.fixture(scope="module")
def served(studio) -> dict[str, Metric]:
    """The metrics by name, without prefix."""
    return {
        metric.name.removeprefix("videostudio_"): metric
        for metric in text_string_to_metric_families(_text(studio.url))
    }


def values(metric: Metric, **labels: str) -> dict[str, float]:
    """The samples with these labels: the value by the end of the sample's name, and bucket."""
    return {
        sample.name.removeprefix(metric.name) + sample.labels.get("le", ""): sample.value
        for sample in metric.samples
        if labels.items() <= sample.labels.items()
    }


def figures(url: str) -> dict[str, float]:
    """The installation's samples that do not depend on the time of the scrape."""
    lines = [line for line in _text(url).splitlines() if not line.startswith("#")]
    samples = dict(line.rsplit(" ", 1) for line in lines)
    changing = re.compile(r"_(age|http|process|database|login|staging|storage_call)_|queued_tasks")
    return {name: float(value) for name, value in samples.items() if not changing.search(name)}


def log_lines(stack: Stack, process: str) -> list[dict[str, Any]]:
    """The log of that kind of process; each line must be JSON."""
    return [
        json.loads(line)
        for log in stack.started
        if log.name.startswith(process)
        for line in log.read_text().splitlines()
    ]


def test_each_web_process_serves_the_metrics_of_all_jobs(studio):
    first, second = (figures(url) for url in studio.urls)
    assert first == second
    assert first['videostudio_ended_jobs_total{error_code="",status="SUCCEEDED"}'] == 2
    failures = 'videostudio_ended_jobs_total{error_code="provider.unavailable",status="FAILED"}'
    assert first[failures] == 1
    assert first['videostudio_generation_seconds_count{provider="mock"}'] == 1
    assert first['videostudio_storage_seconds_count{provider="mock"}'] == 1
    assert first['videostudio_tokens_total{kind="refund"}'] == 50
    assert first["videostudio_ledger_imbalance_tokens"] == 0


def test_jobs_appear_in_the_log_without_secrets(studio, alice):
    web, cluster = log_lines(studio, "web"), log_lines(studio, "cluster")
    [(id,)] = studio.sql("SELECT id FROM jobs_videojob WHERE prompt = 'A private prompt'")
    [created] = [line for line in web if line.get("job") == str(id)]
    assert (created["message"], created["request_id"]) == ("job created", "made-by-alice")
    assert [line["message"] for line in cluster if line.get("job") == str(id)] == [
        "job submitted",
        "job succeeded",
    ]
    said = json.dumps([web, cluster])
    for secret in ("private", TOKEN, studio.env["SECRET_KEY"], alice.headers["Authorization"][7:]):
        assert secret not in said


def test_calls_to_google_are_counted_by_model_and_result(served):
    calls = served["google_calls"]
    assert values(calls, call="submit", model=MODEL, result="ok")["_total"] == 1
    assert values(calls, call="poll", model=MODEL, result="ok")["_total"] >= 1
    seconds = values(served["google_call_duration_seconds"], call="submit", model=MODEL)
    assert (seconds["_count"], seconds["_bucket+Inf"]) == (1, 1)
    assert 0 < seconds["_sum"] < 10


def test_calls_to_the_storage_are_counted(served):
    for call, number in {"upload": 2, "delete": 1}.items():
        assert values(served["storage_calls"], call=call, result="ok")["_total"] == number
        assert values(served["storage_call_duration_seconds"], call=call)["_count"] == number


def test_requests_to_receivers_are_counted(served):
    assert values(served["webhook_attempts"], result="2xx")["_total"] == 3
    assert values(served["webhook_attempt_duration_seconds"], result="2xx")["_count"] == 3


def test_waits_and_times_to_the_video_are_counted_by_model(served):
    for name in ("order_to_start_seconds", "order_to_video_seconds"):
        assert values(served[name], model=MODEL)["_count"] == 1
    assert values(served["order_to_start_seconds"], model="mock")["_count"] == 2
    assert values(served["order_to_video_seconds"], model="mock")["_count"] == 1
    seconds = values(served["order_to_video_seconds"], model=MODEL)
    assert seconds["_bucket60"] == 1


def test_refused_order_and_failed_login_are_counted(served):
    errors = served["api_errors"]
    assert values(errors, route=JOBS, code="too_many_active_jobs")["_total"] == 1
    assert values(errors, route="/api/v1/auth/token", code="no_active_account")["_total"] == 1
    assert values(served["login_failures"], at="api")["_total"] == 1


def test_processes_show_memory_and_cpu(served):
    for kind in ("web", "cluster"):
        memory = values(served["process_resident_memory_bytes"], kind=kind)[""]
        assert 50e6 < memory < 2e9
        assert values(served["process_cpu_seconds"], kind=kind)["_total"] > 0.5


def test_every_web_process_serves_the_requests_of_all(studio):
    def count(url: str) -> float:
        [line] = re.findall(r'http_requests_total\{.*route="/healthz".*\} (.*)', _text(url))
        return float(line)

    before = [count(url) for url in studio.urls]
    for url in studio.urls:
        for _ in range(5):
            assert ApiClient(url).get("/healthz").status_code == 200
    assert [count(url) for url in studio.urls] == [number + 10 for number in before]


def test_request_that_the_web_server_refuses_is_counted(studio):
    refused = 'http_requests_total{method="other",route="none",status="431"}'
    assert refused not in _text(studio.url)
    many = {f"X-Header-{n}": "x" for n in range(200)}
    assert ApiClient(studio.url).get("/healthz", headers=many).status_code == 431
    assert refused in _text(studio.url)


def test_restart_of_a_cluster_is_counted(served):
    [reason] = {sample.labels["reason"] for sample in served["cluster_restarts"].samples}
    assert reason in ("the sentinel died", "a process died")


def test_each_web_process_is_unready_once_the_last_cluster_has_been_silent(studio):
    assert [ApiClient(url).get("/readyz").status_code for url in studio.urls] == [200, 200]
    *_, cluster = studio.started.values()
    studio.kill(cluster.pid)
    assert until(lambda: not any("qcluster" in line for line in studio.alive().values()), 10)
    silent_since = datetime.now(UTC) - timedelta(seconds=16)  # jobs.stats.queries.MAX_TICK_AGE
    studio.sql("UPDATE jobs_tick SET next_at = %s", silent_since.isoformat(" "))
    for url in studio.urls:
        answer = ApiClient(url).get("/readyz")
        wrong = {name for name, said in answer.json()["checks"].items() if said != "ok"}
        assert (answer.status_code, wrong) == (503, {"workers"})
    assert studio.restart_ended() == 1
    studio.wait_until_ready()


# ---- What the rules, the dashboard and the documentation need ----


def labels_of(metric: Metric) -> set[str]:
    return {label for sample in metric.samples for label in sample.labels} - {"le"}


@pytest.mark.parametrize("query", [*queries()], ids=lambda query: query.where)
def test_metrics_and_labels_of_each_query_are_served(served, query):
    names = {sample.name for metric in served.values() for sample in metric.samples}
    all_labels: set[str] = set()
    for name, labels in query.metrics.items():
        assert f"videostudio_{name}" in names
        metric = served[re.sub(r"_(total|bucket|count|sum)$", "", name)]
        assert labels <= labels_of(metric), name
        all_labels |= labels_of(metric)
    assert query.metrics == {} or query.groupings <= all_labels


def test_documentation_lists_exactly_what_is_served(served):
    documented = {
        name: (kind, set(re.findall(r"`(\w+)`", labels)))
        for names, kind, labels, _ in table(PROJECT / "docs/metrics.md", "metric")
        for name in re.findall(r"`(\w+)`", names)
    }
    assert documented == {name: (each.type, labels_of(each)) for name, each in served.items()}
