"""PostgreSQL reads few rows for a search or filter of the list, among thousands of jobs."""

from uuid import UUID

import pytest
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from jobs import word_index
from jobs.models import Status
from tests import many_jobs
from tests.queries import rows_read_by
from tests.staff_site import LIST
from tokens_ledger import ledger

pytestmark = pytest.mark.only_on("postgresql")

MANY = 3_000


@pytest.fixture
def full(alice, bob, new_job, monkeypatch):
    """Bob has one job, of before Alice had her many, all alike."""
    monkeypatch.setattr("jobs.admin.search.SAMPLE", 20)
    old = new_job(Status.SUCCEEDED, user=bob, prompt="A zeppelin", negative_prompt="hangar")
    ledger.grant(user=alice, amount=1_000_000, note="For many")
    model = new_job(Status.SUCCEEDED)
    database = connection.connection
    many_jobs.copies(database, model=str(model.pk), owner=alice.pk, first=1, last=MANY)
    database.execute("ANALYZE")
    return old


def rows_read(boss, query, found):
    def look():
        answer = boss.get(LIST + query)
        if answer.status_code == 302:  # a search with one result leads to it
            assert [job.pk for job in found] == [UUID(answer.url.split("/")[-3])]
            return
        assert answer.status_code == 200
        assert list(answer.context["cl"].result_list) == found

    return rows_read_by(look)


@pytest.mark.parametrize(
    "query",
    [
        *("?model=veo-3.1-generate-001", "?tokens=free", "?tokens=refunded"),
        *("?mock_mode__exact=0", "?status__exact=CANCELLED"),
    ],
)
def test_filter_without_a_match_reads_few_rows(boss, full, query):
    if query == "?mock_mode__exact=0":
        connection.connection.execute("UPDATE jobs_videojob SET mock_mode = false")
        connection.connection.execute("ANALYZE jobs_videojob")
        query = "?mock_mode__exact=1"
    assert rows_read(boss, query, []) < 150


def test_page_of_a_job_reads_few_rows(boss, full):
    def look():
        assert boss.get(f"{LIST}{full.pk}/change/").status_code == 200

    assert rows_read_by(look) < 200


class TestSearch:
    def most(self):
        """Without pg_trgm, all prompts are read."""
        return 150 if word_index.exists() else 5 * MANY

    def test_mail_address_reads_few_rows(self, boss, full):
        assert rows_read(boss, "?q=bob@example.com", [full]) < self.most()

    @pytest.mark.parametrize(
        ("term", "is_found"), [("zeppelin", True), ("hangar", True), ("Oslo", False)]
    )
    def test_rare_word_reads_few_rows(self, boss, full, term, is_found):
        assert rows_read(boss, f"?q={term}", [full] if is_found else []) < self.most()


class TestRefusedExtension:
    @pytest.fixture
    def refused(self, db):
        """A role that may not create extensions, in a database without pg_trgm."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("DROP EXTENSION IF EXISTS pg_trgm CASCADE")
            cursor.execute("CREATE ROLE without_rights")
            cursor.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO without_rights")
            cursor.execute("SET LOCAL ROLE without_rights")
            caches["local"].clear()
            yield
            cursor.execute("RESET ROLE")
            transaction.set_rollback(True)
        caches["local"].clear()

    def test_command_says_why(self, refused):
        with pytest.raises(CommandError, match="No word indexes"):
            call_command("create_word_indexes")

    @pytest.mark.parametrize("term", ["zeppelin", "hangar"])
    def test_words_are_found_without_it(self, boss, new_job, refused, term):
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
        job = new_job(prompt="A zeppelin", negative_prompt="hangar")
        assert not word_index.exists()
        found = boss.get(LIST, {"q": term})
        assert found.url.startswith(f"{LIST}{job.pk}/change/?")  # the only result


def test_command_says_that_the_indexes_exist(db, capsys):
    if word_index.exists():
        call_command("create_word_indexes")
        assert "exist" in capsys.readouterr().out
