"""`manage.py export_user`: what the ZIP file has, and what it refuses."""

import csv
import io
import json
import os
import tracemalloc
from zipfile import ZipFile

import pytest
from django.core.management import call_command, execute_from_command_line
from django.utils import timezone

from accounts import api_keys
from jobs import account_export
from jobs.models import VideoJob, Webhook
from jobs.webhooks import outbox, registry
from tests.api import COST, TOKENS

pytestmark = pytest.mark.both
HOOK = "https://receiver.example.com/hook"
TABLES = ("account", "jobs", "entries", "api_keys", "webhook")


@pytest.fixture
def export(tmp_path, capsys):
    """The files of a user's ZIP file, by name."""

    def export(name="alice"):
        path = tmp_path / "export.zip"
        call_command("export_user", name, "--output", str(path))
        assert capsys.readouterr().out == f"Wrote {path}\n"
        assert path.stat().st_mode & 0o777 == 0o600
        with ZipFile(path) as archive:
            assert archive.testzip() is None
            return {each: archive.read(each).decode("utf-8-sig") for each in archive.namelist()}

    return export


def rows(files, name):
    """The rows of both formats, after a check that they have the same fields."""
    objects = json.loads(files[f"{name}.json"])
    cells = list(csv.DictReader(io.StringIO(files[f"{name}.csv"], newline="")))
    assert len(objects) == len(cells)
    for each, cell in zip(objects, cells, strict=True):
        assert list(each) == list(cell)
    return objects, cells


class TestContent:
    def test_zip_has_everything_of_the_user_and_nothing_of_others(
        self, export, alice, new_job, bob, client, stranger
    ):
        now = timezone.now()
        _, key = api_keys.create(user=alice, name="Renderer", now=now)
        _, secret = registry.put(user=alice, url=HOOK, events=outbox.EVENTS, now=now)
        job = new_job("SUCCEEDED", prompt='=1+1, a "lighthouse"\nat dusk', negative_prompt="rain")
        hook = "https://orders.example.com/hook"
        ordered = client.create(clientReference="invoice 7", webhookUrl=hook, private="true").json()
        stranger.create(prompt="Bob's own")
        files = export("ALICE")
        assert sorted(files) == sorted(
            f"{name}.{end}" for name in TABLES for end in ("csv", "json")
        )
        [account], _ = rows(files, "account")
        assert (account["id"], account["email"]) == (str(alice.pk), "alice@example.com")
        assert account["balance"] == TOKENS - 2 * COST
        (first, second), (cell, _) = rows(files, "jobs")
        shown = client.job(job)
        del shown["queuePosition"], shown["estimatedSecondsRemaining"]
        shown |= {"webhookUrl": "", "cloudinaryUrl": job.video_url, "posterUrl": job.poster_url}
        assert first == shown
        assert first["logs"]
        assert cell["prompt"] == "'" + first["prompt"]
        assert json.loads(cell["logs"]) == first["logs"]
        assert (second["id"], second["webhookUrl"]) == (ordered["id"], hook)
        assert (second["clientReference"], second["private"]) == ("invoice 7", True)
        assert [each["amount"] for each in rows(files, "entries")[0]] == [TOKENS, -COST, -COST]
        assert rows(files, "api_keys")[0][0]["name"] == "Renderer"
        assert rows(files, "webhook")[0][0]["url"] == HOOK
        everything = "".join(files.values())
        encrypted = Webhook.objects.get().secret
        for hidden in (
            key,
            key[12:],
            str(secret),
            encrypted,
            alice.password,
            "Bob's own",
            "operation",
        ):
            assert hidden not in everything

    def test_user_without_anything_gets_empty_tables(self, export, bob):
        files = export("bob")
        for name in TABLES[1:]:
            assert len(rows(files, name)[0]) == (1 if name == "entries" else 0)
            assert "\n" in files[f"{name}.csv"]  # the names of the columns

    @pytest.mark.slow
    def test_memory_does_not_grow_with_the_jobs(self, alice, new_job, monkeypatch):
        monkeypatch.setattr(account_export, "BATCH_SIZE", 50)
        job = new_job("SUCCEEDED", prompt="x" * 2_000)
        copied = {field.attname: getattr(job, field.attname) for field in VideoJob._meta.fields}
        del copied["id"]

        def peak(jobs):
            VideoJob.objects.bulk_create(VideoJob(**copied) for _ in range(jobs))
            tracemalloc.start()
            with open(os.devnull, "wb") as file:
                account_export.write(user=alice, into=file, now=timezone.now())
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return peak

        assert peak(100) * 1.2 > peak(300)


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "complaint"),
        [
            (["alic"], "There is no user 'alic'"),
            ([], "username"),
            (["alice", "--output", "here.zip"], "here.zip exists already"),
            (["alice", "--output", "nowhere/here.zip"], "No such file"),
        ],
    )
    def test_refusal_is_one_line_and_changes_no_file(
        self, alice, words, complaint, capsys, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "here.zip").write_text("mine")
        with pytest.raises(SystemExit) as end:
            execute_from_command_line(["manage.py", "export_user", *words])
        assert end.value.code in (1, 2)
        [line] = capsys.readouterr().err.splitlines()
        assert complaint in line
        assert [each.name for each in tmp_path.iterdir()] == ["here.zip"]
        assert (tmp_path / "here.zip").read_text() == "mine"

    def test_file_is_named_after_the_user(self, alice, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        call_command("export_user", "alice")
        assert (tmp_path / "alice.zip").exists()

    def test_interrupted_export_leaves_no_file(self, alice, tmp_path, monkeypatch):
        """A full disk cannot be made without root."""
        monkeypatch.setattr(account_export, "write", lambda **arguments: 1 / 0)
        path = tmp_path / "export.zip"
        with pytest.raises(ZeroDivisionError):
            call_command("export_user", "alice", "--output", str(path))
        assert not path.exists()
