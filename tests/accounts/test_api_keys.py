"""API keys over HTTP: made, listed, used and revoked."""

import json
import re
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts import api_keys
from accounts.models import ApiKey
from jobs.models import VideoJob
from tests.api import ENDPOINTS, ID, JOBS, PRIVATE, altered, assert_fault, assert_problem, by
from tests.core.test_unknown_names import CALLS
from tests.queries import counted

KEYS = "/api/v1/keys"
ME = "/api/v1/auth/me"
PASSWORD = "/api/v1/auth/password"
FIELDS = [
    *("id", "name", "prefix", "scope", "dailyTokenLimit"),
    *("createdAt", "lastUsedAt", "expiresAt"),
]
SESSION_ONLY = [(KEYS, "get"), (KEYS, "post"), (f"{KEYS}/<pk>", "delete")]


class TestCreate:
    def test_key_has_the_documented_form_and_is_shown_once(self, client, make):
        made = make()
        assert re.fullmatch(r"vsk_[A-Za-z0-9]{8}_[A-Za-z0-9]{43}", made["key"])
        assert made["prefix"] == made["key"][:12]
        assert sorted(made) == sorted([*FIELDS, "key"])
        [listed] = client.get(KEYS).json()["keys"]
        assert list(listed) == FIELDS
        assert listed == {name: made[name] for name in FIELDS}
        assert (listed["scope"], listed["expiresAt"], listed["lastUsedAt"]) == ("full", None, None)

    def test_optional_fields_are_kept(self, make):
        made = make(scope="read", expiresAt="2999-01-15T10:30:00+02:00", dailyTokenLimit=500)
        assert (made["scope"], made["dailyTokenLimit"]) == ("read", 500)
        assert made["expiresAt"] == "2999-01-15T08:30:00Z"

    def test_null_is_the_default_of_optional_fields(self, make):
        made = make(expiresAt=None, dailyTokenLimit=None)
        assert (made["expiresAt"], made["dailyTokenLimit"]) == (None, None)

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"name": None}, "name"),
            ({"name": " "}, "name"),
            ({"name": 5}, "name"),
            ({"name": "x" * 101}, "name"),
            ({"name": "a\x00b"}, "name"),
            ({"name": "a\u202eb"}, "name"),
            ({"scope": "write"}, "scope"),
            ({"scope": None}, "scope"),
            ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
            ({"expiresAt": "9999-12-31T23:59:59-14:00"}, "expiresAt"),
            ({"expiresAt": "soon"}, "expiresAt"),
            ({"dailyTokenLimit": 0}, "dailyTokenLimit"),
            ({"dailyTokenLimit": 10**30}, "dailyTokenLimit"),
            ({"dailyTokenLimit": "many"}, "dailyTokenLimit"),
        ],
    )
    def test_invalid_field_is_refused(self, client, fields, field):
        answer = client.post(KEYS, {"name": "Renderer"} | fields, format="json")
        assert_fault(answer, field=field)
        assert not ApiKey.objects.exists()

    def test_advice_about_an_invalid_date_fits_a_body(self, client):
        answer = client.post(KEYS, {"name": "x", "expiresAt": "soon"}, format="json")
        sentence = "a date or a time in ISO 8601, such as 2026-01-15T10:30:00Z"
        assert assert_fault(answer, field="expiresAt")["detail"] == f"Expires at must be {sentence}"

    def test_unknown_field_is_refused(self, client):
        answer = client.post(KEYS, {"name": "x", "expires_at": "2999-01-01"}, format="json")
        assert "did you mean 'expiresAt'" in assert_fault(answer, field="expires_at")["detail"]

    def test_key_21_is_409_until_one_is_revoked(self, client, make):
        made = [make() for _ in range(20)]
        answer = client.post(KEYS, {"name": "Renderer"}, format="json")
        assert_problem(answer, 409, "too_many_keys")
        client.delete(f"{KEYS}/{made[0]['id']}")
        make()

    def test_new_keys_are_throttled(self, client):
        for _ in range(60):
            client.post(KEYS, {"name": ""}, format="json")
        assert_problem(client.post(KEYS, {"name": "x"}, format="json"), 429, "throttled")

    def test_keys_are_listed_newest_first_and_only_to_their_owner(self, client, stranger, make):
        names = ["one", "two", "three"]
        for name in names:
            make(name=name)
        assert [key["name"] for key in client.get(KEYS).json()["keys"]] == names[::-1]
        assert stranger.get(KEYS).json() == {"keys": []}


class TestUse:
    def test_key_orders_polls_lists_and_cancels(self, program):
        program = program()
        job = program.create().json()
        assert program.get(f"{JOBS}/{job['id']}").status_code == 200
        assert program.get(JOBS).json()["total"] == 1
        assert program.get("/api/v1/tokens").status_code == 200
        assert program.get("/api/v1/tokens/entries").status_code == 200
        assert program.post(f"{JOBS}/{job['id']}/cancel").json()["status"] == "CANCELLED"
        assert program.delete(f"{JOBS}/{job['id']}").status_code == 204
        assert program.get(ME).json()["username"] == "alice"

    def test_job_is_its_owners_whatever_the_credential(self, client, stranger, program, bob):
        job = program().create().json()
        assert client.get(f"{JOBS}/{job['id']}").json() == job
        _, key = api_keys.create(user=bob, name="Bob's", now=timezone.now())
        assert_problem(by(key).get(f"{JOBS}/{job['id']}"), 404, "not_found")

    def test_poll_by_key_costs_one_statement_more_at_most(self, client, program, new_job):
        path, program = f"{JOBS}/{new_job().pk}", program()
        program.get(path)  # records the use
        with counted() as by_token:
            client.get(path)
        with counted() as by_key:
            program.get(path)
        assert len(by_key) <= len(by_token) + 1

    def test_job_keeps_the_prefix_of_its_key(self, client, make):
        made = make()
        job = VideoJob.objects.get(pk=by(made["key"]).create().json()["id"])
        assert job.api_key_prefix == made["prefix"]
        assert VideoJob.objects.get(pk=client.create().json()["id"]).api_key_prefix == ""

    def test_timeline_names_the_key_that_ordered_the_job(self, support, make):
        made = make()
        job = by(made["key"]).create().json()
        text = support.get(f"/admin/jobs/videojob/{job['id']}/change/").text
        assert f"Ordered with API key {made['prefix']}" in text
        assert "API key" not in str(job)


class TestRefused:
    @pytest.mark.parametrize(
        "spoil", [altered, lambda key: key[:12], lambda key: key + "a", lambda key: f"{key[:-1]}é",
                  lambda key: "vsk_", lambda key: f"vsk_{'a' * 8}_{'b' * 43}",
                  lambda key: f"{key[:20]}\x00{key[21:]}"],
    )  # fmt: skip
    def test_other_key_is_401(self, make, spoil):
        answer = by(spoil(make()["key"])).get(ME)
        body = assert_problem(answer, 401, "token_not_valid")
        assert body["detail"] == "This is not an API key of this service."
        assert answer["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'

    def test_revoked_key_is_401(self, client, make):
        made = make()
        assert client.delete(f"{KEYS}/{made['id']}").status_code == 204
        body = assert_problem(by(made["key"]).get(ME), 401, "token_not_valid")
        assert body["detail"] == "The API key has been revoked."
        assert client.get(KEYS).json() == {"keys": []}
        assert_problem(client.delete(f"{KEYS}/{made['id']}"), 404, "not_found")

    def test_expired_key_is_401(self, make):
        made = make(expiresAt=(timezone.now() + timedelta(minutes=5)).isoformat())
        assert by(made["key"]).get(ME).status_code == 200
        ApiKey.objects.update(expires_at=timezone.now())
        body = assert_problem(by(made["key"]).get(ME), 401, "token_not_valid")
        assert body["detail"] == "The API key has expired: make a new one."

    def test_key_of_a_deactivated_user_is_401(self, alice, program):
        program = program()
        alice.is_active = False
        alice.save()
        assert_problem(program.get(ME), 401, "user_inactive")

    def test_key_works_after_a_change_of_password(self, alice, program):
        program = program()
        alice.set_password("another password")
        alice.save()
        assert program.get(ME).status_code == 200

    def test_key_of_another_user_cannot_be_revoked(self, stranger, make):
        made = make()
        for id in (made["id"], uuid4(), "nonsense", "1"):
            assert_problem(stranger.delete(f"{KEYS}/{id}"), 404, "not_found")
        assert by(made["key"]).get(ME).status_code == 200


class TestScope:
    def test_read_key_reads(self, program, new_job):
        reader, job = program(scope="read"), new_job()
        for path in (JOBS, f"{JOBS}/{job.pk}", ME, "/api/v1/tokens"):
            assert reader.get(path).status_code == 200
            assert reader.head(path).status_code == 200

    @pytest.mark.parametrize(
        ("path", "method"),
        [(path, method) for path in PRIVATE for method in PRIVATE[path] if method != "get"],
    )
    def test_read_key_changes_nothing(self, program, path, method):
        code = "session_required" if path.startswith((KEYS, ME, PASSWORD)) else "read_only_key"
        answer = getattr(program(scope="read"), method)(path.replace(ID, str(uuid4())))
        assert_problem(answer, 403, code)

    def test_every_change_that_needs_a_login_is_in_the_list(self):
        """So that the test above tries new calls too."""
        public = set(ENDPOINTS) - set(PRIVATE)
        found = {(path.replace("<pk>", ID), method) for path, method in CALLS if method != "get"}
        listed = {(path, method) for path in PRIVATE for method in PRIVATE[path]}
        assert {each for each in found if each[0] not in public} <= listed

    @pytest.mark.parametrize(("path", "method"), SESSION_ONLY)
    def test_key_manages_no_keys(self, client, make, path, method):
        made = make()
        program = by(made["key"])
        answer = getattr(program, method)(path.replace("<pk>", made["id"]))
        assert_problem(answer, 403, "session_required")
        assert len(client.get(KEYS).json()["keys"]) == 1


class TestSecrecy:
    def test_database_holds_no_key(self, make):
        key = make()["key"]
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM accounts_apikey")
            rows = str(cursor.fetchall())
        assert key[:12] in rows
        assert key[13:] not in rows

    def test_log_and_metrics_hold_no_key(self, anonymous, make, lines, boss, settings):
        settings.METRICS_TOKEN = "metrics-token"
        key = make()["key"]
        by(key).create()
        anonymous.get(f"/api/v1/video-jobs/{key}")
        by(key).get(f"{JOBS}/{key}")
        pages = [boss.get("/admin/accounts/apikey/").text]
        pages.append(
            anonymous.get("/metrics", headers={"authorization": "Bearer metrics-token"}).text
        )
        assert key[13:] not in json.dumps(lines()) + "".join(pages)


class TestCommand:
    def create_key(self, *arguments):
        out = StringIO()
        call_command("create_key", *arguments, stdout=out)
        return out.getvalue().strip()

    def test_command_prints_a_working_key(self, alice):
        key = self.create_key("ALICE", "--name", "Nightly")
        assert by(key).get(ME).json()["username"] == "alice"
        assert ApiKey.objects.get().name == "Nightly"

    def test_command_takes_scope_limit_and_expiry(self, alice):
        options = ["--scope", "read", "--daily-token-limit", "70", "--expires-in-days", "30"]
        self.create_key("alice", "--name", "x", *options)
        row = ApiKey.objects.get()
        assert (row.scope, row.daily_token_limit) == ("read", 70)
        assert row.expires_at
        assert timedelta(29) < row.expires_at - timezone.now() <= timedelta(30)

    @pytest.mark.parametrize(
        "arguments",
        [
            ["nobody", "--name", "x"],
            ["alice", "--name", " "],
            ["alice", "--name", "x" * 101],
            ["alice", "--name", "x", "--daily-token-limit", "0"],
            ["alice", "--name", "x", "--expires-in-days", "0"],
        ],
    )
    def test_command_refuses_invalid_arguments(self, alice, arguments):
        with pytest.raises(CommandError):
            self.create_key(*arguments)
        assert not ApiKey.objects.exists()

    @pytest.mark.parametrize("option", ["--daily-token-limit", "--expires-in-days"])
    def test_command_says_how_high_a_limit_can_be(self, alice, option):
        with pytest.raises(CommandError, match="1 to 1,000,000,000"):
            self.create_key("alice", "--name", "x", option, "2000000000")

    def test_command_refuses_key_21_and_inactive_users(self, alice, make):
        for _ in range(20):
            make()
        with pytest.raises(CommandError, match="20 keys"):
            self.create_key("alice", "--name", "x")
        ApiKey.objects.all().delete()
        alice.is_active = False
        alice.save()
        with pytest.raises(CommandError, match="deactivated"):
            self.create_key("alice", "--name", "x")
