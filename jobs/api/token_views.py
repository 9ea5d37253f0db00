"""The user's balance and usage, which concern the ledger and the jobs."""

from typing import cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.models import User
from jobs import job_creation, pricing
from jobs.api import token_schema
from jobs.api.serializers import TokensSerializer, UsageQuerySerializer, UsageSerializer
from jobs.catalog import OPERATION
from jobs.models import VideoJob
from jobs.stats import usage
from tokens_ledger import ledger
from videostudio.core.api.strict import StrictView


@extend_schema(tags=["tokens"])
class TokensViewSet(StrictView, ViewSet):
    query_serializers = {"usage": UsageQuerySerializer}

    @token_schema.retrieve
    def retrieve(self, request: Request) -> Response:
        tokens = {
            "availableTokens": ledger.balance(user=cast(User, request.user)),
            "costs": {OPERATION: pricing.highest()},
            "activeJobs": VideoJob.objects.for_user(request.user).active().count(),
            "activeJobsLimit": job_creation.max_active_jobs(),
        }
        return Response(TokensSerializer(tokens).data)

    @token_schema.usage
    def usage(self, request: Request) -> Response:
        days = usage.by_day(user=request.user, days=self.query["days"], now=timezone.now())
        return Response(UsageSerializer({"days": list(days)}).data)
