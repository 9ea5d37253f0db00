"""Malformed URLs and forms in the admin never cause a server error."""

import logging
import re

import pytest
from django.contrib import admin
from django.db import OperationalError, connection

from jobs.models import VideoJob
from tests.staff_site import LIST

pytestmark = pytest.mark.slow

ENTRIES = "/admin/tokens_ledger/entry/"
QUERIES = (
    *("id__regex=((", "id=%00", "pk__in=a,b", "created_at__year=0", "created_at__year=-5"),
    *("created_at__year=9999", "created_at__year=99999", "created_at__year=99999999999999999999"),
    *("created_at__year=2026&created_at__month=13", "created_at__gte=%00", "created_at__gte=abc"),
    *("status__exact=%00", "error_code=%00", "model=%00", "kind__exact=%00", "level__exact=%00"),
    *("prompt__regex=((", "amount__range=1", "content=abc", "ip_address=abc", "user_agent=%00"),
    *("action_flag__exact=" + "9" * 30, "action_flag__exact=%00", "internal__exact=abc"),
    *("is_active__exact=%00", "user=abc", "user__password__startswith=a", "account=%00", "q=%00"),
    *("ordered=%00", "ordered_from=%00", "late=%00", "tokens=%00", "o=99.-7.x", "p=-1", "utm=1"),
    *("created_at__month__in=abc", "kind__in=%00", "_to_field=abc", "user__id__regex=(("),
)
NAME = re.compile("[a-z_]+?(?=__|=)")
PARAMETERS = {"pk", "q", "o", "p", "_to_field", "utm"}  # utm is none, like the fields of others
OF_JOBS = {"ordered", "ordered_from", "late", "tokens"}


class TestLists:
    @pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model.__name__)
    def test_odd_query_is_answered_or_redirected(self, boss, new_job, model):
        new_job("FAILED")
        table = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        fields = {field.name for field in model._meta.get_fields()}
        known = fields | PARAMETERS | (OF_JOBS if model is VideoJob else set())
        for query in [q for q in QUERIES if NAME.findall(q)[0] in known]:
            answer = boss.get(f"{table}?{query}")
            assert answer.status_code in (200, 302, 400), query
            if answer.status_code == 302:
                assert answer["Location"] == f"{table}?e=1", query
        assert boss.get(f"{table}?pk__in=a,b&e=1").status_code == 200

    def test_filter_that_is_not_offered_redirects(self, support, new_job):
        new_job()
        for table, query in ((LIST, "user__password__startswith=a"), (LIST, "prompt=x"),
                              (LIST, "late=unknown"),
                              (ENTRIES, "account__user__email__startswith=a")):  # fmt: skip
            assert support.get(f"{table}?{query}")["Location"] == f"{table}?e=1"

    @pytest.mark.parametrize("table", [LIST, ENTRIES, "/admin/jobs/jobevent/"])
    def test_large_list_is_sorted_by_indexed_columns_only(self, support, table):
        for query in ({}, {"o": "-4"}, {"o": "5.1"}):
            order = support.get(table, query).context["cl"].queryset.query.order_by
            assert order
            assert {name.strip("-") for name in order} <= {"id", "created_at", "pk"}

    @pytest.mark.parametrize("table", [LIST, ENTRIES])
    def test_odd_selection_is_answered(self, finance, new_job, table):
        new_job()
        for chosen in ("abc", "nul \x00", "9" * 40):
            form = {"action": "export", "_selected_action": [chosen]}
            assert finance.post(table, form, follow=True).status_code == 200
        form = {"action": "refund", "_selected_action": ["abc"]}
        assert finance.post(table, form, follow=True).status_code == 200


class TestDatabaseUnavailable:
    @pytest.mark.parametrize("path", ["login/", "jobs/videojob/"])
    def test_pages_are_503_and_reload(self, support, path, caplog):
        def away(*arguments):
            raise OperationalError("the server closed the connection")

        with connection.execute_wrapper(away):
            answer = support.get(f"/admin/{path}")
            sent = support.post("/admin/login/", {"username": "sue", "password": "x"})
        failures = [each for each in caplog.records if each.levelno >= logging.ERROR]
        assert [each.getMessage() for each in failures] == ["the database does not respond"] * 2
        for each in (answer, sent):
            assert (each.status_code, each["Retry-After"]) == (503, "5")
            assert "The database does not answer." in each.text
        assert "tries again every five seconds" in answer.text
        assert "check first" in sent.text


def test_admin_shortcut_is_404(support):
    for path in ("r/1/1/", "r/x/y/"):
        assert support.get(f"/admin/{path}").status_code == 404
