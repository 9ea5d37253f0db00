"""Serializers of balances and entries. The actor is not included: only staff may see it."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from tokens_ledger.models import Entry
from videostudio.core.api.fields import ChoicesField
from videostudio.core.api.pagination import CursorField, PageSerializer


class EntriesQuerySerializer(PageSerializer):
    kind = ChoicesField(
        "Kind",
        Entry.Kind.values,
        required=False,
        help_text="One or several kinds, separated by commas: `charge,refund`.",
    )
    after = CursorField(int, required=False, help_text="The `nextCursor` of the previous page.")


class LedgerEntrySerializer(serializers.Serializer):
    id = serializers.IntegerField(help_text="Increases with every entry.")
    kind = serializers.ChoiceField(
        choices=Entry.Kind.choices,
        help_text="`grant` and `refund` add, `charge` deducts, `adjustment` does either.",
    )
    amount = serializers.IntegerField(help_text="In tokens; negative if they were deducted.")
    balanceAfter = serializers.IntegerField(
        source="balance_after", help_text="The balance after this entry."
    )
    reference = serializers.CharField(help_text="The job's id, or empty.")
    note = serializers.CharField(help_text="The reason, for a person.")
    createdAt = serializers.DateTimeField(source="created_at", help_text="In UTC.")


@extend_schema_serializer(many=False)
class LedgerEntryListSerializer(serializers.Serializer):
    entries = LedgerEntrySerializer(many=True, help_text="Newest first.")
    total = serializers.IntegerField(help_text="The number of entries that match the filters.")
    nextCursor = serializers.CharField(
        allow_null=True, help_text="For `after`: the next page; null on the last page."
    )
    hasMore = serializers.BooleanField(help_text="Whether there is a next page.")
