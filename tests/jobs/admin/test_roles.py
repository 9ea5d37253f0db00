"""What each role sees, and which URLs it is refused."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from accounts import api_keys
from accounts.models import User
from jobs import restores
from jobs.input_images import Image
from jobs.models import JobImage, VideoJob, Webhook, WebhookDelivery
from jobs.providers.base import Inputs
from tests.job_states import kept
from tests.staff_site import LIST, ROLES, page_of, press
from tokens_ledger.models import Entry

pytestmark = pytest.mark.slow

JOB_ACTIONS = {"refund", "cancel", "retry", "fetch", "fail", "take_down", "resend", "run"}
TOKEN_ACTIONS = {"grant", "adjust"}
MAY = {
    "Support": {"refund", "cancel", "take_down", "resend", "revoke_keys"},
    "Operator": {
        *("refund", "cancel", "retry", "fetch", "fail", "take_down", "resend", "run"),
        *("deactivate", "revoke_keys"),
    },
    "Finance": {"grant", "adjust", "export"},
    "nobody": set(),
}
LISTS = ("jobs/videojob", "jobs/jobevent", "jobs/jobimage", "jobs/videoremoval",
           "accounts/user", "accounts/apikey", "admin/logentry",
           "tokens_ledger/account", "tokens_ledger/entry", "tokens_ledger/ledgercheck")  # fmt: skip
CLOSED = ("jobs/idempotencykey", "jobs/tick", "jobs/submissiongate", "jobs/tally", "auth/group",
          "axes/accessattempt", "token_blacklist/outstandingtoken",
          "token_blacklist/blacklistedtoken")  # fmt: skip


def failed_delivery(job):
    url, now = "https://hooks.example.com/", timezone.now()
    Webhook.objects.create(user=job.user, url=url, events=[], secret="", created_at=now)
    WebhookDelivery.objects.create(
        user=job.user,
        job_id=job.pk,
        type="video_job.succeeded",
        url=url,
        host="hooks.example.com",
        from_order=False,
        body="{}",
        status="failed",
        created_at=now,
    )


@pytest.fixture(params=[*ROLES, "nobody"])
def role(request):
    return request.param


@pytest.fixture
def browser(role, member, browser_of):
    """A browser of that role; "nobody" is of the staff, but in no group."""
    if role == "nobody":
        return browser_of(User.objects.create_user("nobody", is_staff=True))
    return browser_of(member(role))


def addresses(job, alice):
    """The URL of each action on one object."""
    return (
        {action: f"{LIST}{job.pk}/{action}/" for action in JOB_ACTIONS}
        | {action: f"/admin/accounts/user/{alice.pk}/{action}/" for action in TOKEN_ACTIONS}
        | {
            action: f"/admin/accounts/user/{alice.pk}/{action}/"
            for action in ("deactivate", "revoke_keys")
        }
    )


class TestActions:
    def test_action_page_is_403_without_its_permission(self, browser, role, new_job, alice):
        for action, url in addresses(new_job("SUCCEEDED"), alice).items():
            assert browser.get(url).status_code == (200 if action in MAY[role] else 403), action

    def test_action_without_its_permission_does_nothing(self, browser, role, new_job, alice):
        succeeded, waiting = new_job("SUCCEEDED"), new_job()
        entries, jobs = Entry.objects.count(), VideoJob.objects.count()
        form = {"reason": "x", "price": "free", "amount": "5", "post": "yes"}
        form |= {"once": "6d3b5c5e-0d3e-4a8c-8e5f-3f1d6b0c9a11"}
        selected = {"_selected_action": [str(waiting.pk), str(succeeded.pk)]}
        for action, url in addresses(waiting, alice).items():
            if action not in MAY[role]:
                assert browser.post(url, form).status_code == 403, action
                answer = browser.post(LIST, form | selected | {"action": action})
                assert "What happens" not in answer.text
        assert (Entry.objects.count(), VideoJob.objects.count()) == (entries, jobs)
        assert (kept(waiting).status, kept(succeeded).status) == ("PENDING", "SUCCEEDED")
        alice.refresh_from_db()
        assert alice.is_active

    def test_object_pages_link_permitted_actions_only(self, browser, role, new_job, alice):
        if role == "nobody":
            return
        jobs = [new_job("SUCCEEDED"), new_job("generating"), new_job(mock_mode=False)]
        restores.after_restore(now=timezone.now())
        api_keys.create(user=alice, name="Renderer", now=timezone.now())
        failed_delivery(jobs[0])
        pages = [page_of(job) for job in jobs] + [f"/admin/accounts/user/{alice.pk}/change/"]
        text = "".join(browser.get(page).text for page in pages)
        for action in MAY["Operator"] | MAY["Finance"]:
            assert (f"/{action}/" in text) == (action in MAY[role] and action != "export"), action

    def test_list_offers_permitted_actions_only(self, browser, role, new_job):
        new_job()
        if role == "nobody":
            return
        text = browser.get(LIST).text
        for action in JOB_ACTIONS:
            assert (f'<option value="{action}"' in text) == (action in MAY[role]), action
        assert ('value="export"' in text) == ("export" in MAY[role])

    def test_only_finance_exports(self, browser, role, new_job):
        job = new_job()
        chosen = {"action": "export", "_selected_action": [str(job.pk)]}
        answer = browser.post(LIST, chosen)
        assert (answer["Content-Type"] == "text/csv; charset=utf-8") == ("export" in MAY[role])


class TestViewer:
    """Staff whose role was made by a superuser, and who may see jobs only."""

    @pytest.fixture
    def viewer(self, browser_of):
        viewer = User.objects.create_user("viewer", is_staff=True)
        viewer.user_permissions.add(Permission.objects.get(codename="view_videojob"))
        return browser_of(viewer)

    def test_page_of_a_job_has_no_pictures_that_are_403(self, viewer, support, new_job):
        image = Image(content=b"pixels", mime_type="image/png", width=1, height=1, sha256="1")
        job = new_job(inputs=Inputs(initial_image=image), initial_image=True)
        for browser, sees in ((support, True), (viewer, False)):
            text = browser.get(page_of(job)).text
            assert ("/picture/" in text) == sees
            assert "images were deleted" not in text

    def test_page_of_a_job_has_no_balance_and_no_entries(self, viewer, support, new_job):
        job = new_job("SUCCEEDED")
        press(support, "refund", job, reason="Their third this week")
        for browser, sees in ((support, True), (viewer, False)):
            text = browser.get(page_of(job)).text
            assert "50 tokens charged were refunded" in text
            assert (", balance 1,000" in text) == sees
            assert ("has 1,000 tokens now" in " ".join(text.split())) == sees


class TestLists:
    def test_every_role_sees_the_lists(self, browser, role):
        for table in LISTS:
            status = browser.get(f"/admin/{table}/").status_code
            assert status == (403 if role == "nobody" else 200), table

    def test_internal_lists_are_403_for_every_role(self, browser):
        for table in CLOSED:
            assert browser.get(f"/admin/{table}/").status_code == 403, table

    def test_tasks_and_otp_secrets_are_not_in_the_admin(self, boss):
        for table in ("django_q/ormq", "django_q/schedule", "django_q/failure", "django_q/success",
                       "otp_totp/totpdevice"):  # fmt: skip
            assert boss.get(f"/admin/{table}/").status_code == 404, table
        labels = {model._meta.app_label for model in admin.site._registry}
        assert not labels & {"django_q", "otp_totp"}

    def test_no_role_adds_changes_or_deletes(self, browser, role, new_job, alice):
        job, entry = new_job(), Entry.objects.latest("id")
        for row in (f"tokens_ledger/entry/{entry.pk}", f"tokens_ledger/account/{alice.pk}",
                    f"jobs/videojob/{job.pk}", f"accounts/user/{alice.pk}"):  # fmt: skip
            for verb in ("change", "delete"):
                answer = browser.post(f"/admin/{row}/{verb}/", {"post": "yes", "balance": "9"})
                assert answer.status_code == 403, row
        for table in ("tokens_ledger/entry", "jobs/videojob", "accounts/user"):
            assert browser.post(f"/admin/{table}/add/", {}).status_code == 403

    def test_user_page_shows_no_password_and_permissions(self, browser, role, alice):
        if role == "nobody":
            return
        text = browser.get(f"/admin/accounts/user/{alice.pk}/change/").text
        assert "alice@example.com" in text
        assert "algorithm" not in text
        assert "user_permissions" not in text


class TestPictures:
    @pytest.fixture
    def picture(self, new_job):
        image = Image(content=b"pixels", mime_type="image/png", width=1, height=1, sha256="1")
        new_job(inputs=Inputs(initial_image=image), initial_image=True)
        return f"/admin/jobs/jobimage/{JobImage.objects.get().pk}/picture/"

    def test_staff_with_permission_see_the_picture(self, browser, role, picture):
        answer = browser.get(picture)
        assert answer.status_code == (403 if role == "nobody" else 200)
        if role != "nobody":
            assert (answer.content, answer["Content-Type"]) == (b"pixels", "image/png")
            assert answer["X-Content-Type-Options"] == "nosniff"

    def test_customers_are_sent_to_the_login(self, client, anonymous, picture, alice):
        anonymous.force_login(alice)
        for browser in (client, anonymous):
            answer = browser.get(picture)
            assert answer.status_code == 302
            assert answer["Location"].startswith("/admin/login/")

    def test_picture_is_404_once_the_job_ended(self, support, picture):
        press(support, "cancel", VideoJob.objects.get())
        assert support.get(picture).status_code == 404


class TestGroups:
    def test_migrations_create_the_roles(self):
        assert set(Group.objects.values_list("name", flat=True)) == set(ROLES)

    @pytest.mark.parametrize("role", ROLES)
    def test_role_has_no_add_change_and_delete_permission(self, role):
        verbs = set(Group.objects.get(name=role).permissions.values_list("codename", flat=True))
        assert not [verb for verb in verbs if verb.startswith(("add_", "change_", "delete_"))]

    def test_permissions_have_djangos_names(self):
        assert Permission.objects.get(codename="view_logentry").name == "Can view log entry"
        for model in (VideoJob, Entry, User):
            for codename, name in model._meta.permissions:
                assert Permission.objects.get(codename=codename).name == name
