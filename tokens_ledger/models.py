"""What every user's tokens are, and each step that made them so.

A balance is the sum of its account's entries. Entries are appended, never changed or deleted:
migration 0002 makes the database itself refuse anything else. `ledger.py` is the only writer.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class Account(models.Model):
    """One user's tokens. No account yet means a balance of 0."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="token_account",
    )
    balance = models.BigIntegerField(default=0, help_text="Tokens; the sum of the entries.")

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
    """One change of a balance. `reference` is what was paid for (a job's id), or empty."""

    class Kind(models.TextChoices):
        """GRANT and REFUND add, CHARGE takes, ADJUSTMENT does either."""

        GRANT = "grant"
        CHARGE = "charge"
        REFUND = "refund"
        ADJUSTMENT = "adjustment"

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="entries", db_index=False
    )
    kind = models.CharField(max_length=10, choices=Kind)
    amount = models.BigIntegerField(help_text="Tokens; below 0 where they were taken.")
    balance_after = models.BigIntegerField(help_text="Tokens on the account after this entry.")
    reference = models.CharField(max_length=64, blank=True, default="")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who did it; empty where the service did.",
    )
    note = models.CharField(
        max_length=500, blank=True, default="", help_text="The account's user reads it."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "entries"
        permissions = [
            ("export_entry", "Can export entries"),
            ("refund_without_limit", "Can refund more than the daily limit"),
        ]
        indexes = [
            # The account's listing, its last entry, and the audit's walk through each account.
            models.Index(F("account"), F("id").desc(), name="entry_account_newest_first"),
            models.Index(fields=["created_at"], name="entry_by_time"),
            # What was granted to an account by command, among any number of charges.
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


class LedgerCheck(models.Model):
    """What the audit found, and when: one row for each time that it ran.

    One that was stopped by its time limit is not `completed`. It has no totals, and its findings
    are those of the rules that it came to.
    """

    ran_at = models.DateTimeField()
    seconds = models.FloatField()
    # For the database too: processes of the version before insert rows without it.
    completed = models.BooleanField(default=True, db_default=True)
    accounts = models.PositiveBigIntegerField(null=True)
    entries = models.PositiveBigIntegerField(null=True)
    tokens = models.BigIntegerField(null=True, help_text="The sum of all entries.")
    findings = models.PositiveIntegerField()
    first_findings = models.TextField(blank=True)

    def __str__(self) -> str:
        found = f"{self.findings} findings" if self.findings else "in order"
        if self.completed:
            return found
        return f"not completed, {found}" if self.findings else "not completed"
