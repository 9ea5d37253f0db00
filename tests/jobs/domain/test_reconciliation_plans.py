"""PostgreSQL's plans for `check_ledger` with many jobs and default settings.

With 200,000 jobs the references of the charges no longer fit into `work_mem`: a NOT IN would
compare each job with each charge, and the check would never end.
"""

import pytest
from django.db import connection

from jobs.models import Status, VideoJob
from tokens_ledger import reconciliation as whole_audit

pytestmark = pytest.mark.only_on("postgresql")

MANY = 200_000
COPIED = [str(field.column) for field in VideoJob._meta.fields if not field.primary_key]
JOBS = f"""
    INSERT INTO jobs_videojob (id, {", ".join(COPIED)})
    SELECT gen_random_uuid(), {", ".join(f"pattern.{column}" for column in COPIED)}
    FROM jobs_videojob AS pattern, generate_series(1, {MANY}) WHERE pattern.id = %s
"""
CHARGES = """
    INSERT INTO tokens_ledger_entry
        (account_id, kind, amount, balance_after, reference, note, created_at)
    SELECT user_id, 'charge', -50, balance - 50 * row_number() OVER (), id::text, '', job.created_at
    FROM jobs_videojob AS job JOIN tokens_ledger_account USING (user_id) WHERE job.id <> %s
"""
PAID = f"UPDATE tokens_ledger_account SET balance = balance - 50 * {MANY} WHERE user_id = %s"


@pytest.fixture
def many(new_job, alice, tokens):
    """Copies of one job, each with its charge. The triggers would look at each entry."""
    tokens(alice, 50 * (MANY + 2))
    job = new_job(Status.SUCCEEDED)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(JOBS, [job.pk])
        cursor.execute(CHARGES, [job.pk])
        cursor.execute(PAID, [alice.pk])
        cursor.execute("SET LOCAL session_replication_role = origin")
        cursor.execute("ANALYZE jobs_videojob, tokens_ledger_entry, jobs_jobcount")


@pytest.fixture
def plans():
    """The plan of each statement about jobs, which is looked at before it is executed."""
    plans: list[str] = []

    def explain(execute, sql, params, many, context):
        if "jobs_videojob" in sql:
            with connection.connection.cursor() as cursor:
                plan = "\n".join(row[0] for row in cursor.execute(f"EXPLAIN {sql}", params))
            assert "SubPlan" not in plan, plan
            plans.append(plan)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield plans


def test_200000_jobs_are_joined_with_their_entries(many, plans):
    assert list(whole_audit.findings()) == []
    assert len(plans) == 4
    assert all("Anti Join" in plan for plan in plans[:4]), plans
