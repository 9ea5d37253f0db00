"""The only writer of balances and entries. What is paid for is only a reference here.

Every change locks the account's row, reads the balance, writes the entry, then the balance, in this
order. All functions run in the caller's transaction and are rolled back with it.
"""

from uuid import UUID

from django.conf import settings
from django.db import models, transaction

from accounts.models import User
from tokens_ledger.models import Account, Entry
from videostudio.core.compiled_query import CompiledQuery, Param

MAX_AMOUNT = 1_000_000_000
MAX_BALANCE = models.BigIntegerField.MAX_BIGINT
MAX_NOTE_LENGTH = 500

LOCKED_ACCOUNT = CompiledQuery(
    lambda: Account.objects.select_for_update().filter(user=Param("user", models.UUIDField()))
)


class InsufficientTokens(Exception):
    """`operation` costs `cost` tokens, but the account has `available`. Nothing was written."""

    def __init__(self, *, operation: str, cost: int, available: int):
        super().__init__(f"{operation} costs {cost} tokens, {available} are available")
        self.operation, self.cost, self.available = operation, cost, available


class NothingToRefund(Exception):
    """Nothing was charged under this reference."""


class AlreadyRefunded(Exception):
    """The charge under this reference has already been refunded."""


class AccountClosed(ValueError):
    """The user has deleted the account: nothing can be charged or granted any more."""

    def __init__(self) -> None:
        super().__init__("The user has deleted the account")


def balance(*, user: User) -> int:
    """The tokens that `user` has; 0 without an account."""
    return Account.objects.filter(user=user).values_list("balance", flat=True).first() or 0


def lock(*, user: User) -> Account:
    """The account of `user`, created if missing, locked until the caller's transaction ends.

    The lock serializes all changes of one user's balance, and other data that callers protect with
    it (the limit of active jobs). Needs a transaction. Lock once per transaction, as late as
    possible. Raises AccountClosed.
    """
    account = LOCKED_ACCOUNT.first(user=user.pk)
    if account is None:
        account, _ = Account.objects.select_for_update().get_or_create(user=user)
    if account.is_closed:
        raise AccountClosed
    return account


def close(*, user: User) -> None:
    """Close the account for good; orders and grants that wait for its lock are then refused.

    Needs a transaction. Refunds of earlier charges remain possible. Raises AccountClosed if it is
    closed already.
    """
    Account.objects.filter(pk=lock(user=user).pk).update(is_closed=True)


def charge(
    *, account: Account, operation: str, tokens: int, reference: str, api_key: UUID | None = None
) -> Entry | None:
    """Charge `tokens` for `operation` to an account that `lock` returned; 0 writes no entry.

    `api_key` is the id of the API key with which it was ordered. Raises InsufficientTokens, with
    nothing written; IntegrityError for a second charge under the same reference, which is a
    programming error.
    """
    if not tokens:
        return None
    _require(account=account, operation=operation, tokens=tokens)
    return _append(
        account=account,
        kind=Entry.Kind.CHARGE,
        amount=-tokens,
        reference=reference,
        note=operation,
        api_key=api_key,
    )


@transaction.atomic
def refund(*, reference: str, note: str, actor: User | None = None) -> Entry:
    """Refund, once and in full, the charge under `reference`.

    Raises NothingToRefund, or AlreadyRefunded for all but the first of several calls; ValueError
    for a note over 500 characters.
    """
    charged = Entry.objects.filter(kind=Entry.Kind.CHARGE, reference=reference).first()
    if charged is None:
        raise NothingToRefund(reference)
    account = Account.objects.select_for_update().get(pk=charged.account_id)
    if Entry.objects.filter(kind=Entry.Kind.REFUND, reference=reference).exists():
        raise AlreadyRefunded(reference)
    return _append(
        account=account,
        kind=Entry.Kind.REFUND,
        amount=-charged.amount,
        reference=reference,
        note=note,
        actor=actor,
    )


@transaction.atomic
def grant(*, user: User, amount: int, note: str, actor: User | None = None) -> Entry:
    """Add `amount` tokens, 1 to 1,000,000,000.

    Raises ValueError for other amounts, or a note over 500 characters.
    """
    if not (_is_whole(amount) and 1 <= amount <= MAX_AMOUNT):
        raise ValueError(f"Amount must be a whole number from 1 to {MAX_AMOUNT:,}")
    return _append(
        account=lock(user=user), kind=Entry.Kind.GRANT, amount=amount, note=note, actor=actor
    )


@transaction.atomic
def adjust(*, user: User, amount: int, note: str, actor: User | None = None) -> Entry:
    """Correct a balance by `amount` tokens, up or down, at most 1,000,000,000 either way.

    Raises InsufficientTokens if the balance would fall below 0; ValueError for other amounts (0
    included), or a note over 500 characters.
    """
    if not (_is_whole(amount) and 1 <= abs(amount) <= MAX_AMOUNT):
        raise ValueError(
            f"Amount must be a whole number from 1 to {MAX_AMOUNT:,}, or as much below 0"
        )
    account = lock(user=user)
    _require(account=account, operation="adjustment", tokens=-amount)
    return _append(
        account=account, kind=Entry.Kind.ADJUSTMENT, amount=amount, note=note, actor=actor
    )


def welcome(*, user: User) -> None:
    """Grant a new user SIGNUP_GRANT_TOKENS, if that is above 0."""
    if settings.SIGNUP_GRANT_TOKENS > 0:
        grant(user=user, amount=settings.SIGNUP_GRANT_TOKENS, note="Welcome")


def _is_whole(amount: object) -> bool:
    return isinstance(amount, int) and not isinstance(amount, bool)


def _require(*, account: Account, operation: str, tokens: int) -> None:
    if account.balance < tokens:
        raise InsufficientTokens(operation=operation, cost=tokens, available=account.balance)


def _append(
    *,
    account: Account,
    kind: Entry.Kind,
    amount: int,
    note: str,
    reference: str = "",
    actor: User | None = None,
    api_key: UUID | None = None,
) -> Entry:
    """Write an entry, then the new balance: the database triggers expect this order."""
    if len(note) > MAX_NOTE_LENGTH:
        raise ValueError(f"Note must be at most {MAX_NOTE_LENGTH} characters")
    after = account.balance + amount
    if after > MAX_BALANCE:
        raise ValueError("Amount would make the balance larger than can be stored")
    entry = Entry.objects.create(
        account=account,
        kind=kind,
        amount=amount,
        balance_after=after,
        reference=reference,
        actor=actor,
        api_key=api_key,
        note=note,
    )
    unchanged = Account.objects.filter(pk=account.pk, balance=account.balance)
    if not unchanged.update(balance=after):
        raise RuntimeError("The account was not locked: its balance changed meanwhile")
    account.balance = after
    return entry
