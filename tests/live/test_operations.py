"""Web processes without a database."""

import socket
import time

import pytest

from tests.client import ApiClient
from tests.run import drop_database

pytestmark = pytest.mark.live
TOKEN = "metrics-are-for-prometheus"


def readiness(url):
    begun = time.monotonic()
    answer = ApiClient(url).get("/readyz")
    wrong = {name for name, said in answer.json()["checks"].items() if said != "ok"}
    return answer.status_code, wrong, time.monotonic() - begun


def test_web_process_without_a_database_is_up_but_unready(stack):
    running = stack(webs=0, clusters=0)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and never answers
        port = silent.getsockname()[1]
        for address, patience in {f"127.0.0.1:{port}": 7, "127.0.0.1:1": 1}.items():
            running.env["DATABASE_URL"] = f"postgres://studio:hunter2@{address}/studio"
            running.start_web()
            status, wrong, seconds = readiness(running.urls[-1])
            assert (status, len(wrong)) == (503, 7)
            assert seconds < patience
    assert "Traceback" not in running.output()
    assert "hunter2" not in running.output()


@pytest.mark.alone
def test_web_process_is_unready_at_once_when_its_database_is_dropped(stack):
    running = stack(env={"METRICS_TOKEN": TOKEN})
    assert readiness(running.url)[0] == 200
    *_, cluster = running.started.values()
    running.kill(cluster.pid)  # it would wait
    drop_database(running.server, running.database_url)
    status, wrong, seconds = readiness(running.url)
    assert (status, len(wrong)) == (503, 7)
    assert seconds < 2
    assert "Traceback" not in running.output()
    answer = ApiClient(running.url, TOKEN).get("/metrics")
    assert answer.status_code == 200
    assert "videostudio_database_up 0.0" in answer.text
    assert 'http_requests_total{method="GET",route="/readyz",status="503"}' in answer.text
