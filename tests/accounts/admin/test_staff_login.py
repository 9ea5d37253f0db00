"""The staff's login: locked after failures, by name and by address; with a second step."""

import time
from datetime import timedelta
from io import StringIO

import pytest
from axes.models import AccessAttempt, AccessLog
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework.settings import api_settings

from accounts import two_factor
from accounts.lockout import address
from accounts.models import User
from jobs.worker import cleanup
from tests.api import PASSWORD

pytestmark = pytest.mark.slow

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

    def test_fifth_failure_locks_the_login(self, sue):
        assert self.fail(4).status_code == 200
        locked = self.fail(1)
        assert locked.status_code == 429
        assert "Too many failed logins" in locked.content.decode()
        assert "15 min" in locked.content.decode()
        assert log_in()[0].status_code == 429

    def test_name_is_locked_only_at_the_address_of_the_failures(self, sue):
        assert self.fail(5, REMOTE_ADDR="10.0.0.1").status_code == 429
        assert log_in(REMOTE_ADDR="10.0.0.1")[0].status_code == 429
        assert is_in(log_in(REMOTE_ADDR="10.0.0.99")[0])

    def spread(self, failures):
        """So many failures of Sue's name, each at another address."""
        now = timezone.now()
        AccessAttempt.objects.bulk_create(
            AccessAttempt(
                username="sue",
                ip_address=f"10.1.{n // 250}.{n % 250}",
                attempt_time=now,
                failures_since_start=1,
            )
            for n in range(failures)
        )

    def test_name_is_locked_everywhere_far_beyond_the_limit(self, sue):
        self.spread(199)
        assert is_in(log_in(REMOTE_ADDR="10.0.0.99")[0])
        self.fail(1, REMOTE_ADDR="10.2.0.1")
        assert log_in(REMOTE_ADDR="10.0.0.98")[0].status_code == 429

    def test_name_is_never_locked_where_its_user_has_logged_in_lately(self, sue):
        assert is_in(log_in(REMOTE_ADDR="10.0.0.99")[0])
        self.spread(2_000)
        assert is_in(log_in(REMOTE_ADDR="10.0.0.99")[0])
        assert log_in(REMOTE_ADDR="10.0.0.98")[0].status_code == 429
        AccessLog.objects.update(attempt_time=timezone.now() - timedelta(days=31))
        assert log_in(REMOTE_ADDR="10.0.0.99")[0].status_code == 429

    def test_login_of_another_user_makes_no_address_known(self, sue, member):
        member("Support", "tom")
        assert is_in(log_in("tom", REMOTE_ADDR="10.0.0.99")[0])
        self.spread(2_000)
        assert log_in(REMOTE_ADDR="10.0.0.99")[0].status_code == 429

    def test_known_address_is_locked_by_its_own_failures(self, sue):
        assert is_in(log_in()[0])
        assert self.fail(5).status_code == 429

    def test_old_logins_are_deleted(self, sue):
        log_in()
        log_in()
        first = AccessLog.objects.earliest("id")
        AccessLog.objects.filter(pk=first.pk).update(
            attempt_time=timezone.now() - timedelta(days=31)
        )
        cleanup.purge_expired(now=timezone.now())
        assert AccessLog.objects.count() == 1

    def test_address_is_locked_after_ten_times_the_failures(self, sue, settings):
        settings.AXES_FAILURE_LIMIT = 1
        for n in range(9):
            self.fail(1, name=f"name{n}", REMOTE_ADDR="10.0.0.1")
        assert self.fail(1, name="name9", REMOTE_ADDR="10.0.0.1").status_code == 429
        assert log_in(REMOTE_ADDR="10.0.0.1")[0].status_code == 429
        assert is_in(log_in(REMOTE_ADDR="10.0.0.2")[0])

    def test_others_at_the_same_address_can_log_in(self, sue):
        """As all clients do behind a proxy that TRUSTED_PROXIES does not count."""
        assert self.fail(6, name="olga").status_code == 429
        assert is_in(log_in()[0])

    def test_success_of_another_name_does_not_unlock(self, sue, member):
        member("Support", "tom")
        self.fail(5, name="tom")
        assert is_in(log_in()[0])
        assert log_in("tom")[0].status_code == 429

    def test_success_resets_the_failures(self, sue):
        self.fail(4)
        assert is_in(log_in()[0])
        assert self.fail(4).status_code == 200

    def test_lockout_ends_after_15_minutes_despite_more_tries(self, sue):
        self.fail(8)
        AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
        assert is_in(log_in()[0])

    def test_command_lifts_the_lockout(self, sue):
        self.fail(5)
        call_command("axes_reset_username", "sue", stdout=StringIO())
        assert is_in(log_in()[0])

    def test_api_logins_and_lockouts_are_independent(self, sue, anonymous):
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

    def test_password_is_not_stored_with_the_failure(self, sue):
        self.fail(1)
        assert "wrong" not in str(AccessAttempt.objects.values().get())

    @pytest.mark.parametrize("length", [255, 5000])
    def test_long_name_is_locked_too(self, sue, length):
        assert self.fail(4, name="x" * length).status_code == 200
        assert self.fail(1, name="x" * length).status_code == 429

    @pytest.mark.parametrize("name", ["", "x" * 5000, "a\x00b", "\U0001f600"])
    def test_odd_name_is_answered(self, sue, name):
        assert log_in(name, "wrong")[0].status_code == 200

    def test_superusers_see_but_cannot_delete_failures(self, sue, boss):
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
        (1, "2001:db8::1", "2001:db8::"),
        (1, "1.2.3.4:5678", "1.2.3.4"),
        (1, "nonsense", None),
        (1, "", None),
    ])  # fmt: skip
    def test_address_comes_from_trusted_proxies(self, rf, monkeypatch, proxies, forwarded, seen):
        monkeypatch.setattr(api_settings, "NUM_PROXIES", proxies)
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        assert address(rf.get("/", REMOTE_ADDR="10.0.0.1", headers=headers)) == seen


class TestSecondStep:
    @pytest.fixture(autouse=True)
    def required(self, settings):
        settings.ADMIN_OTP_REQUIRED = True

    def code(self, user, later=0):
        device = TOTPDevice.objects.get(user=user)
        totp = TOTP(device.bin_key, device.step, device.t0, device.digits)
        totp.time = time.time() + later
        return f"{totp.token():06}"

    def test_right_code_logs_in(self, sue):
        two_factor.new_device(user=sue)
        answer, browser = log_in(otp=self.code(sue))
        assert is_in(answer)
        assert browser.get("/admin/jobs/videojob/").status_code == 200

    def test_missing_code_is_refused(self, sue):
        two_factor.new_device(user=sue)
        answer, browser = log_in()
        assert "Please enter the code that your phone shows." in answer.content.decode()
        assert browser.get("/admin/").status_code == 302

    @pytest.mark.parametrize("code", ["000000", "1" * 500])
    def test_wrong_code_is_refused(self, sue, code):
        two_factor.new_device(user=sue)
        answer, browser = log_in(otp=code)
        assert "That code is wrong" in answer.content.decode()
        assert PASSWORD not in answer.content.decode()
        assert browser.get("/admin/").status_code == 302

    def test_wrong_codes_are_logged_and_lock_the_login(self, sue, lines):
        two_factor.new_device(user=sue)
        answers = []
        for _ in range(5):
            answers.append(log_in(otp="000000")[0].status_code)
            TOTPDevice.objects.update(throttling_failure_count=0)  # as if a pause had passed
        assert answers == [200] * 4 + [429]
        assert log_in(otp=self.code(sue))[0].status_code == 429
        said = [line for line in lines() if "second login step" in line["message"]]
        assert [line["user"] for line in said] == [str(sue.pk)] * 5

    def test_missing_code_is_no_failure(self, sue):
        two_factor.new_device(user=sue)
        for _ in range(6):
            assert log_in()[0].status_code == 200
        assert is_in(log_in(otp=self.code(sue))[0])

    def test_used_code_is_refused(self, sue):
        two_factor.new_device(user=sue)
        code = self.code(sue)
        assert is_in(log_in(otp=code)[0])
        assert not is_in(log_in(otp=code)[0])

    def test_repeated_guesses_are_slowed_down(self, sue):
        two_factor.new_device(user=sue)
        for _ in range(2):
            log_in(otp="000000")
        answer, _ = log_in(otp=self.code(sue))
        assert "temporarily disabled" in answer.content.decode()

    def test_user_without_phone_is_refused(self, sue):
        answer, browser = log_in(otp="123456")
        assert "No phone is registered for you" in answer.content.decode()
        assert browser.get("/admin/").status_code == 302

    def test_session_from_before_needs_a_code(self, sue, settings):
        settings.ADMIN_OTP_REQUIRED = False
        _, browser = log_in()
        assert browser.get("/admin/").status_code == 200
        settings.ADMIN_OTP_REQUIRED = True
        for page in ("/admin/", "/admin/jobs/videojob/", "/admin/overview/"):
            assert browser.get(page).status_code == 302
        assert "the code from your phone too" in browser.get(LOGIN).content.decode()

    def test_code_of_another_user_is_refused(self, sue, member):
        two_factor.new_device(user=sue)
        two_factor.new_device(user=member("Support", "tom"))
        assert not is_in(log_in(otp=self.code(User.objects.get(username="tom")))[0])


class TestCommand:
    def test_otp_device_shows_key_and_qr_code(self, sue):
        said = StringIO()
        call_command("otp_device", "SUE", stdout=said)
        assert "otpauth://totp/Video%20Studio" in said.getvalue()
        assert "▄" in said.getvalue()
        code = said.getvalue().partition("phone:\n")[2].partition("or enter")[0].strip("\n")
        assert all(code.split("\n"))  # a scanner needs its rows one under the other
        assert TOTPDevice.objects.get(user=sue).confirmed

    def test_new_phone_replaces_the_old_one(self, sue):
        first = two_factor.new_device(user=sue)
        call_command("otp_device", "sue", stdout=StringIO())
        assert TOTPDevice.objects.get(user=sue).key != first.key

    def test_unknown_user_is_refused(self, db):
        with pytest.raises(CommandError, match="There is no user 'ghost'"):
            call_command("otp_device", "ghost")


class TestSession:
    @pytest.mark.parametrize(
        "evil", ["https://evil.example/", "//evil.example", "javascript:x", ""]
    )
    def test_foreign_next_url_leads_to_the_overview(self, sue, evil):
        form = {"username": "sue", "password": PASSWORD, "next": evil}
        assert Client().post(LOGIN, form)["Location"] == "/admin/"

    def test_login_without_csrf_token_is_403(self, sue):
        browser = Client(enforce_csrf_checks=True)
        answer, _ = log_in(browser=browser)
        assert answer.status_code == 403

    def test_session_lasts_12_hours(self, sue):
        _, browser = log_in()
        assert browser.cookies["sessionid"]["max-age"] == 12 * 3600
        assert browser.cookies["sessionid"]["httponly"]
