"""A user's own entries."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from tokens_ledger import account_totals
from tokens_ledger.api import schema
from tokens_ledger.api.serializers import EntriesQuerySerializer, LedgerEntryListSerializer
from tokens_ledger.models import Entry
from videostudio.core.api.pagination import Cursor, created_between
from videostudio.core.api.strict import StrictView


@extend_schema(tags=["tokens"])
class EntriesViewSet(StrictView, ViewSet):
    query_serializers = {"list": EntriesQuerySerializer}

    @schema.entries
    def list(self, request: Request) -> Response:
        limit, offset = self.query["limit"], self.query["offset"]
        filters: dict[str, Any] = created_between(self.query)
        if "kind" in self.query:
            filters["kind__in"] = self.query["kind"]
        entries = Entry.objects.filter(account=request.user.pk, **filters).order_by("-id")
        after: Cursor | None = self.query.get("after")
        total = after.total if after else None
        if total is None and filters:
            total = entries.count()  # once: the cursor carries it to the next pages
        elif total is None:
            total = account_totals.entries(account=request.user.pk)
        rest = entries.filter(id__lt=after.position[0]) if after else entries
        found = list(rest[offset : offset + limit + 1])
        more = len(found) > limit
        page = {
            "entries": found[:limit],
            "total": total,
            "nextCursor": self._cursor(found[limit - 1], total) if more else None,
            "hasMore": more,
        }
        return Response(LedgerEntryListSerializer(page).data)

    def _cursor(self, last: Entry, total: int) -> str:
        return Cursor([str(last.pk)], self.query["filters"], total).encode()
