"""Token balances, and the entries that add up to them.

A balance is the sum of its account's entries. Entries are appended, never changed or deleted:
triggers from migration 0002 make the database refuse anything else. `ledger.py` is the only writer.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class Account(models.Model):
    """A user's tokens. A user without an account has a balance of 0."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="token_account",
    )
    balance = models.BigIntegerField(default=0, help_text="In tokens; the sum of the entries.")
    # db_default, because processes of the previous version insert rows without it.
    is_closed = models.BooleanField(
        default=False, db_default=False, help_text="The user has deleted it."
    )

    class Meta:
        permissions = [
            ("grant_tokens", "Can grant tokens"),
            ("adjust_tokens", "Can adjust balances"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(balance__gte=0), name="account_never_below_zero")
        ]

    def __str__(self) -> str:
        return str(self.user)


class Entry(models.Model):
    """A change of a balance. `reference` identifies what was paid for (a job's id), or is empty."""

    class Kind(models.TextChoices):
        """GRANT and REFUND add tokens, CHARGE removes them, ADJUSTMENT does either."""

        GRANT = "grant"
        CHARGE = "charge"
        REFUND = "refund"
        ADJUSTMENT = "adjustment"

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="entries", db_index=False
    )
    kind = models.CharField(max_length=10, choices=Kind)
    amount = models.BigIntegerField(help_text="In tokens; negative if they were deducted.")
    balance_after = models.BigIntegerField(help_text="The balance after this entry.")
    reference = models.CharField(max_length=64, blank=True, default="")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="The member of staff; empty if the service wrote it.",
    )
    api_key = models.UUIDField(
        null=True, editable=False, help_text="The API key of the order that was charged."
    )
    note = models.CharField(
        max_length=500, blank=True, default="", help_text="The user can read it."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "entries"
        permissions = [
            ("export_entry", "Can export entries"),
            ("refund_without_limit", "Can refund more than the daily limit"),
        ]
        indexes = [
            # For the list of an account, its last entry, and the reconciliation of each account.
            models.Index(F("account"), F("id").desc(), name="entry_account_newest_first"),
            models.Index(fields=["account", "created_at"], name="entry_of_account_by_time"),
            models.Index(fields=["created_at"], name="entry_by_time"),
            models.Index(
                fields=["api_key", "created_at"],
                condition=Q(api_key__isnull=False),
                name="entry_of_api_key_by_time",
            ),
            models.Index(
                fields=["actor", "created_at"],
                condition=Q(actor__isnull=False),
                name="entry_of_actor_by_time",
            ),
            # Finds grants by command without reading the charges.
            models.Index(
                F("account"),
                F("id").desc(),
                condition=Q(kind__in=["grant", "adjustment"], actor=None),
                name="entry_granted_by_command",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["reference"], condition=Q(kind="charge"), name="entry_one_charge"
            ),
            models.UniqueConstraint(
                fields=["reference"], condition=Q(kind="refund"), name="entry_one_refund"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["grant", "refund"], amount__gt=0)
                | Q(kind="charge", amount__lt=0)
                | (Q(kind="adjustment") & ~Q(amount=0)),
                name="entry_sign_fits_kind",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["charge", "refund"]) | ~Q(reference=""),
                name="entry_payment_has_reference",
            ),
            models.CheckConstraint(
                condition=Q(balance_after__gte=0), name="entry_balance_never_below_zero"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount:+d}"


class EntryCount(models.Model):
    """How many entries an account has up to the entry `until`. See `account_totals`."""

    account = models.OneToOneField(
        Account, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    entries = models.PositiveBigIntegerField()
    until = models.BigIntegerField(help_text="The id of an entry.")

    def __str__(self) -> str:
        return f"{self.entries} until {self.until}"


class AccountSums(models.Model):
    """The sum of each kind of entry of an account up to the entry `until`. See `account_totals`."""

    account = models.OneToOneField(
        Account, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    grant = models.BigIntegerField()
    charge = models.BigIntegerField()
    refund = models.BigIntegerField()
    adjustment = models.BigIntegerField()
    until = models.BigIntegerField(help_text="The id of an entry.")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"sums until {self.until}"


class KeySpending(models.Model):
    """What an API key's orders of a day have cost up to the entry `until`. See `key_limit`."""

    # Not a foreign key: the previous version deletes keys and does not know this table.
    api_key = models.UUIDField(primary_key=True)
    day = models.DateField()
    tokens = models.BigIntegerField()
    until = models.BigIntegerField(help_text="The id of an entry.")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.tokens} on {self.day}"


class LedgerCheck(models.Model):
    """The result of one reconciliation run.

    A run that its time limit stopped is not `completed`: it has no totals, and its findings cover
    only the rules that were checked before.
    """

    ran_at = models.DateTimeField()
    seconds = models.FloatField()
    # db_default, because processes of the previous version insert rows without it.
    completed = models.BooleanField(default=True, db_default=True)
    accounts = models.PositiveBigIntegerField(null=True)
    entries = models.PositiveBigIntegerField(null=True)
    tokens = models.BigIntegerField(null=True, help_text="The sum of all entries.")
    # Written by `sums`, for the metrics.
    summed_until = models.BigIntegerField(
        null=True, help_text="The last entry that the sums include."
    )
    sums = models.JSONField(null=True, help_text="Tokens by kind of entry.")
    findings = models.PositiveIntegerField()
    first_findings = models.TextField(blank=True)

    def __str__(self) -> str:
        found = f"{self.findings} findings" if self.findings else "in order"
        if self.completed:
            return found
        return f"not completed, {found}" if self.findings else "not completed"
