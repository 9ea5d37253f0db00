"""The API's schema from a server that has just started."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.client import ApiClient
from tests.run import SQLITE

pytestmark = [pytest.mark.live, pytest.mark.once]

THREADS = 24


def test_schema_is_answered_where_many_ask_a_fresh_server_at_once(stack):
    client = ApiClient(stack(server=SQLITE, clusters=0).url)
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda _: client.get("/api/v1/schema"), range(THREADS)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
