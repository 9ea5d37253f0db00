"""Map every exception raised in the API to a status and a body.

Apps raise subclasses of APIException, or have their views translate the exceptions of their domain.
All bodies have `detail`, a sentence for a person, and `code`, a word for a program. Those for an
invalid request (400, 411, 413 to 415, 422, 431) also name the field and list all errors. Under
/v1/ an error has OpenAI's form instead (`openai_form.py`).
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import Http404, HttpRequest, JsonResponse, UnreadablePostError
from django.utils.log import log_response
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.exceptions import ErrorDetail
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from videostudio.core.api.fields import one_of
from videostudio.core.api.names import printable
from videostudio.core.api.openai_form import in_openai_form, is_openai, no_retry

NO_CREDENTIALS = "Send the header 'Authorization: Bearer <API key or access token>'."
NON_FIELD_ERRORS = api_settings.NON_FIELD_ERRORS_KEY
WITHOUT_TOKEN = ("not_authenticated", "no_active_account")  # codes of 401s that concern no token


class Problem(exceptions.APIException):
    """An error whose body has the fields `more` beside `detail`, which is text or an object."""

    def __init__(
        self,
        status: int,
        detail: Any,
        code: str,
        *,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        self.status_code, self.detail, self.code = status, detail, code
        self.headers, self.more = headers, more


def handle(exc: Exception, context: dict) -> Response | None:
    """The response to `exc`; None for other exceptions, which Django logs and answers with 500."""
    for kinds, answer in ANSWERS:
        if isinstance(exc, kinds):
            set_rollback()
            request = context["request"]  # the view may render HTML, but errors are JSON
            request.accepted_renderer = JSONRenderer()
            request.accepted_media_type = JSONRenderer.media_type
            response = answer(_explained(exc, context))
            response.error_code = response.data["code"]  # type: ignore[attr-defined]  # for metrics
            if is_openai(request.path):
                response.data = in_openai_form(response.status_code, response.data)
            if response.status_code >= 500:  # Django would log an expected 503 as an ERROR
                log_response("%s", request.path, response=response, request=request, level="info")
            return response
    return None


def _explained(exc: Any, context: dict) -> Any:
    """DRF's exceptions whose sentence does not say what to do get one that does."""
    if isinstance(exc, exceptions.UnsupportedMediaType):
        accepted = [parser.media_type for parser in context["view"].parser_classes]
        sent = context["request"].content_type
        kinds = one_of(accepted)
        message = f"Send {kinds}, not '{printable(sent)}'"
        if not sent:
            message = f"Send a Content-Type header: {kinds}"
        exc.detail = ErrorDetail(message, exc.default_code)
    elif isinstance(exc, exceptions.NotAcceptable):
        renderers = context["view"].renderer_classes
        available = " or ".join(renderer.media_type for renderer in renderers)
        exc.detail = ErrorDetail(
            f"The response is {available}: the Accept header must allow it.", exc.default_code
        )
    elif type(exc) is exceptions.NotAuthenticated and exc.detail == exc.default_detail:
        exc.detail = ErrorDetail(NO_CREDENTIALS, exc.default_code)
    return exc


def _response(
    status: int, detail: Any, code: str, headers: dict | None = None, **more: Any
) -> Response:
    return Response({"detail": detail, "code": code} | more, status=status, headers=headers)


def _fault_response(status: int, code: str, faults: list[dict]) -> Response:
    """An invalid request. Each of `faults` has `field` (or None), `message` and `code`."""
    first = faults[0]
    return _response(status, first["message"], code, field=first["field"], errors=faults)


# ---- One function for each kind of response ----


def _invalid(exc: exceptions.ValidationError) -> Response:
    faults = list(_faults(exc.get_full_details(), None))
    return _fault_response(exc.status_code, getattr(exc, "code", "invalid"), faults)


def _faults(details: Any, field: str | None) -> Iterator[dict]:
    """Flatten DRF's nested details: one fault for each message, named by the outermost field."""
    if isinstance(details, list):
        for item in details:
            yield from _faults(item, field)
    elif "message" in details and "code" in details and not isinstance(details["code"], list):
        code = str(details["code"])
        yield {"field": field, "message": _sentence(str(details["message"]), field), "code": code}
    else:
        for name, item in details.items():
            inner = field or (None if name == NON_FIELD_ERRORS else str(name))
            yield from _faults(item, inner)


def _sentence(message: str, field: str | None) -> str:
    """DRF's "This field is required." as "Aspect ratio is required"."""
    if field and message.startswith("This field "):
        message = f"{_label(field)} {message.removeprefix('This field ')}"
    return message.removesuffix(".")


def _label(field: str) -> str:
    """A field's name for a person: "Aspect ratio" for "aspectRatio"."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda m: f" {m[1].lower()}", field).capitalize()


def _problem(exc: Problem) -> Response:
    return _response(exc.status_code, exc.detail, exc.code, exc.headers, **exc.more)


def _api_exception(exc: exceptions.APIException) -> Response:
    details: Any = exc.get_full_details()
    code = details.get("code", exc.default_code)
    message = details.get("detail") or details.get("message")
    if isinstance(message, dict):  # simplejwt nests its details
        message, code = message["message"], details["code"]["message"]
    headers = {}
    if challenge := getattr(exc, "auth_header", None):
        if code not in WITHOUT_TOKEN:
            challenge += ', error="invalid_token"'  # RFC 6750, 3.1
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if exc.status_code in (400, 411, 413, 415):
        code = {"parse_error": "malformed"}.get(code, code)
        return _one_fault(exc.status_code, str(code), str(message).removesuffix("."))
    return _response(exc.status_code, str(message), str(code), headers)


def _body_refused(exc: Exception) -> Response:
    if isinstance(exc, TooManyFilesSent):
        most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
        return _one_fault(400, "malformed", f"A request can have at most {most} files")
    if isinstance(exc, TooManyFieldsSent):
        most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        return _one_fault(400, "malformed", f"A request can have at most {most:,} fields")
    if isinstance(exc, RequestDataTooBig):
        return _one_fault(413, "too_large", "The fields of a request must be at most 1 MB in all")
    return _one_fault(400, "malformed", "The request body cannot be read")


def _one_fault(status: int, code: str, message: str) -> Response:
    return _fault_response(status, code, [{"field": None, "message": message, "code": code}])


def _fixed(status: int, detail: str, code: str) -> Callable[[Exception], Response]:
    return lambda exc: _response(status, detail, code)


ANSWERS: list[tuple[Any, Callable[[Any], Response]]] = [
    (exceptions.ValidationError, _invalid),
    (Problem, _problem),
    (exceptions.APIException, _api_exception),
    (Http404, _fixed(404, "Not found.", "not_found")),
    (PermissionDenied, _fixed(403, "Permission denied.", "permission_denied")),
    ((SuspiciousOperation, BadRequest, UnreadablePostError), _body_refused),
]


# ---- Django's own error responses, in the same form under /api/ and /v1/ ----


def is_api(request: HttpRequest) -> bool:
    return is_openai(request.path) or f"/{request.path.lstrip('/')}/".startswith("/api/")


def json_error(
    request: HttpRequest,
    status: int,
    detail: str,
    code: str,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> JsonResponse:
    body: dict[str, Any] = {"detail": detail, "code": code} | more
    headers = dict(headers or {})
    if is_openai(request.path):
        body = in_openai_form(status, body)
        headers |= no_retry(request.method, request.headers) if status >= 500 else {}
    response = JsonResponse(body, status=status, headers=headers)
    response.error_code = code  # type: ignore[attr-defined]  # for metrics
    return response


@csrf_exempt  # it only returns 404
def not_found(request: HttpRequest, exception: Exception | None = None, **kwargs: Any) -> Any:
    if is_openai(request.path):
        detail = (
            "There is no such path. Of OpenAI's API, this service has only /v1/videos: see /docs."
        )
        return json_error(request, 404, detail, "not_found")
    if is_api(request):
        detail = "There is no such path. The API is at /api/v1, its guide at /docs."
        return json_error(request, 404, detail, "not_found")
    return defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> Any:
    if is_api(request):
        message = "The request cannot be read"
        if isinstance(exception, DisallowedHost):
            message = "This host name is not served: the operator can add it to ALLOWED_HOSTS"
        errors = [{"field": None, "message": message, "code": "malformed"}]
        return json_error(request, 400, message, "malformed", field=None, errors=errors)
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> Any:
    if is_api(request):
        return json_error(request, 500, "Something went wrong on our side.", "internal")
    return defaults.server_error(request)
