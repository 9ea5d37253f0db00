"""The staff's login: locked after failures, by name and by address; with a second step."""

import time
from datetime import timedelta
from io import StringIO

import pytest
from axes.models import AccessAttempt
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework.settings import api_settings

from accounts import two_factor
from accounts.lockout import address
from accounts.models import User
from tests.api import PASSWORD

LOGIN = "/admin/login/"


@pytest.fixture
def sue(member):
    return member("Support", "sue")


def log_in(name="sue", password=PASSWORD, browser=None, **more):
    """The answer, and the browser that it was sent to."""
    browser = browser or Client()
    headers = {f"HTTP_{key}" if key != "REMOTE_ADDR" else key: value for key, value in more.items()}
    otp = headers.pop("HTTP_otp", None)
    form = {"username": name, "password": password, "next": "/admin/"}
    answer = browser.post(LOGIN, form | ({"otp_token": otp} if otp else {}), **headers)
    return answer, browser


def is_in(answer):
    return answer.status_code == 302


class TestLockout:
    def fail(self, times, name="sue", **more):
        answers = [log_in(name, "wrong", **more)[0] for _ in range(times)]
        return answers[-1]

    def test_comes_after_five_failures(self, sue):
        assert self.fail(4).status_code == 200
        locked = self.fail(1)
        assert locked.status_code == 429
        assert "Too many failed logins" in locked.content.decode()
        assert "15 min" in locked.content.decode()

    def test_keeps_out_the_right_password_too(self, sue):
        self.fail(5)
        assert log_in()[0].status_code == 429

    def test_is_by_name_from_wherever(self, sue):
        for n in range(5):
            self.fail(1, REMOTE_ADDR=f"10.0.0.{n}")
        assert log_in(REMOTE_ADDR="10.0.0.99")[0].status_code == 429

    def test_is_by_address_whatever_the_name(self, sue):
        for n in range(49):
            self.fail(1, name=f"name{n}", REMOTE_ADDR="10.0.0.1")
        assert self.fail(1, name="name49", REMOTE_ADDR="10.0.0.1").status_code == 429
        assert log_in(REMOTE_ADDR="10.0.0.1")[0].status_code == 429
        assert is_in(log_in(REMOTE_ADDR="10.0.0.2")[0])

    def test_leaves_those_in_who_share_a_strangers_address(self, sue):
        """As all clients do behind a proxy that TRUSTED_PROXIES leaves out."""
        for name in ("olga", "root", "admin"):
            assert self.fail(6, name=name).status_code == 429
        assert is_in(log_in()[0])

    def test_of_a_name_is_not_lifted_by_another_at_the_same_address(self, sue, member):
        member("Support", "tom")
        self.fail(5, name="tom")
        assert is_in(log_in()[0])
        assert log_in("tom")[0].status_code == 429

    def test_is_forgotten_after_a_success(self, sue):
        self.fail(4)
        assert is_in(log_in()[0])
        assert self.fail(4).status_code == 200

    def test_ends_by_itself_and_is_not_drawn_out_by_more_tries(self, sue):
        self.fail(8)
        AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
        assert is_in(log_in()[0])

    def test_can_be_lifted(self, sue):
        self.fail(5)
        call_command("axes_reset_username", "sue", stdout=StringIO())
        assert is_in(log_in()[0])

    def test_leaves_the_api_alone(self, sue, anonymous):
        credentials = {"username": "sue", "password": "wrong"}
        for _ in range(6):
            anonymous.post("/api/v1/auth/token", credentials, format="json")
        assert not AccessAttempt.objects.exists()
        assert is_in(log_in()[0])
        self.fail(5)
        answer = anonymous.post(
            "/api/v1/auth/token", credentials | {"password": PASSWORD}, format="json"
        )
        assert answer.status_code == 200

    def test_writes_no_password_down(self, sue):
        self.fail(1)
        assert "wrong" not in str(AccessAttempt.objects.values().get())

    @pytest.mark.parametrize("length", [150, 255, 256, 5000])
    def test_comes_for_a_name_of_any_length(self, sue, length):
        assert self.fail(4, name="x" * length).status_code == 200
        assert self.fail(1, name="x" * length).status_code == 429

    @pytest.mark.parametrize("name", ["", "x" * 5000, "a\x00b", "' OR 1=1 --", "ünï", "\U0001f600"])
    def test_bears_nonsense(self, sue, name):
        assert log_in(name, "wrong")[0].status_code == 200

    def test_is_shown_to_superusers_read_only(self, sue, boss):
        self.fail(5)
        row = AccessAttempt.objects.get()
        page = f"/admin/axes/accessattempt/{row.pk}"
        assert "sue" in boss.get("/admin/axes/accessattempt/").text
        assert boss.post(f"{page}/delete/", {"post": "yes"}).status_code == 403


class TestAddress:
    @pytest.mark.parametrize(("proxies", "forwarded", "seen"), [
        (0, "6.6.6.6", "10.0.0.1"),
        (1, None, "10.0.0.1"),
        (1, "6.6.6.6", "6.6.6.6"),
        (1, "1.1.1.1, 6.6.6.6", "6.6.6.6"),
        (2, "1.1.1.1, 6.6.6.6, 7.7.7.7", "6.6.6.6"),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "nonsense", None),
        (1, "", None),
    ])  # fmt: skip
    def test_is_the_one_that_the_proxies_vouch_for(self, rf, monkeypatch, proxies, forwarded, seen):
        monkeypatch.setattr(api_settings, "NUM_PROXIES", proxies)
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        assert address(rf.get("/", REMOTE_ADDR="10.0.0.1", headers=headers)) == seen

    def test_cannot_be_chosen_by_the_client(self, sue, monkeypatch):
        monkeypatch.setattr(api_settings, "NUM_PROXIES", 1)
        for n in range(50):
            log_in(f"name{n}", "wrong", X_FORWARDED_FOR=f"1.1.1.{n}, 6.6.6.6")
        assert log_in(X_FORWARDED_FOR="9.9.9.9, 6.6.6.6")[0].status_code == 429
        assert is_in(log_in(X_FORWARDED_FOR="6.6.6.6, 8.8.8.8")[0])


class TestSecondStep:
    @pytest.fixture(autouse=True)
    def required(self, settings):
        settings.ADMIN_OTP_REQUIRED = True

    def code(self, user, later=0):
        device = TOTPDevice.objects.get(user=user)
        totp = TOTP(device.bin_key, device.step, device.t0, device.digits)
        totp.time = time.time() + later
        return f"{totp.token():06}"

    def test_lets_in_with_the_code(self, sue):
        two_factor.new_device(user=sue)
        answer, browser = log_in(otp=self.code(sue))
        assert is_in(answer)
        assert browser.get("/admin/jobs/videojob/").status_code == 200

    def test_keeps_out_without_a_code(self, sue):
        two_factor.new_device(user=sue)
        answer, browser = log_in()
        assert "Please enter the code that your phone shows." in answer.content.decode()
        assert browser.get("/admin/").status_code == 302

    @pytest.mark.parametrize("code", ["000000", "nonsense", "1" * 500])
    def test_keeps_out_with_a_wrong_code(self, sue, code):
        two_factor.new_device(user=sue)
        answer, browser = log_in(otp=code)
        assert "That code is wrong" in answer.content.decode()
        assert PASSWORD not in answer.content.decode()
        assert browser.get("/admin/").status_code == 302

    def test_takes_no_code_twice(self, sue):
        two_factor.new_device(user=sue)
        code = self.code(sue)
        assert is_in(log_in(otp=code)[0])
        assert not is_in(log_in(otp=code)[0])

    def test_slows_down_guessing(self, sue):
        two_factor.new_device(user=sue)
        for _ in range(2):
            log_in(otp="000000")
        answer, _ = log_in(otp=self.code(sue))
        assert "temporarily disabled" in answer.content.decode()

    def test_keeps_out_who_has_no_phone(self, sue):
        answer, browser = log_in(otp="123456")
        assert "No phone is registered for you" in answer.content.decode()
        assert browser.get("/admin/").status_code == 302

    def test_is_asked_of_who_was_in_before(self, sue, settings):
        settings.ADMIN_OTP_REQUIRED = False
        _, browser = log_in()
        assert browser.get("/admin/").status_code == 200
        settings.ADMIN_OTP_REQUIRED = True
        for page in ("/admin/", "/admin/jobs/videojob/", "/admin/overview/"):
            assert browser.get(page).status_code == 302
        assert "code of your phone" in browser.get(LOGIN).content.decode()

    def test_of_another_does_not_do(self, sue, member):
        two_factor.new_device(user=sue)
        two_factor.new_device(user=member("Support", "tom"))
        assert not is_in(log_in(otp=self.code(User.objects.get(username="tom")))[0])


class TestCommand:
    def test_registers_a_phone(self, sue):
        said = StringIO()
        call_command("otp_device", "SUE", stdout=said)
        assert "otpauth://totp/Video%20Studio" in said.getvalue()
        assert "▄" in said.getvalue()
        code = said.getvalue().partition("phone:\n")[2].partition("or type")[0].strip("\n")
        assert all(code.split("\n"))  # a scanner needs its rows one under the other
        assert TOTPDevice.objects.get(user=sue).confirmed

    def test_takes_the_place_of_an_older_one(self, sue):
        first = two_factor.new_device(user=sue)
        call_command("otp_device", "sue", stdout=StringIO())
        assert TOTPDevice.objects.get(user=sue).key != first.key

    def test_knows_who_is_there(self, db):
        with pytest.raises(CommandError, match="There is no user 'ghost'"):
            call_command("otp_device", "ghost")


class TestSession:
    @pytest.mark.parametrize(
        "evil", ["https://evil.example/", "//evil.example", "javascript:x", ""]
    )
    def test_begins_at_the_overview_where_the_way_on_is_not_ours(self, sue, evil):
        form = {"username": "sue", "password": PASSWORD, "next": evil}
        assert Client().post(LOGIN, form)["Location"] == "/admin/"

    def test_needs_the_token_of_the_form(self, sue):
        browser = Client(enforce_csrf_checks=True)
        answer, _ = log_in(browser=browser)
        assert answer.status_code == 403

    def test_is_over_after_a_day_at_work(self, sue):
        _, browser = log_in()
        assert browser.cookies["sessionid"]["max-age"] == 12 * 3600
        assert browser.cookies["sessionid"]["httponly"]
