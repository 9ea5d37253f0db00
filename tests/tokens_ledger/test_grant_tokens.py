"""`manage.py grant_tokens`, as an operator sees it."""

import pytest
from django.core.management import CommandError, call_command, execute_from_command_line

from accounts.models import User
from tokens_ledger import ledger
from tokens_ledger.models import Entry


class TestGrantTokens:
    def test_command_grants_tokens_with_a_note(self, alice, capsys):
        call_command("grant_tokens", "alice", "100")
        call_command("grant_tokens", "alice", "20", "--note", "A gift")
        assert capsys.readouterr().out == (
            "Granted 100 tokens to alice; the balance is 100.\n"
            "Granted 20 tokens to alice; the balance is 120.\n"
        )
        entry = Entry.objects.latest("id")
        assert (entry.kind, entry.note, entry.actor) == ("grant", "A gift", None)

    def test_username_in_any_case_is_found(self, alice):
        call_command("grant_tokens", "ALICE", "100")
        assert ledger.balance(user=alice) == 100

    @pytest.mark.both  # the databases differ in what they take for the same letter
    def test_name_that_only_looks_the_same_is_another_user(self, alice):
        User.objects.create_user("al\u0131ce")  # its upper case is ALICE too
        call_command("grant_tokens", "alice", "100")
        assert ledger.balance(user=alice) == 100

    def test_unknown_user_is_refused(self, alice):
        with pytest.raises(CommandError, match=r"^There is no user 'alic'$"):
            call_command("grant_tokens", "alic", "100")

    @pytest.mark.parametrize(
        "amount",
        ["0", "-5", "1.5", "", " 5", "+5", "1_000", "٣", "1000000001", "9" * 5000],
    )
    def test_invalid_amount_is_refused(self, alice, amount):
        with pytest.raises(CommandError, match=r"^Amount must be a whole number from 1 to 1,000"):
            call_command("grant_tokens", "alice", amount)
        assert not Entry.objects.exists()

    def test_long_note_is_refused(self, alice):
        with pytest.raises(CommandError, match=r"^Note must be at most 500 characters$"):
            call_command("grant_tokens", "alice", "5", "--note", "x" * 501)

    @pytest.mark.parametrize(
        "words",
        [
            ["two\nlines", "5"],
            ["alice", "-5"],
            ["alice", "-ten"],
            ["alice"],
        ],
    )
    def test_failure_is_one_line(self, alice, words, capsys):
        with pytest.raises(SystemExit) as end:
            execute_from_command_line(["manage.py", "grant_tokens", *words])
        assert end.value.code in (1, 2)
        assert len(capsys.readouterr().err.splitlines()) == 1
