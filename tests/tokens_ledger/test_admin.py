"""The ledger's admin is read-only, for superusers too."""

import pytest
from django.test import Client

from accounts.models import User
from tokens_ledger import ledger
from tokens_ledger.models import Entry

LISTS = ["/admin/tokens_ledger/account/", "/admin/tokens_ledger/entry/"]


@pytest.fixture
def staff(db):
    client = Client()
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    return client


class TestAdmin:
    @pytest.mark.parametrize("page", LISTS)
    def test_lists_what_there_is(self, staff, alice, page):
        ledger.grant(user=alice, amount=1234, note="")
        answer = staff.get(page, {"q": "ali"}, secure=True)
        assert answer.status_code == 200
        assert "alice" in answer.text
        assert "1234" in answer.text

    def test_finds_an_entry_by_reference_and_kind(self, staff, alice, charged):
        ledger.grant(user=alice, amount=1234, note="")
        charged(alice, "job-1")
        page = "/admin/tokens_ledger/entry/"
        assert "1 entry" in staff.get(page, {"q": "job-1"}, secure=True).text
        assert "1 entry" in staff.get(page, {"kind__exact": "grant"}, secure=True).text

    def test_finds_an_account_by_its_users_id(self, staff, alice, bob):
        ledger.grant(user=alice, amount=1234, note="")
        ledger.grant(user=bob, amount=77, note="")
        answer = staff.get("/admin/tokens_ledger/account/", {"q": str(alice.pk)}, secure=True)
        assert "1 account" in answer.text
        assert "1234" in answer.text

    @pytest.mark.parametrize("page", LISTS)
    def test_offers_no_way_to_write(self, staff, alice, page):
        entry = ledger.grant(user=alice, amount=1234, note="")
        row = f"{page}{alice.pk if 'account' in page else entry.pk}/"
        assert staff.get(f"{page}add/", secure=True).status_code == 403
        assert staff.get(f"{row}delete/", secure=True).status_code == 403
        assert 'name="_save"' not in staff.get(f"{row}change/", secure=True).text
        assert staff.post(f"{row}change/", {"balance": 9}, secure=True).status_code == 403
        assert "delete_selected" not in staff.get(page, secure=True).text
        assert ledger.balance(user=alice) == Entry.objects.get().balance_after == 1234

    @pytest.mark.parametrize("page", LISTS)
    def test_takes_as_many_queries_for_many_rows(
        self, staff, alice, bob, page, django_assert_num_queries
    ):
        for user in (alice, bob):
            ledger.grant(user=user, amount=5, note="", actor=alice)
        with django_assert_num_queries(3):  # session, user, rows
            staff.get(page, secure=True)
