"""PostgreSQL reads the rows of one page for the lists of staff, and at most 5,000 to count them."""

import pytest
from django.db import connection

from tests.queries import rows_read_by
from videostudio.core.admin import CappedPaginator

pytestmark = pytest.mark.only_on("postgresql")

MANY = 12_000
USERS = f"""
    INSERT INTO accounts_user
    SELECT copy.* FROM generate_series(1, {MANY}) AS n
    JOIN accounts_user AS pattern ON pattern.username = 'alice'
    CROSS JOIN LATERAL jsonb_populate_record(pattern, jsonb_build_object(
        'id', gen_random_uuid(), 'username', 'user' || n, 'email', '',
        'date_joined', pattern.date_joined - (n * 7919 % {MANY}) * interval '1 minute'
    )) AS copy
"""
KEYS = """
    INSERT INTO accounts_apikey (id, user_id, name, prefix, sha256, scope, created_at)
    SELECT gen_random_uuid(), id, 'Renderer', substr(username, 1, 12), '', 'full', date_joined
    FROM accounts_user
"""
TOKENS = """
    INSERT INTO token_blacklist_outstandingtoken (user_id, jti, token, created_at, expires_at)
    SELECT id, id::text, '', date_joined, date_joined FROM accounts_user
"""
ACCOUNTS = """
    INSERT INTO tokens_ledger_account (user_id, balance) SELECT id, 0 FROM accounts_user
    ON CONFLICT DO NOTHING
"""
SPENT = """
    INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
    SELECT id, created_at FROM token_blacklist_outstandingtoken
"""
LOG = """
    INSERT INTO django_admin_log
        (action_time, object_id, object_repr, action_flag, change_message, user_id)
    SELECT date_joined, id::text, username, 2, '', id FROM accounts_user
"""


@pytest.fixture
def full(alice):
    for statement in (USERS, KEYS, ACCOUNTS, TOKENS, SPENT, LOG, "ANALYZE"):
        connection.connection.execute(statement)


@pytest.mark.parametrize(
    "path",
    [
        *("accounts/user/", "accounts/user/?o=1", "accounts/user/?o=2", "accounts/apikey/"),
        *("accounts/apikey/?o=5", "accounts/apikey/?o=-6", "tokens_ledger/account/"),
        *("token_blacklist/outstandingtoken/", "token_blacklist/blacklistedtoken/"),
        *("token_blacklist/outstandingtoken/?o=3", "admin/logentry/", "admin/logentry/?o=-5"),
        *("admin/logentry/?logged=hour", "admin/logentry/?logged_to=2026-01-01T00:00"),
    ],
)
def test_list_reads_one_page(boss, full, path):
    def look():
        assert len(boss.get(f"/admin/{path}").context["cl"].result_list) in (0, 50)

    assert rows_read_by(look) < CappedPaginator.MAX_COUNT + 400
