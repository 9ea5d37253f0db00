"""The database itself keeps the ledger: whoever writes to it, by whatever way, these hold.

- An entry is never changed or deleted (on PostgreSQL not truncated, on SQLite not replaced either).
- An entry continues its account: it comes last, and its balance_after is the one before it plus
  its amount.
- A balance changes only to its account's last balance_after. So the order is: entry, then balance.

The triggers refuse and write nothing. An account may be inserted with a balance, so that `loaddata`
works; its first entry is then refused until the entries are loaded too, and check_ledger tells.

A later migration that changes these tables puts itself between this one's `remove` and `install`,
and then has 0004 look by the index: SQLite, altering a table, drops its triggers without a word, or
fails where another table's name it. check_ledger names what is missing.
"""

from django.db import migrations

CONTINUES = """
    NEW.balance_after <> NEW.amount + COALESCE((
        SELECT balance_after FROM tokens_ledger_entry
        WHERE account_id = NEW.account_id AND id < NEW.id ORDER BY id DESC LIMIT 1), 0)
    OR EXISTS (
        SELECT 1 FROM tokens_ledger_entry WHERE account_id = NEW.account_id AND id > NEW.id)
"""
FOLLOWS = """
    NEW.balance <> COALESCE((
        SELECT balance_after FROM tokens_ledger_entry
        WHERE account_id = NEW.user_id ORDER BY id DESC LIMIT 1), 0)
"""
REPLACES = """
    EXISTS (SELECT 1 FROM tokens_ledger_entry WHERE id = NEW.id)
    OR NEW.kind = 'charge' AND EXISTS (
        SELECT 1 FROM tokens_ledger_entry WHERE kind = 'charge' AND reference = NEW.reference)
    OR NEW.kind = 'refund' AND EXISTS (
        SELECT 1 FROM tokens_ledger_entry WHERE kind = 'refund' AND reference = NEW.reference)
"""
APPEND_ONLY = "Ledger entries are only ever appended"
OUT_OF_LINE = "A ledger entry must continue the entries of its account"
OUT_OF_BALANCE = "A balance must be what its last ledger entry says"

ENTRY, ACCOUNT = "tokens_ledger_entry", "tokens_ledger_account"

# Name, event, level, the condition to refuse on, what to say.
TRIGGERS = {
    "postgresql": [
        ("unchanged", f"BEFORE UPDATE OR DELETE ON {ENTRY}", "ROW", "TRUE", APPEND_ONLY),
        ("untruncated", f"BEFORE TRUNCATE ON {ENTRY}", "STATEMENT", "TRUE", APPEND_ONLY),
        ("continued", f"AFTER INSERT ON {ENTRY}", "ROW", CONTINUES, OUT_OF_LINE),
        ("followed", f"BEFORE UPDATE OF balance ON {ACCOUNT}", "ROW", FOLLOWS, OUT_OF_BALANCE),
    ],
    "sqlite": [
        ("unchanged", f"BEFORE UPDATE ON {ENTRY}", "ROW", "TRUE", APPEND_ONLY),
        ("undeleted", f"BEFORE DELETE ON {ENTRY}", "ROW", "TRUE", APPEND_ONLY),
        ("unreplaced", f"BEFORE INSERT ON {ENTRY}", "ROW", REPLACES, APPEND_ONLY),
        ("continued", f"AFTER INSERT ON {ENTRY}", "ROW", CONTINUES, OUT_OF_LINE),
        ("followed", f"BEFORE UPDATE OF balance ON {ACCOUNT}", "ROW", FOLLOWS, OUT_OF_BALANCE),
    ],
}
FUNCTION = """
    CREATE OR REPLACE FUNCTION tokens_ledger_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF {condition} THEN
            RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$;
"""
TRIGGER = """
    CREATE TRIGGER tokens_ledger_{name} {event}
        FOR EACH {level} EXECUTE FUNCTION tokens_ledger_{name}()
"""
CREATE = {
    "postgresql": FUNCTION + TRIGGER,
    "sqlite": """
        CREATE TRIGGER tokens_ledger_{name} {event} FOR EACH {level} WHEN {condition}
        BEGIN
            SELECT RAISE(ABORT, '{message}');
        END
        """,
}
DROP = {
    "postgresql": "DROP FUNCTION tokens_ledger_{name}() CASCADE",  # and the trigger that calls it
    "sqlite": "DROP TRIGGER tokens_ledger_{name}",
}


def install(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for name, event, level, condition, message in TRIGGERS[vendor]:
        schema_editor.execute(
            CREATE[vendor].format(
                name=name, event=event, level=level, condition=condition, message=message
            ),
            params=None,
        )


def remove(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for name, *_ in TRIGGERS[vendor]:
        schema_editor.execute(DROP[vendor].format(name=name), params=None)


class Migration(migrations.Migration):
    dependencies = [("tokens_ledger", "0001_accounts_and_entries")]
    operations = [migrations.RunPython(install, remove)]
