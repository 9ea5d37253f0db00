"""After the deletion of an account, no table of the database has anything of the person."""

import re
import zlib
from base64 import urlsafe_b64decode
from binascii import Error

import pytest
from django.db import connection
from django.test import Client as Browser
from django.utils import timezone

from accounts.models import User
from jobs import lifecycle
from jobs.failures import Failure
from jobs.models import VideoJob, WebhookDelivery
from tests.api import PASSWORD, by
from tests.job_states import bring
from tests.staff_site import press
from tokens_ledger import ledger

pytestmark = [pytest.mark.both, pytest.mark.usefixtures("commits")]

NAME, FORMER_NAME, MAIL, FORMER_MAIL = "wombat", "numbat", "quokka@example.com", "dingo@example.com"
PROMPT, NEGATIVE_PROMPT, REFERENCE = "marmalade at dusk", "thunderclouds", "invoice kumquat"
HOOK, HOOK_OF_ORDER = "https://pangolin.example.com/a", "https://aardvark.example.com/b"
KEY_NAME, IDEMPOTENCY_KEY, FIRST_NAME, LAST_NAME = (
    "renderer lynx",
    "once-ocelot",
    "Zebedee",
    "Quill",
)
SECRETS = re.compile(
    "wombat|numbat|quokka|dingo|marmalade|thunderclouds|kumquat|pangolin|aardvark|lynx|ocelot"
    "|zebedee|quill",
    re.IGNORECASE,
)


def test_nothing_is_left_of_a_deleted_account(post, boss, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    client = by(join(post))
    use_the_api(client)
    work_on_jobs()
    be_handled_by_staff(boss)
    be_staff()
    post("password-reset", email=MAIL)
    found = found_words()
    assert found >= {"wombat", "numbat", "quokka", "marmalade", "thunderclouds", "kumquat"}
    assert found >= {"pangolin", "aardvark", "lynx", "ocelot", "zebedee"}
    client = by(post("token", username=NAME, password=PASSWORD).json()["access"])
    answer = client.delete("/api/v1/auth/me", {"password": PASSWORD}, format="json")
    assert answer.status_code == 204
    assert list(traces()) == []


def join(post):
    post("register", username=FORMER_NAME, email=FORMER_MAIL, password=PASSWORD)
    post("token", username=FORMER_NAME, password="wrong")
    ledger.grant(user=User.objects.get(username=FORMER_NAME), amount=1_000, note="")
    return post("token", username=FORMER_NAME, password=PASSWORD).json()["access"]


def use_the_api(client):
    hook = client.put("/api/v1/webhook", {"url": HOOK}, format="json")
    assert hook.status_code == 201, hook.content
    assert client.post("/api/v1/keys", {"name": KEY_NAME}, format="json").status_code == 201
    for fields in ({"webhookUrl": HOOK_OF_ORDER}, {}, {}):
        order = {"prompt": PROMPT, "negativePrompt": NEGATIVE_PROMPT, "clientReference": REFERENCE}
        key = {"Idempotency-Key": f"{IDEMPOTENCY_KEY}{len(fields)}"}
        assert client.create(headers=key, **order, **fields).status_code in (200, 201, 202)
    client.create(prompt=PROMPT, model="marmalade")
    client.get(f"/api/v1/video-jobs?client_reference={REFERENCE}")


def work_on_jobs():
    first, second = VideoJob.objects.all()
    bring(first, "SUCCEEDED")
    failure = Failure(code="safety.output", message="Refused.", detail=f"Refused: {PROMPT}")
    lifecycle.fail(job=bring(second, "generating"), failure=failure, now=timezone.now())
    assert WebhookDelivery.objects.count() == 2


def be_handled_by_staff(boss):
    user = User.objects.get(username=FORMER_NAME)
    page = f"/admin/accounts/user/{user.pk}"
    once = "6d3b5c5e-0d3e-4a8c-8e5f-3f1d6b0c9a1"
    for number, action in enumerate(("deactivate", "reactivate", "grant")):
        form = {"reason": "Asked for it", "post": "yes", "amount": "5", "once": f"{once}{number}"}
        boss.post(f"{page}/{action}/", form)
    for job in VideoJob.objects.all():
        press(boss, "refund", job)
    boss.get(f"/admin/jobs/videojob/?q={FORMER_NAME}")
    export_searches(boss)
    rename(boss, f"{page}/change/")


def export_searches(boss):
    selected = {"_selected_action": [str(VideoJob.objects.all()[0].pk)], "select_across": "1"}
    for words in (FORMER_NAME, FORMER_MAIL, PROMPT):
        form = {"action": "export", "index": "0"} | selected
        boss.post(f"/admin/jobs/videojob/?q={words}", form)


def rename(boss, page):
    """Staff change the name and the address, and make the user a member of staff."""
    form = boss.get(page).context["adminform"].form
    values = {name: value for name, value in form.initial.items() if isinstance(value, str)}
    names = {"username": NAME, "email": MAIL, "first_name": FIRST_NAME, "last_name": LAST_NAME}
    flags = {"is_active": "on", "is_staff": "on"}
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    answer = boss.post(page, values | names | flags | joined)
    assert answer.status_code == 302, answer.context["errors"]


def be_staff():
    browser = Browser()
    for name in (MAIL, NAME, FORMER_NAME):
        browser.post("/admin/login/", {"username": name, "password": "wrong"})
    answer = browser.post("/admin/login/", {"username": NAME, "password": PASSWORD})
    assert answer.status_code == 302
    browser.get("/admin/")


# ---- The search ----


def traces():
    """Each table, column and value with one of the words."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    for text in texts(value):
                        if SECRETS.search(text):
                            yield table, column, text[:300]


def found_words():
    return {word.lower() for *_, text in traces() for word in SECRETS.findall(text)}


def texts(value):
    """The value as text, and what its parts in base64 hold, compressed or not: sessions, queued
    tasks and the cache are stored like that."""
    if isinstance(value, (bytes, memoryview)):
        value = bytes(value).decode("latin-1")
    yield str(value)
    for part in re.split(r"[:.\s]", str(value)):
        try:
            content = urlsafe_b64decode(part.translate({43: "-", 47: "_"}) + "==")
        except (Error, ValueError):
            continue
        yield content.decode("latin-1")
        try:
            yield zlib.decompress(content).decode("latin-1")
        except zlib.error:
            continue


def test_search_finds_what_is_encoded(db):
    """A session, a queued task and a value of the cache."""
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.cache import cache
    from django_q.tasks import async_task

    session = SessionStore()
    session["note"] = "wombat " * 100
    session.save()
    async_task("jobs.worker.tasks.tick", "numbat")
    cache.set("key", "dingo")
    assert found_words() == {"wombat", "numbat", "dingo"}
