"""`/metrics` for Prometheus. It needs METRICS_TOKEN as a bearer token; 404 if that is not set."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from jobs.stats.prometheus import text


@csrf_exempt
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    if not settings.METRICS_TOKEN:
        raise Http404
    authorization = request.headers.get("Authorization", "")
    tokens = [settings.METRICS_TOKEN, *settings.METRICS_TOKEN_FALLBACKS]
    if not any(constant_time_compare(authorization, f"Bearer {token}") for token in tokens):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(text(), content_type=CONTENT_TYPE_PLAIN_0_0_4)
