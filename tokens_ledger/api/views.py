"""A user's own balance and entries."""

from typing import cast

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.models import User
from tokens_ledger import ledger
from tokens_ledger.api import schema
from tokens_ledger.api.serializers import EntriesSerializer, TokensSerializer
from tokens_ledger.models import Entry
from videostudio.core.api.pagination import PageSerializer
from videostudio.core.api.strict import StrictView


@extend_schema(tags=["tokens"])
class TokensViewSet(StrictView, ViewSet):
    query_serializers = {"entries": PageSerializer}

    @schema.retrieve
    def retrieve(self, request: Request) -> Response:
        tokens = {
            "availableTokens": ledger.balance(user=cast(User, request.user)),
            "costs": settings.VIDEO_TOKEN_COSTS,
        }
        return Response(TokensSerializer(tokens).data)

    @schema.entries
    def entries(self, request: Request) -> Response:
        limit, offset = self.query["limit"], self.query["offset"]
        entries = Entry.objects.filter(account=request.user.pk).order_by("-id")
        found = {"entries": entries[offset : offset + limit], "total": entries.count()}
        return Response(EntriesSerializer(found).data)
