"""A user's page: tokens, jobs, and the actions on the user."""

import re
import uuid
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from accounts.models import User, UserNote
from tests.api import JOBS, PASSWORD, TOKENS
from tests.staff_site import LIST, said
from tokens_ledger import ledger, reconciliation
from tokens_ledger.models import Entry


def page_of(user):
    return f"/admin/accounts/user/{user.pk}/change/"


def press(browser, action, user, amount=100, reason="A gift", once=None, **form):
    path = f"/admin/accounts/user/{user.pk}/{action}/"
    form |= {"amount": str(amount), "reason": reason, "once": str(once or uuid.uuid4())}
    return browser.post(path, form, follow=True)


class TestPage:
    def test_user_page_shows_balance_entries_and_jobs(self, support, alice, new_job):
        job = new_job("FAILED", prompt="An owl")
        text = support.get(page_of(alice)).text
        for shown in ("For tests", "An owl", "safety.output", f"{job.pk}/change/"):
            assert shown in text

    def test_figures_of_the_customer_are_of_all_time_and_linked(self, support, alice, new_job):
        new_job("FAILED")
        new_job("CANCELLED")
        reconciliation.run(now=timezone.now() + timedelta(hours=1))
        job = new_job("SUCCEEDED")
        facts = {fact.label: fact for fact in support.get(page_of(alice)).context["facts"]}
        last = facts.pop("Last order")
        assert last.url == f"{LIST}{job.pk}/change/"
        assert {label: fact.value for label, fact in facts.items()} == {
            "Balance": "950",
            "Total grants": "+1,000",
            "Total charges": "-150",
            "Total refunds": "+100",
            "Total adjustments": "0",
            "Jobs": "3",
            "SUCCEEDED": "1",
            "FAILED": "1",
            "CANCELLED": "1",
        }
        for label in ("SUCCEEDED", "Total charges"):
            rows = support.get(facts[label].url).context["cl"].result_count
            assert rows == {"SUCCEEDED": 1, "Total charges": 3}[label]

    def test_page_has_no_password_hash_and_no_dead_end(self, boss, alice, carol, new_job):
        new_job()
        text = boss.get(page_of(alice)).text
        assert "Set a password" in text
        for absent in ("pbkdf2", "argon2", "algorithm", "deletelink", 'name="is_active"'):
            assert absent not in text
        assert "deletelink" in boss.get(page_of(carol)).text


class TestNotes:
    def press(self, browser, user, text="Pays by invoice"):
        path = f"/admin/accounts/user/{user.pk}/note/"
        form = {"reason": text, "once": str(uuid.uuid4())}
        return browser.post(path, form, follow=True)

    def test_note_is_for_staff_alone(self, support, finance, client, alice):
        assert "the note was added" in said(self.press(support, alice))[0]
        for word in ("Pays by invoice", "support"):
            assert word in finance.get(page_of(alice)).text
        assert self.press(finance, alice).status_code == 403
        assert "invoice" not in client.get("/api/v1/auth/me").text

    def test_note_is_deleted_with_the_account(self, support, client, alice):
        self.press(support, alice)
        client.delete("/api/v1/auth/me", {"password": PASSWORD}, format="json")
        assert not UserNote.objects.exists()
        assert "invoice" not in str([*LogEntry.objects.values_list("change_message")])

    def test_links_lead_to_all_jobs_and_entries_of_the_user(self, support, alice, bob, new_job):
        for _ in range(10):
            mine = new_job("CANCELLED")
            new_job("CANCELLED", user=bob)
        text = support.get(page_of(alice)).text
        for name, table in (("jobs", "jobs/videojob"), ("entries", "tokens_ledger/entry")):
            link = re.search(rf'<a href="([^"]+)">All {name}</a>', text)
            assert link
            answer = support.get(link[1])
            assert answer.status_code == 200
            rows = answer.context["cl"].result_list
            assert len(rows) == answer.context["cl"].result_count >= 10
            assert {getattr(row, "user", None) or row.account.user for row in rows} == {alice}
            assert answer.request["PATH_INFO"] == f"/admin/{table}/"
        assert mine in support.get(LIST, {"user": alice.pk}).context["cl"].result_list


class TestGrant:
    def test_grant_adds_tokens_with_the_reason(self, finance, alice):
        assert said(press(finance, "grant", alice)) == ["alice: +100 tokens; the balance is 1,100."]
        entry = Entry.objects.latest("id")
        assert (entry.kind, entry.amount, entry.note) == ("grant", 100, "A gift")
        assert str(entry.actor) == "finance"
        assert "A gift" in LogEntry.objects.get(user=entry.actor).change_message

    @pytest.mark.parametrize(
        "amount",
        [
            *("0", "-5", "", "1.5", "1000000001", "9" * 5000, "١٠٠"),
            *("1_0", "10,000", "1 0", "nul \x00"),
        ],
    )
    def test_invalid_amount_is_refused(self, finance, alice, amount):
        page = press(finance, "grant", alice, amount=amount)
        assert page.context["form"].errors["amount"]
        assert ledger.balance(user=alice) == TOKENS

    @pytest.mark.parametrize(("amount", "shown"), [(1, "+1 token"), (20_000, "+20,000 tokens")])
    def test_message_has_a_singular_and_commas(self, finance, alice, amount, shown):
        [message] = said(press(finance, "grant", alice, amount=amount))
        assert message.startswith(f"alice: {shown}; the balance is ")

    @pytest.mark.parametrize("amount", ["+10", " 10 ", "010"])
    def test_number_with_spaces_plus_or_zeros_is_accepted(self, finance, alice, amount):
        press(finance, "grant", alice, amount=amount)
        assert ledger.balance(user=alice) == TOKENS + 10

    def test_reason_keeps_the_joiners_of_persian_and_emoji(self, finance, alice):
        press(finance, "grant", alice, reason="می\u200cشود \u202e👨\u200d👩\u200d👧")
        assert Entry.objects.latest("id").note == "می\u200cشود 👨\u200d👩\u200d👧"

    @pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
    def test_missing_or_long_reason_is_refused(self, finance, alice, reason):
        page = press(finance, "grant", alice, reason=reason)
        assert page.context["form"].errors["reason"]
        assert ledger.balance(user=alice) == TOKENS

    def test_form_sent_twice_grants_once(self, finance, alice):
        once = uuid.uuid4()
        press(finance, "grant", alice, once=once)
        assert said(press(finance, "grant", alice, once=once)) == [
            "This form was already sent: nothing was done a second time."
        ]
        assert ledger.balance(user=alice) == TOKENS + 100

    def test_corrected_form_is_accepted(self, finance, alice):
        page = press(finance, "adjust", alice, amount=-5000)
        assert page.context["form"].errors["amount"]
        again = page.context["form"]["once"].value()
        press(finance, "adjust", alice, amount=-500, once=again)
        assert ledger.balance(user=alice) == TOKENS - 500

    @pytest.mark.parametrize("once", ["", "nonsense"])
    def test_form_without_its_one_time_id_is_refused(self, finance, alice, once):
        path = f"/admin/accounts/user/{alice.pk}/grant/"
        page = finance.post(path, {"amount": "5", "reason": "x", "once": once})
        assert "Please reload the page" in page.text
        assert ledger.balance(user=alice) == TOKENS

    def test_first_grant_opens_the_account(self, finance, member):
        sue = member("Support", "sue")
        press(finance, "grant", sue)
        assert ledger.balance(user=sue) == 100


class TestAdjust:
    def test_adjustment_removes_tokens(self, finance, alice):
        press(finance, "adjust", alice, amount=-200, reason="Charge-back")
        assert ledger.balance(user=alice) == TOKENS - 200
        assert Entry.objects.latest("id").note == "Charge-back"

    def test_adjustment_below_zero_is_refused(self, finance, alice):
        page = press(finance, "adjust", alice, amount=-(TOKENS + 1))
        assert "The account has only 1,000 tokens." in page.text
        assert ledger.balance(user=alice) == TOKENS

    @pytest.mark.parametrize("amount", ["0", "-1000000001", "1000000001"])
    def test_invalid_amount_is_refused(self, finance, alice, amount):
        page = press(finance, "adjust", alice, amount=amount)
        assert page.context["form"].errors["amount"]
        assert ledger.balance(user=alice) == TOKENS


class TestDeactivate:
    def press(self, browser, user, action="deactivate", reason="Spam"):
        path = f"/admin/accounts/user/{user.pk}/{action}/"
        return browser.post(path, {"reason": reason}, follow=True)

    def test_deactivation_stops_access_until_reactivation(self, operator, client, alice):
        assert client.get(JOBS).status_code == 200
        assert said(self.press(operator, alice)) == ["alice: deactivated."]
        assert client.get(JOBS).status_code == 401
        assert said(self.press(operator, alice, action="reactivate")) == ["alice: reactivated."]
        assert client.get(JOBS).status_code == 200
        reasons = LogEntry.objects.values_list("change_message", flat=True)
        assert sorted(reasons) == ["Deactivated: Spam", "Reactivated: Spam"]

    def test_second_deactivation_is_reported(self, operator, alice):
        self.press(operator, alice)
        assert "is inactive already" in said(self.press(operator, alice))[0]

    def test_missing_reason_deactivates_nobody(self, operator, alice):
        self.press(operator, alice, reason=" ")
        alice.refresh_from_db()
        assert alice.is_active

    def test_only_a_superuser_deactivates_staff(self, operator, boss, member):
        sue = member("Support", "sue")
        assert "only a superuser" in said(self.press(operator, sue))[0]
        assert said(self.press(boss, sue)) == ["sue: deactivated."]

    def test_nobody_deactivates_themselves(self, operator):
        self_ = User.objects.get(username="operator")
        assert "you cannot deactivate yourself" in said(self.press(operator, self_))[0]

    def test_button_is_offered_only_to_those_who_may(self, operator, boss, member, alice):
        sue, self_ = member("Support", "sue"), User.objects.get(username="operator")

        def offers(browser, user):
            page = f"/admin/accounts/user/{user.pk}/"
            preview = browser.get(f"{page}deactivate/").text
            offered = f"{page}deactivate/" in browser.get(f"{page}change/").text
            assert offered == ("loses access" in preview) == ("not possible here" not in preview)
            return offered

        assert not offers(operator, sue)
        assert not offers(operator, self_)
        assert offers(operator, alice)
        assert offers(boss, sue)

    def test_deactivation_ends_the_session(self, boss, support):
        self.press(boss, User.objects.get(username="support"))
        assert support.get("/admin/").status_code == 302

    def test_unknown_user_is_404(self, operator, finance):
        nobody = uuid.uuid4()
        assert operator.get(f"/admin/accounts/user/{nobody}/deactivate/").status_code == 404
        assert finance.get(f"/admin/accounts/user/{nobody}/grant/").status_code == 404
