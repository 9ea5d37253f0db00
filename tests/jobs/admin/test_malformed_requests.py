"""Malformed URLs and forms in the admin never cause a server error."""

import pytest
from django.contrib import admin
from django.db import OperationalError, connection

from tests.staff_site import LIST, said
from tokens_ledger.models import Entry

ENTRIES = "/admin/tokens_ledger/entry/"
LISTS = [
    f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry
]
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


class TestLists:
    @pytest.mark.parametrize("table", LISTS)
    def test_odd_query_is_answered_or_redirected(self, boss, new_job, table):
        new_job("FAILED")
        for query in QUERIES:
            answer = boss.get(f"{table}?{query}")
            assert answer.status_code in (200, 302, 400), query
            if answer.status_code == 302:
                assert answer["Location"] == f"{table}?e=1", query
                assert boss.get(f"{table}?{query}&e=1").status_code == 200

    def test_filter_that_is_not_offered_redirects(self, support, new_job):
        new_job()
        for table, query in ((LIST, "user__password__startswith=a"), (LIST, "prompt=x"),
                              (ENTRIES, "account__user__email__startswith=a")):  # fmt: skip
            assert support.get(f"{table}?{query}")["Location"] == f"{table}?e=1"

    @pytest.mark.parametrize("column", ["-4", "5.1"])
    @pytest.mark.parametrize("table", [LIST, ENTRIES, "/admin/jobs/jobevent/"])
    def test_large_list_is_sorted_by_indexed_columns_only(self, support, table, column):
        as_always = support.get(table).context["cl"].queryset.query.order_by
        asked = support.get(table, {"o": column}).context["cl"].queryset.query.order_by
        known = {"id", "created_at", "pk"}
        assert {name.strip("-") for name in asked} <= known
        assert as_always

    @pytest.mark.parametrize("chosen", ["abc", "nul \x00", "9" * 40])
    @pytest.mark.parametrize("table", [LIST, ENTRIES])
    def test_odd_selection_is_answered(self, member, browser_of, new_job, table, chosen):
        new_job()
        browser = browser_of(member("Finance"))
        for action in ("export", "refund"):
            form = {"action": action, "_selected_action": [chosen]}
            assert browser.post(table, form, follow=True).status_code == 200

    def test_partly_invalid_selection_does_nothing(self, operator, new_job):
        job = new_job("SUCCEEDED")
        chosen = [str(job.pk), "abc"]
        form = {"action": "refund", "_selected_action": chosen}
        answer = operator.post(LIST, form, follow=True)
        assert said(answer) == ["The selection is invalid: nothing was done. Select again."]
        assert not Entry.objects.filter(kind="refund").exists()


class TestDatabaseUnavailable:
    @pytest.mark.parametrize("path", ["login/", "jobs/videojob/"])
    def test_pages_are_503_and_reload(self, support, path):
        def away(*arguments):
            raise OperationalError("the server closed the connection")

        with connection.execute_wrapper(away):
            answer = support.get(f"/admin/{path}")
            sent = support.post("/admin/login/", {"username": "sue", "password": "x"})
        for each in (answer, sent):
            assert (each.status_code, each["Retry-After"]) == (503, "5")
            assert "The database does not answer." in each.text
        assert "tries again every five seconds" in answer.text
        assert "check first" in sent.text


@pytest.mark.parametrize("path", ["r/1/1/", "r/x/y/"])
def test_admin_shortcut_is_404(support, path):
    assert support.get(f"/admin/{path}").status_code == 404
