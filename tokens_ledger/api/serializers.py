"""What the tokens' endpoints answer. Who acted is not in it: that is for staff."""

from rest_framework import serializers

from tokens_ledger.models import Entry


class TokensSerializer(serializers.Serializer):
    availableTokens = serializers.IntegerField(help_text="Tokens that can be spent now.")
    costs = serializers.DictField(
        child=serializers.IntegerField(), help_text="What each operation costs, in tokens."
    )


class EntrySerializer(serializers.ModelSerializer):
    id = serializers.IntegerField(help_text="Grows with every entry.")
    kind = serializers.ChoiceField(
        choices=Entry.Kind.choices,
        help_text="`grant` and `refund` add, `charge` takes, `adjustment` does either.",
    )
    amount = serializers.IntegerField(help_text="Tokens; below 0 where they were taken.")
    balanceAfter = serializers.IntegerField(
        source="balance_after", help_text="Tokens on the account after this entry."
    )
    reference = serializers.CharField(help_text="What was paid for: a job's id, or empty.")
    note = serializers.CharField(help_text="Why, in words.")
    createdAt = serializers.DateTimeField(source="created_at", help_text="In UTC.")

    class Meta:
        model = Entry
        fields = ["id", "kind", "amount", "balanceAfter", "reference", "note", "createdAt"]


class EntriesSerializer(serializers.Serializer):
    entries = EntrySerializer(many=True, help_text="Newest first.")
    total = serializers.IntegerField(help_text="How many entries there are in all.")
