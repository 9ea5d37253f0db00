"""The ledger's admin is read-only, for superusers too."""

import pytest

from tokens_ledger import entry_admin, ledger
from tokens_ledger.models import Entry
from videostudio.core import formatting

LISTS = ["/admin/tokens_ledger/account/", "/admin/tokens_ledger/entry/"]


class TestAdmin:
    @pytest.mark.parametrize("page", LISTS)
    def test_list_shows_user_and_amount(self, boss, alice, page):
        ledger.grant(user=alice, amount=1234, note="")
        answer = boss.get(page, {"q": "ali"}, follow=True)
        assert answer.status_code == 200
        assert "alice" in answer.text
        assert "1234" in answer.text or "1,234" in answer.text

    def test_entry_is_found_by_reference_and_kind(self, boss, alice, charged):
        ledger.grant(user=alice, amount=1234, note="")
        charged(alice, "job-1")
        page = "/admin/tokens_ledger/entry/"
        found = boss.get(page, {"q": "job-1"}, follow=True)
        assert found.redirect_chain  # it is the only entry
        assert "job-1" in found.text
        assert "1 entry" in boss.get(page, {"kind__exact": "grant"}).text

    def test_entries_are_signed_summed_and_linked(self, boss, alice, bob, new_job):
        ledger.grant(user=alice, amount=1000, note="")
        ledger.grant(user=bob, amount=7, note="")
        job = new_job("FAILED")
        page = "/admin/tokens_ledger/entry/"

        def sums(**query):
            return dict(boss.get(page, query).context["sums"] or [])

        answer = boss.get(page)
        for shown in (">-50<", ">+50<", f"/admin/jobs/videojob/{job.pk}/change/", f"{alice.pk}"):
            assert shown in answer.text
        everything = {"Grant": "+1,007", "Charge": "-50", "Refund": "+50", "Adjustment": "0"}
        assert sums() == everything | {"Total": "+1,007"}
        assert sums(written="hour") == sums()
        assert sums(account=alice.pk)["Total"] == "+1,000"
        assert sums(account=alice.pk, written="day", q="ali")["Total"] == "+1,000"
        assert sums(kind__exact="charge") == {"Charge": "-50", "Total": "-50"}
        assert sums(written_to="2020-01-01T00:00")["Total"] == "0"
        assert "Choose a period" in boss.get(page, {"q": "ali"}).text

    def test_sums_are_those_of_the_listed_entries(self, boss, alice, bob, new_job):
        ledger.grant(user=alice, amount=1000, note="")
        ledger.grant(user=bob, amount=7, note="")
        new_job("FAILED")
        page = "/admin/tokens_ledger/entry/"
        for query in (
            *(f"account={alice.pk}", f"account__exact={alice.pk}", f"account__in={alice.pk}"),
            *(f"account={alice.pk}&account={bob.pk}", f"account={bob.pk}&written=day"),
            *("kind__in=grant,refund", "kind__exact=grant&kind__exact=refund", "kind=charge"),
            *(
                f"kind__in=grant&account={alice.pk}",
                "kind__in=grant&written=hour",
                "kind__isnull=1",
            ),
        ):
            answer = boss.get(f"{page}?{query}")
            listed = sum(entry.amount for entry in answer.context["cl"].result_list)
            assert dict(answer.context["sums"])["Total"] == formatting.signed(listed), query
        assert "Charge" not in dict(boss.get(f"{page}?kind__in=grant,refund").context["sums"])

    def test_sums_of_too_many_entries_are_not_made(self, boss, alice, monkeypatch):
        monkeypatch.setattr(entry_admin, "MOST", 2)
        for _ in range(3):
            ledger.grant(user=alice, amount=1, note="")
        for query in ({}, {"written": "hour"}, {"account__exact": alice.pk}):
            assert boss.get("/admin/tokens_ledger/entry/", query).context["sums"] is None

    def test_account_is_found_by_the_users_id(self, boss, alice, bob):
        ledger.grant(user=alice, amount=1234, note="")
        ledger.grant(user=bob, amount=77, note="")
        answer = boss.get("/admin/tokens_ledger/account/", {"q": str(alice.pk)}, follow=True)
        assert answer.redirect_chain  # it is the only account
        assert "1234" in answer.text

    @pytest.mark.parametrize("page", LISTS)
    def test_superuser_cannot_write(self, boss, alice, page):
        entry = ledger.grant(user=alice, amount=1234, note="")
        row = f"{page}{alice.pk if 'account' in page else entry.pk}/"
        assert boss.get(f"{page}add/").status_code == 403
        assert boss.get(f"{row}delete/").status_code == 403
        assert 'name="_save"' not in boss.get(f"{row}change/").text
        assert boss.post(f"{row}change/", {"balance": 9}).status_code == 403
        assert "delete_selected" not in boss.get(page).text
        assert ledger.balance(user=alice) == Entry.objects.get().balance_after == 1234

    @pytest.mark.parametrize("page", LISTS)
    def test_queries_do_not_grow_with_the_rows(
        self, boss, alice, bob, page, django_assert_num_queries
    ):
        for user in (alice, bob):
            ledger.grant(user=user, amount=5, note="", actor=alice)
        boss.get(page)
        sums = 3 if "entry" in page else 0
        with django_assert_num_queries(3 + sums):  # session, user, rows
            boss.get(page)
