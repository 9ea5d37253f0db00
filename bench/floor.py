"""The lower limit for a poll's cost, measured together with the service.

It is a bare Django without middleware or framework, under the same gunicorn with the same database
settings. Its one view checks a JWT, fetches one job by its key, and answers JSON of about the size
of a poll's response.
"""

import json
import re

import jwt
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import re_path

from videostudio.settings import DATABASES, SECRET_KEY, SIMPLE_JWT

settings.configure(
    SECRET_KEY=SECRET_KEY,
    ALLOWED_HOSTS=["*"],
    DATABASES=DATABASES,
    ROOT_URLCONF=__name__,
    USE_TZ=True,
)

KEY = str(SIMPLE_JWT["SIGNING_KEY"])
BEARER = re.compile(r"Bearer (\S+)")
COLUMNS = (
    *("id", "user_id", "prompt", "model", "resolution", "aspect_ratio", "duration_seconds"),
    *("generate_audio", "mock_mode", "status", "status_message", "progress_percentage"),
    *("tokens_consumed", "tokens_refunded", "video_url", "poster_url", "error_message"),
    *("error_code", "created_at", "started_at", "completed_at"),
)
QUERY = f"SELECT {', '.join(COLUMNS)} FROM jobs_videojob WHERE id = %s"
LINE = {"timestamp": "2024-01-15T10:30:00Z", "level": "info", "message": "A line of a log, a few"}
LOGS = [LINE] * 6


def job(request: HttpRequest, id: str) -> HttpResponse:
    bearer = BEARER.fullmatch(request.headers.get("Authorization", ""))
    try:
        jwt.decode(bearer[1] if bearer else "", KEY, algorithms=["HS256"])
    except jwt.InvalidTokenError:
        return HttpResponse(status=401)
    with connection.cursor() as cursor:
        cursor.execute(QUERY, [id])
        row = cursor.fetchone()
    if row is None:
        return HttpResponse(status=404)
    answer = dict(zip(COLUMNS, row, strict=True)) | {"logs": LOGS}
    content = json.dumps(answer, default=str).encode()
    headers = {"Content-Length": str(len(content))}  # needed for persistent connections
    return HttpResponse(content, content_type="application/json", headers=headers)


def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse(headers={"Content-Length": "0"})


urlpatterns = [re_path("^healthz$", healthz), re_path("^floor/(?P<id>[0-9a-f-]{36})$", job)]
application = get_wsgi_application()
