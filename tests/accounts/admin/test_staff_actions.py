"""What staff did to a user: the panel on the user's page, and the user's History."""

import html
import re
import uuid
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from django.utils.html import strip_tags

from accounts.models import StaffAction, User
from jobs import lifecycle
from jobs.models import VideoJob
from jobs.worker import cleanup, staff_log
from tests.accounts.admin.test_users import page_of
from tests.accounts.admin.test_users import press as press_tokens
from tests.job_states import kept
from tests.staff_site import LIST, press
from tokens_ledger.models import Entry

pytestmark = pytest.mark.slow

past_staff_actions = import_module("jobs.migrations.0010_past_staff_actions")


def history_of(user):
    return f"/admin/accounts/user/{user.pk}/history/"


def rows(text):
    """The rows of the table of actions, tags removed."""
    table = text[text.index("What, and why") :].partition("</table>")[0]
    found = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [[strip_tags(cell).strip() for cell in row.split("</td>")[:-1]] for row in found]


def shown(browser, page):
    """By, what, on: of each action that the page shows."""
    text = browser.get(page).text
    return [tuple(row[1:]) for row in rows(text)] if "What, and why" in text else []


PAGES = (page_of, history_of)  # which both show the actions


@pytest.fixture
def carol(db):
    """A user to whom nothing was done."""
    return User.objects.create_user("carol", "carol@example.com")


class TestActions:
    def test_actions_on_user_account_and_jobs_are_shown_newest_first(
        self, operator, finance, alice, new_job
    ):
        job = new_job("SUCCEEDED")
        press_tokens(finance, "grant", alice, amount=200, reason="Goodwill")
        press(operator, "refund", job, reason="Black frame")
        form = {"reason": "Charge-back"}
        operator.post(f"/admin/accounts/user/{alice.pk}/deactivate/", form)
        expected = [
            ("operator", "Deactivated: Charge-back", "User alice"),
            ("operator", "Refund: 50 tokens refunded. Reason: Black frame", f"Video job {job.pk}"),
            ("finance", "Grant tokens: +200. Goodwill", "Account alice"),
            ("Command line or sign-up", "Grant: +1,000. For tests", "Account alice"),
        ]
        assert [shown(operator, page(alice)) for page in PAGES] == [expected] * 2

    def test_each_action_shows_its_time_and_links_its_object(
        self, operator, finance, alice, new_job
    ):
        job = new_job("SUCCEEDED")
        press_tokens(finance, "grant", alice)
        press(operator, "refund", job)
        at = LogEntry.objects.latest("pk").action_time
        urls = (f"{LIST}{job.pk}/change/", f"/admin/tokens_ledger/account/{alice.pk}/change/")
        for page in PAGES:
            text = operator.get(page(alice)).text
            assert rows(text)[0][0] == f"{at.day} {at:%b %Y, %H:%M:%S}"
            assert all(f'<td><a href="{url}">' in text for url in urls)
        assert [operator.get(url).status_code for url in urls] == [200, 200]

    def test_actions_on_other_users_are_not_shown(self, operator, alice, carol, new_job):
        press(operator, "refund", new_job("SUCCEEDED"))
        for page in PAGES:
            assert shown(operator, page(carol)) == []
            assert "No staff actions on this user" in operator.get(page(carol)).text

    def test_each_kind_of_action_is_shown_once(self, operator, finance, alice, new_job):
        """An action writes to the log, to the job's events, and to the ledger."""
        before = len(shown(operator, page_of(alice)))
        press(operator, "refund", new_job("SUCCEEDED"))
        press(operator, "cancel", new_job())
        press(operator, "fail", new_job("generating"))
        press(operator, "retry", new_job("FAILED"), price="charged")
        lost = new_job("FAILED")
        VideoJob.objects.filter(pk=lost.pk).update(operation="operations/of-its-own")
        press(operator, "fetch", lost, price="free")
        press_tokens(finance, "grant", alice)
        press_tokens(finance, "adjust", alice, amount=-5)
        names = [what.partition(":")[0] for _, what, _ in shown(operator, page_of(alice))]
        assert names[: len(names) - before] == [
            *("Adjust balance", "Grant tokens", "Fetch again", "Retry"),
            *("Mark as failed and refund", "Cancel", "Refund"),
        ]

    def test_grant_by_command_is_shown_with_its_note(self, support, carol):
        call_command("grant_tokens", "carol", "500", "--note", "Paid by transfer")
        row = ("Command line or sign-up", "Grant: +500. Paid by transfer", "Account carol")
        assert [shown(support, page(carol)) for page in PAGES] == [[row]] * 2

    def test_action_on_a_deleted_job_is_still_shown(self, operator, alice, new_job):
        job = new_job("SUCCEEDED")
        press(operator, "refund", job, reason="Black frame")
        lifecycle.delete(job=job, now=timezone.now())
        assert kept(job) is None
        what = "Refund: 50 tokens refunded. Reason: Black frame"
        link = f'<td><a href="{LIST}{job.pk}/change/">Video job'
        for page in PAGES:
            on = f"Video job {job.pk} (deleted)"
            assert shown(operator, page(alice))[0] == ("operator", what, on)
            assert link not in operator.get(page(alice)).text

    def test_change_by_djangos_form_is_shown(self, boss, carol):
        form = {"username": "carol", "email": "new@example.com", "first_name": "", "last_name": ""}
        boss.post(page_of(carol), form)
        for page in PAGES:
            assert shown(boss, page(carol))[0][:2] == ("boss", "Changed Email address.")


class TestLength:
    @pytest.fixture
    def busy(self, member, carol):
        """Carol, to whom 250 things were done, number 249 last."""
        olga, now = member("Operator", "olga"), timezone.now()
        entries = LogEntry.objects.bulk_create(
            LogEntry(
                user=olga,
                content_type=ContentType.objects.get_for_model(User),
                object_id=str(carol.pk),
                object_repr="carol",
                action_flag=CHANGE,
                change_message=f"Number {number}",
                action_time=now - timedelta(seconds=250 - number),
            )
            for number in range(250)
        )
        StaffAction.objects.bulk_create(StaffAction(log_entry=e, user=carol) for e in entries)
        return carol

    def numbers(self, browser, page):
        return [int(what.split()[1]) for _, what, _ in shown(browser, page)]

    def test_panel_shows_ten_and_links_to_all(self, support, busy):
        assert self.numbers(support, page_of(busy)) == list(range(249, 239, -1))
        assert f'<a href="{history_of(busy)}">All actions of staff</a>' in (
            support.get(page_of(busy)).text
        )

    def test_page_of_the_history_shows_a_hundred(self, support, busy):
        pages = [self.numbers(support, f"{history_of(busy)}?p={number}") for number in (1, 2, 3)]
        assert [len(each) for each in pages] == [100, 100, 50]
        assert [number for each in pages for number in each] == list(range(249, -1, -1))
        text = support.get(history_of(busy)).text
        assert '<a href="?p=3">3</a>' in text
        assert "250 entries" in text

    def test_pages_merge_log_and_ledger(self, support, busy):
        call_command("grant_tokens", "carol", "500", "--note", "Number 250")
        every = [
            int(re.findall(r"Number (\d+)", what)[0])
            for page in (1, 2, 3)
            for _, what, _ in shown(support, f"{history_of(busy)}?p={page}")
        ]
        assert every == list(range(250, -1, -1))


class TestPermissions:
    @pytest.fixture
    def limited(self, browser_of):
        """Signs in a member of staff with these permissions alone."""

        def limited(*codenames):
            user = User.objects.create_user("lee", is_staff=True)
            user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
            return browser_of(user)

        return limited

    def test_every_role_sees_the_actions(self, support, operator, finance, alice, new_job):
        press(operator, "refund", new_job("SUCCEEDED"))
        for browser in (support, operator, finance):
            assert [len(shown(browser, page(alice))) for page in PAGES] == [2, 2]

    def test_no_action_on_jobs_without_permission_for_the_log(
        self, limited, operator, alice, new_job
    ):
        press(operator, "refund", new_job("SUCCEEDED"), reason="Black frame")
        browser = limited("view_user", "view_videojob", "view_entry")
        for page in PAGES:
            answer = browser.get(page(alice))
            assert answer.status_code == 200
            assert "Staff actions" not in answer.text
            assert "Black frame" not in answer.text or page is page_of  # the entry's note is there

    @pytest.mark.parametrize("codenames", [("view_user",), ("view_user", "view_entry")])
    def test_history_without_permission_for_the_log_says_so(
        self, limited, operator, carol, codenames
    ):
        form = {"reason": "Spam"}
        operator.post(f"/admin/accounts/user/{carol.pk}/deactivate/", form)
        call_command("grant_tokens", "carol", "500", "--note", "By transfer")
        text = limited(*codenames).get(history_of(carol)).text
        assert "You may not see what staff did to this user, their tokens and their jobs." in text
        for claim in ("No member of staff", "No staff actions", "Spam", "By transfer"):
            assert claim not in text

    def test_no_grant_by_command_without_permission_for_the_ledger(self, limited, carol):
        call_command("grant_tokens", "carol", "500", "--note", "By transfer")
        browser = limited("view_user", "view_logentry")
        for page in PAGES:
            assert "By transfer" not in browser.get(page(carol)).text

    def test_pages_without_permission_for_users_are_403(self, limited, alice):
        browser = limited("view_logentry", "view_entry")
        assert [browser.get(page(alice)).status_code for page in PAGES] == [403, 403]

    def test_history_of_an_unknown_user_redirects(self, support):
        assert support.get(f"/admin/accounts/user/{uuid.uuid4()}/history/").status_code == 302


class TestLog:
    def test_is_filtered_by_member_of_staff_and_time(self, boss, member, carol):
        finance, support = (member(role) for role in ("Finance", "Support"))
        kind = ContentType.objects.get_for_model(User)
        for name, by, days in (("new", finance, 1), ("old", finance, 40), ("other", support, 1)):
            LogEntry.objects.create(
                user=by,
                content_type=kind,
                object_id=str(carol.pk),
                object_repr=name,
                action_flag=CHANGE,
                action_time=timezone.now() - timedelta(days=days),
            )

        def shown(query):
            rows = boss.get(f"/admin/admin/logentry/?{query}").context["cl"].result_list
            return [row.object_repr for row in rows]

        since = f"{timezone.now() - timedelta(days=30):%Y-%m-%dT%H:%M}"
        assert shown(f"by={finance.pk}") == ["new", "old"]
        assert shown(f"by={finance.pk}&logged=month") == ["new"]
        assert shown(f"logged_to={since}") == ["old"]
        assert shown("by=nobody") == shown("") == ["other", "new", "old"]

    @pytest.mark.parametrize("page", ["", "{}/change/"])
    def test_says_in_words_what_was_done_and_links_to_it(self, boss, carol, page):
        form = {"username": "carol", "email": "new@example.com", "first_name": "", "last_name": ""}
        boss.post(page_of(carol), form)
        entry = LogEntry.objects.get()
        text = boss.get(f"/admin/admin/logentry/{page.format(entry.pk)}").text
        assert "Changed Email address." in text
        assert f'<a href="{page_of(carol)}">User <bdi>carol</bdi></a>' in text
        assert "[{" not in html.unescape(text)

    def test_deletions_and_exports_have_no_link(self, boss, finance, alice, carol):
        boss.post(f"/admin/accounts/user/{carol.pk}/delete/", {"post": "yes"})
        chosen = Entry.objects.get(account_id=alice.pk).pk
        finance.post(
            "/admin/tokens_ledger/entry/", {"action": "export", "_selected_action": chosen}
        )
        text = boss.get("/admin/admin/logentry/").text
        assert (
            '<td class="field-what">Deletion</td><td class="field-on">User <bdi>carol</bdi></td>'
            in text
        )
        assert "Exported as CSV: 1 row</td>" in text
        assert '<td class="field-on"> <bdi>entries</bdi></td>' in text


class TestLinkByCleanup:
    """They write Django's log alone."""

    @pytest.fixture
    def link(self):
        return lambda: cleanup.purge_expired(now=timezone.now())

    def test_actions_logged_without_a_link_are_shown_after_the_cleanup(
        self, operator, finance, alice, bob, new_job, link
    ):
        deleted = new_job("SUCCEEDED", user=bob)
        press(operator, "refund", new_job("SUCCEEDED"), deleted)
        for user in (alice, bob):
            press_tokens(finance, "grant", user)
            form = {"active": "no", "reason": "Spam"}
            operator.post(f"/admin/accounts/user/{user.pk}/deactivate/", form)
        lifecycle.delete(job=deleted, now=timezone.now())
        wanted = [shown(operator, page_of(user)) for user in (alice, bob)]
        assert [len(each) for each in wanted] == [4, 4]
        StaffAction.objects.all().delete()
        link()
        assert [shown(operator, page_of(user)) for user in (alice, bob)] == wanted

    def test_actions_are_linked_in_batches(self, operator, new_job, link, monkeypatch):
        monkeypatch.setattr(staff_log, "BATCH_SIZE", 2)
        press(operator, "refund", *(new_job("SUCCEEDED") for _ in range(5)))
        StaffAction.objects.all().delete()
        link()
        assert StaffAction.objects.count() == 5

    def test_only_recent_actions_are_linked(self, operator, new_job, link, monkeypatch):
        monkeypatch.setattr(staff_log, "RECENT", 3)
        press(operator, "refund", *(new_job("SUCCEEDED") for _ in range(5)))
        StaffAction.objects.all().delete()
        link()
        newest = LogEntry.objects.order_by("-pk").values_list("pk", flat=True)[:3]
        assert set(StaffAction.objects.values_list("pk", flat=True)) == set(newest)

    def test_actions_on_a_deleted_user_are_not_linked(self, boss, carol, link):
        boss.post(page_of(carol), {"username": "caroline"})
        StaffAction.objects.all().delete()
        carol.delete()
        link()
        assert not StaffAction.objects.exists()


class TestMigration:
    def test_migration_links_earlier_actions(self, operator, finance, alice, bob, new_job):
        paid, deleted = new_job("SUCCEEDED"), new_job("SUCCEEDED", user=bob)
        press(operator, "refund", paid, deleted)
        press_tokens(finance, "grant", bob)
        operator.post(f"/admin/accounts/user/{alice.pk}/deactivate/", {"reason": "Spam"})
        lifecycle.delete(job=deleted, now=timezone.now())
        wanted = set(StaffAction.objects.values_list("log_entry", "user"))
        assert len(wanted) == 4
        StaffAction.objects.all().delete()
        for _ in range(2):  # a try that was interrupted can be repeated
            past_staff_actions.fill(apps, connection.schema_editor())
            assert set(StaffAction.objects.values_list("log_entry", "user")) == wanted
