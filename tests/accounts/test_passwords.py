"""Change of a password, and reset of a lost one by mail."""

import re
import time
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone

from accounts import api_keys, passwords
from tests.api import PASSWORD, Client, assert_fault, assert_problem, by

NEW = "deep water under the keel"
PAGE = "/account/password"


@pytest.fixture
def change(client):
    def change(current=PASSWORD, new=NEW, client=client):
        body = {"currentPassword": current, "newPassword": new}
        return client.post("/api/v1/auth/password", body, format="json")

    return change


@pytest.fixture
def key(alice):
    return api_keys.create(user=alice, name="Renderer", now=timezone.now())[1]


class TestChange:
    def test_new_tokens_work_and_earlier_ones_stop(self, change, post, me, pair):
        answer = change()
        assert answer.status_code == 200
        assert list(answer.json()) == ["access", "refresh"]
        assert me(answer.json()["access"]).status_code == 200
        assert_problem(me(pair.access), 401, "password_changed")
        assert post("token/refresh", refresh=pair.refresh).status_code == 401
        assert post("token/refresh", refresh=answer.json()["refresh"]).status_code == 200

    def test_only_the_new_password_logs_in(self, change, post):
        change()
        assert post("token", username="alice", password=PASSWORD).status_code == 401
        assert post("token", username="alice", password=NEW).status_code == 200

    def test_keys_stay(self, change, key):
        change()
        assert by(key).get("/api/v1/auth/me").status_code == 200

    def test_wrong_password_is_refused(self, change, post):
        body = assert_fault(change(current="wrong"), field="currentPassword")
        assert body["errors"][0]["code"] == "wrong_password"
        assert post("token", username="alice", password=PASSWORD).status_code == 200

    @pytest.mark.parametrize("new", ["short", "12345678901", "alice@example.com", "password"])
    def test_weak_password_is_refused(self, change, new):
        assert_fault(change(new=new), field="newPassword")

    def test_wrong_passwords_count_as_failed_logins(self, change, post):
        for _ in range(6):
            assert change(current="wrong").status_code == 400
        for _ in range(4):
            assert post("token", username="alice", password="wrong").status_code == 401
        assert_problem(change(), 429, "throttled")
        assert post("token", username="alice", password=PASSWORD).status_code == 429

    def test_right_passwords_do_not_count(self, change, client, rates):
        rates(login_name="2/min")
        for _ in range(2):
            assert_fault(change(new="short"), field="newPassword")
        access = change().json()["access"]
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
        assert change(current=NEW, new=PASSWORD).status_code == 200

    def test_second_of_two_changes_with_one_password_is_refused(self, alice):
        passwords.change(user=alice, current=PASSWORD, new=NEW)
        stale = type(alice).objects.get(pk=alice.pk)
        stale.set_password(PASSWORD)  # as read before the first change
        with pytest.raises(passwords.WrongPassword):
            passwords.change(user=stale, current=PASSWORD, new="another good password")

    def test_key_changes_no_password(self, change, key):
        assert_problem(change(client=by(key)), 403, "session_required")


@pytest.fixture
def mails(settings):
    """`mails()`: all mails, once those that wait are sent."""
    settings.EMAIL_URL = "memory://"

    def sent():
        passwords.mailer.submit(int).result(timeout=20)
        return mail.outbox

    return sent


@pytest.fixture
def token(post, mails, alice):
    """The token of a link that Alice got."""
    assert post("password/reset", email="Alice@example.com").status_code == 204
    [link] = re.findall(r"http\S+", mails()[-1].body)
    assert urlsplit(link).path == PAGE
    return parse_qs(urlsplit(link).query)["token"][0]


class Slow(EmailBackend):
    def send_messages(self, messages):
        time.sleep(1.5)
        return super().send_messages(messages)


class Broken(EmailBackend):
    def send_messages(self, messages):
        raise ConnectionRefusedError("no mail server")


class TestRequestReset:
    def test_link_has_the_public_url(self, post, mails, alice, settings):
        settings.PUBLIC_URL = "https://studio.example.com/"
        post("password/reset", email="alice@example.com")
        [link] = re.findall(r"http\S+", mails()[-1].body)
        assert link.startswith(f"https://studio.example.com{PAGE}?token=")

    def test_mail_goes_to_the_user_with_this_address_only(self, post, mails, alice, bob):
        post("password/reset", email="ALICE@example.com")
        [message] = mails()
        assert message.to == ["alice@example.com"]
        assert "Hello alice," in message.body
        assert "http://testserver/account/password?token=" in message.body

    def test_answer_is_the_same_for_unknown_addresses(self, post, mails, alice):
        known = post("password/reset", email="alice@example.com")
        unknown = post("password/reset", email="nobody@example.com")
        assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
        assert len(mails()) == 1

    @pytest.mark.alone
    def test_slow_mail_server_does_not_tell_a_known_address(self, post, mails, alice, settings):
        settings.EMAIL_BACKEND = f"{__name__}.Slow"
        began = time.monotonic()
        assert post("password/reset", email="alice@example.com").status_code == 204
        assert time.monotonic() - began < 1
        assert len(mails()) == 1

    def test_failing_mail_server_is_logged_only(self, post, mails, alice, settings, lines):
        settings.EMAIL_BACKEND = f"{__name__}.Broken"
        assert post("password/reset", email="alice@example.com").status_code == 204
        mails()
        assert "the mail server did not accept a mail" in [each["message"] for each in lines()]

    def test_one_mail_a_minute_goes_to_an_address(self, post, mails, alice):
        for _ in range(3):
            assert post("password/reset", email="alice@example.com").status_code == 204
        assert len(mails()) == 1
        cache.clear()
        post("password/reset", email="alice@example.com")
        assert len(mails()) == 2

    def test_deactivated_user_gets_no_mail(self, post, mails, alice):
        alice.is_active = False
        alice.save()
        assert post("password/reset", email="alice@example.com").status_code == 204
        assert mails() == []

    def test_invalid_address_is_refused(self, post, mails):
        assert_fault(post("password/reset", email="nonsense"), field="email")

    def test_requests_are_throttled_by_address(self, post, mails, rates):
        rates(auth="2/min")
        answers = [post("password/reset", email=f"{n}@example.com") for n in range(3)]
        assert [answer.status_code for answer in answers] == [204, 204, 429]

    def test_all_of_it_is_404_without_a_mail_server(self, post, anonymous):
        assert_problem(post("password/reset", email="alice@example.com"), 404, "not_found")
        answer = post("password/reset/confirm", token="x", newPassword=NEW)
        assert_problem(answer, 404, "not_found")
        assert anonymous.get(PAGE).status_code == 404


def spoiled(token):
    return [token[:-1] + ("a" if token[-1] != "a" else "b"), "", "x", f"{token}\x00", f"é.{token}",
            "550e8400e29b41d4a716446655440000." + token.partition(".")[2]]  # fmt: skip


class TestReset:
    def test_link_sets_the_password_once(self, post, token):
        assert post("password/reset/confirm", token=token, newPassword=NEW).status_code == 204
        assert post("token", username="alice", password=NEW).status_code == 200
        answer = post("password/reset/confirm", token=token, newPassword=NEW + "!")
        assert assert_fault(answer, field="token")["errors"][0]["code"] == "invalid_link"

    def test_tokens_stop_and_keys_stay(self, post, token, pair, me, key):
        assert me(pair.access).status_code == 200
        post("password/reset/confirm", token=token, newPassword=NEW)
        assert me(pair.access).status_code == 401
        assert by(key).get("/api/v1/auth/me").status_code == 200

    def test_link_works_for_an_hour(self, post, token, monkeypatch):
        from django.contrib.auth.tokens import PasswordResetTokenGenerator

        now = PasswordResetTokenGenerator()._now()
        monkeypatch.setattr(
            PasswordResetTokenGenerator, "_now", lambda self: now + timedelta(minutes=61)
        )
        answer = post("password/reset/confirm", token=token, newPassword=NEW)
        assert_fault(answer, field="token")

    def test_other_links_are_refused(self, post, token, bob, rates):
        rates(auth="100/min")
        for other in [*spoiled(token), f"{bob.pk.hex}.{token.partition('.')[2]}"]:
            answer = post("password/reset/confirm", token=other, newPassword=NEW)
            assert_fault(answer, field="token")

    def test_weak_password_is_refused_and_the_link_kept(self, post, token):
        answer = post("password/reset/confirm", token=token, newPassword="alice@example.com")
        assert_fault(answer, field="newPassword")
        assert post("password/reset/confirm", token=token, newPassword=NEW).status_code == 204


class TestPage:
    """Without JavaScript: a form, its errors, and the end."""

    @pytest.fixture
    def browser(self):
        return Client(raise_request_exception=False, enforce_csrf_checks=True)

    @pytest.fixture
    def send(self, browser):
        """Fills in the form of the page and sends it."""

        def send(token, new):
            text = browser.get(PAGE, {"token": token}).text
            fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text))
            assert 'name="new_password"' in text
            return browser.post(PAGE, fields | {"new_password": new})

        return send

    def test_form_sets_the_password_once(self, browser, send, token, post):
        assert "Your new password is set" in send(token, NEW).text
        assert post("token", username="alice", password=NEW).status_code == 200
        answer = browser.get(PAGE, {"token": token})
        assert answer.status_code == 400
        assert "This link is no longer valid" in answer.text

    def test_opening_the_link_uses_it_up_never(self, browser, token):
        for _ in range(3):
            answer = browser.get(PAGE, {"token": token})
            assert answer.status_code == 200
        assert "no-store" in answer["Cache-Control"]
        assert answer["Referrer-Policy"] == "same-origin"

    def test_weak_password_is_explained(self, send, token):
        answer = send(token, "12345678")
        assert answer.status_code == 400
        assert "entirely numeric" in answer.text
        assert "Your new password is set" in send(token, NEW).text

    def test_token_is_not_logged(self, browser, token, lines):
        browser.get(PAGE, {"token": token})
        assert token.partition(".")[2] not in str(lines())

    @pytest.mark.parametrize("token", ["", "x", "<script>", "a\x00b", "x" * 5000])
    def test_wrong_link_is_a_page(self, browser, mails, db, token):
        answer = browser.get(PAGE, {"token": token})
        assert answer.status_code == 400
        assert "This link is no longer valid" in answer.text
        assert "<script>" not in answer.text.partition("<main")[2]
