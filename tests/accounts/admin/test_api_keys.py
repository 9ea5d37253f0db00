"""API keys in the admin: what staff see of them, and how they revoke them."""

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from accounts import api_keys
from accounts.models import ApiKey
from tests.api import by
from tests.staff_site import said

ME = "/api/v1/auth/me"
LIST = "/admin/accounts/apikey/"


@pytest.fixture
def new_key():
    """Makes a key of a user; returns its row and the key."""

    def create(user, name="Renderer"):
        return api_keys.create(user=user, name=name, now=timezone.now())

    return create


def user_page(user, action="change"):
    return f"/admin/accounts/user/{user.pk}/{action}/"


class TestPages:
    def test_list_and_user_page_show_prefix_name_scope_and_last_use(self, support, alice, new_key):
        row, key = new_key(alice)
        by(key).get(ME)
        row.refresh_from_db()
        for page in (LIST, user_page(alice), f"{LIST}{row.pk}/change/"):
            text = support.get(page).text
            for shown in (row.prefix, "Renderer", "ull", row.last_used_at.strftime("%H:%M")):
                assert shown in text, (page, shown)

    def test_no_page_shows_secret_or_hash(self, boss, alice, new_key):
        row, key = new_key(alice)
        pages = [LIST, f"{LIST}?q={key[13:]}", f"{LIST}{row.pk}/change/", user_page(alice)]
        for page in [*pages, f"{LIST}{row.pk}/history/", f"{LIST}{row.pk}/revoke/"]:
            text = boss.get(page).text.replace(f"?q={key[13:]}", "")
            assert row.sha256 not in text
            assert page == pages[1] or key[13:] not in text

    @pytest.mark.parametrize("lookup", ["sha256", "sha256__startswith", "prefix__gt"])
    def test_filter_by_hash_is_refused(self, boss, alice, new_key, lookup):
        new_key(alice)
        assert boss.get(LIST, {lookup: "a"}).headers["Location"] == f"{LIST}?e=1"

    @pytest.mark.parametrize("term", ["alice@example.com", "alice", "Renderer", "prefix"])
    def test_search_finds_by_user_name_and_prefix(self, support, alice, bob, new_key, term):
        row, _ = new_key(alice)
        new_key(bob, "Other")
        found = support.get(LIST, {"q": row.prefix if term == "prefix" else term})
        assert found["Location"].startswith(f"{LIST}{row.pk}/change/?")  # the only one

    def test_superuser_cannot_add_change_or_delete(self, boss, alice, new_key):
        row, _ = new_key(alice)
        for page in ("add", f"{row.pk}/change", f"{row.pk}/delete"):
            answer = boss.post(f"{LIST}{page}/", {"post": "yes", "name": "x"})
            assert answer.status_code == 403
        assert ApiKey.objects.get().name == "Renderer"


class TestRevoke:
    def test_key_stops_and_the_reason_is_in_the_log(self, support, alice, new_key):
        (row, key), (_, other) = new_key(alice), new_key(alice)
        page = f"{LIST}{row.pk}/revoke/"
        assert f"{row.prefix}</bdi> (Renderer, alice) stops working" in support.get(page).text
        answer = support.post(page, {"reason": "Seen on GitHub", "post": "yes"}, follow=True)
        assert said(answer) == [f"{row.prefix}: revoked."]
        assert by(key).get(ME).status_code == 401
        assert by(other).get(ME).status_code == 200
        entry = LogEntry.objects.get()
        assert entry.get_change_message() == "Revoke: revoked. Reason: Seen on GitHub"
        assert "Seen on GitHub" in support.get(user_page(alice)).text

    def test_revoked_key_is_skipped(self, support, alice, new_key):
        row, _ = new_key(alice)
        api_keys.revoke(keys=ApiKey.objects.all(), now=timezone.now())
        page = f"{LIST}{row.pk}/revoke/"
        assert "has been revoked already" in support.get(page).text
        answer = support.post(page, {"reason": "x", "post": "yes"}, follow=True)
        assert said(answer) == [f"{row.prefix}: has been revoked already."]
        assert f"/{row.pk}/revoke/" not in support.get(f"{LIST}{row.pk}/change/").text

    def test_reason_is_required(self, support, alice, new_key):
        row, key = new_key(alice)
        support.post(f"{LIST}{row.pk}/revoke/", {"reason": " ", "post": "yes"})
        assert by(key).get(ME).status_code == 200

    def test_selected_keys_are_revoked_from_the_list(self, support, alice, bob, new_key):
        rows = [new_key(alice)[0], new_key(bob)[0]]
        form = {"action": "revoke", "_selected_action": [str(row.pk) for row in rows]}
        support.post(LIST, form | {"index": "0", "post": "yes", "reason": "Leaked"})
        assert not ApiKey.objects.filter(revoked_at=None).exists()

    def test_all_keys_of_one_user_are_revoked(self, support, alice, bob, new_key):
        keys = [new_key(alice)[1] for _ in range(2)]
        _, other = new_key(bob)
        form = {"reason": "Laptop stolen", "post": "yes"}
        answer = support.post(user_page(alice, "revoke_keys"), form, follow=True)
        assert said(answer) == ["alice: 2 API keys revoked."]
        assert [by(key).get(ME).status_code for key in [*keys, other]] == [401, 401, 200]
        assert "Laptop stolen" in LogEntry.objects.get().get_change_message()
        answer = support.post(user_page(alice, "revoke_keys"), form, follow=True)
        assert said(answer) == ["alice: has no API keys that could be revoked."]

    def test_finance_sees_keys_and_revokes_none(self, finance, alice, new_key):
        row, key = new_key(alice)
        assert row.prefix in finance.get(LIST).text
        for page in (f"{LIST}{row.pk}/revoke/", user_page(alice, "revoke_keys")):
            assert finance.post(page, {"reason": "x", "post": "yes"}).status_code == 403
        assert by(key).get(ME).status_code == 200
