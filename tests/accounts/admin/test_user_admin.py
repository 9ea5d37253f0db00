import pytest
from django.contrib.auth.models import Permission
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts import jwt
from accounts.models import User

OUTSTANDING = "/admin/token_blacklist/outstandingtoken/"
BLACKLISTED = "/admin/token_blacklist/blacklistedtoken/"


class TestUserAdmin:
    def add(self, boss, **fields):
        form = {"usable_password": "true"} | dict.fromkeys(["password1", "password2"], "gr8 ships!")
        return boss.post("/admin/accounts/user/add/", form | fields)

    def test_superuser_adds_a_user(self, boss):
        assert self.add(boss, username="carol", email="carol@example.com").status_code == 302
        carol = User.objects.get(username="carol")
        assert carol.email == "carol@example.com"
        assert carol.check_password("gr8 ships!")
        assert boss.get(f"/admin/accounts/user/{carol.pk}/change/").status_code == 200

    def test_users_without_address_can_be_added(self, boss):
        assert self.add(boss, username="carol").status_code == 302
        assert self.add(boss, username="dave").status_code == 302

    @pytest.mark.parametrize(
        ("taken", "sentence"),
        [
            ({"username": "ALICE"}, "username already exists"),
            ({"username": "x", "email": "ALICE@example.com"}, "e-mail address already exists"),
        ],
    )
    def test_taken_name_or_address_is_refused(self, boss, alice, taken, sentence):
        page = self.add(boss, **taken)
        assert page.status_code == 200
        assert sentence in page.content.decode()

    def test_superuser_changes_a_user(self, boss, alice):
        address = f"/admin/accounts/user/{alice.pk}/change/"
        page = boss.get(address).content.decode()
        assert str(alice.pk) in page
        form = {"username": "alice", "email": "new@example.com"}
        assert boss.post(address, form).status_code == 302
        alice.refresh_from_db()
        assert alice.email == "new@example.com"
        assert alice.is_active  # which the form cannot change

    @pytest.mark.parametrize("by", ["username", "email", "pk"])
    def test_search_finds_by_name_address_and_id(self, boss, alice, bob, by):
        answer = boss.get("/admin/accounts/user/", {"q": getattr(alice, by)})
        assert answer.url.startswith(f"/admin/accounts/user/{alice.pk}/change/?")  # the only result

    def test_user_with_refresh_tokens_can_be_deleted(self, boss, carol):
        jwt.rotate(refresh=jwt.issue(user=carol).refresh)
        address = f"/admin/accounts/user/{carol.pk}/delete/"
        assert "ey" + "J" not in boss.get(address).content.decode()
        assert boss.post(address, {"post": "yes"}).status_code == 302
        assert not User.objects.filter(pk=carol.pk).exists()


class TestRefreshTokens:
    @pytest.fixture
    def spent(self, alice):
        """Alice's spent token; her new one is outstanding."""
        pair = jwt.issue(user=alice)
        jwt.rotate(refresh=pair.refresh)
        return BlacklistedToken.objects.get()

    def test_no_page_shows_a_refresh_token(self, boss, spent, alice):
        pages = [
            *(OUTSTANDING, BLACKLISTED, "/admin/", "/admin/token_blacklist/"),
            f"{OUTSTANDING}?q=alice",
            f"{BLACKLISTED}?q=alice",
            f"{OUTSTANDING}{spent.token.pk}/change/",
            f"{OUTSTANDING}{spent.token.pk}/history/",
            f"{BLACKLISTED}{spent.pk}/change/",
            f"/admin/accounts/user/{alice.pk}/change/",
        ]
        for page in pages:
            answer = boss.get(page, follow=True)
            assert answer.status_code == 200, page
            assert "eyJ" not in answer.content.decode(), page

    def test_lists_show_users_and_token_ids(self, boss, spent):
        for page in (OUTSTANDING, BLACKLISTED):
            text = boss.get(page).content.decode()
            assert "alice" in text
            assert spent.token.jti in text

    @pytest.mark.parametrize("lookup", ["token", "token__startswith", "token__contains"])
    def test_filter_by_token_text_is_refused(self, boss, spent, lookup):
        for table, name in (
            (OUTSTANDING, lookup),
            (BLACKLISTED, f"token__{lookup}"),
            ("/admin/accounts/user/", f"outstandingtoken__{lookup}"),
        ):
            assert boss.get(table, {name: "eyJ"}).headers["Location"] == f"{table}?e=1"

    def test_superuser_cannot_add_change_or_delete_tokens(self, boss, spent):
        for page, row in ((OUTSTANDING, spent.token.pk), (BLACKLISTED, spent.pk)):
            assert boss.get(f"{page}add/").status_code == 403
            assert boss.post(f"{page}{row}/change/", {"jti": "x"}).status_code == 403
            assert boss.post(f"{page}{row}/delete/", {"post": "yes"}).status_code == 403
        assert OutstandingToken.objects.count() == 2

    def test_staff_without_permission_see_no_tokens(self, alice, spent, browser_of):
        alice.is_staff = True
        alice.save()
        browser = browser_of(alice)
        assert browser.get(OUTSTANDING).status_code == 403
        alice.user_permissions.add(Permission.objects.get(codename="view_outstandingtoken"))
        assert browser.get(OUTSTANDING).status_code == 200
