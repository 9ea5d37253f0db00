"""Refuse unknown fields and query parameters: a misspelt option must not make a paid video.

Every serializer that reads a request is a `StrictSerializer`, every view a `StrictView`. A test
checks this for all paths.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, NotFound, Throttled, ValidationError
from rest_framework.fields import empty
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.views import APIView

from videostudio.core.api.names import MAX_NAMES, nearest, printable, refuse_repeated
from videostudio.core.api.parsers import (
    BoundedFormParser,
    OptionalJSONParser,
    WholeMultiPartParser,
    require_length,
)
from videostudio.core.api.throttling import WindowThrottle

# A call without a body refuses fields by name, so it reads every format.
PARSERS_WITHOUT_BODY = (OptionalJSONParser, WholeMultiPartParser, BoundedFormParser)


class StrictSerializer(serializers.Serializer):
    """Refuses names that are not among its fields, together with all other errors."""

    noun = "field"

    def run_validation(self, data: Any = empty) -> Any:
        unknown = self._unknown(data)
        try:
            value = super().run_validation(data)
        except ValidationError as refusal:
            if not unknown or not isinstance(refusal.detail, dict):
                raise
            # Unknown names first: they are often why another field is missing.
            raise ValidationError(unknown | refusal.detail) from refusal
        if unknown:
            raise ValidationError(unknown)
        return value

    def to_internal_value(self, data: Any) -> Any:
        if hasattr(data, "getlist"):
            refuse_repeated(
                name
                for name, field in self.fields.items()
                if not isinstance(field, serializers.ListField) and len(data.getlist(name)) > 1
            )
        return super().to_internal_value(data)

    def _unknown(self, data: Any) -> dict[str, Any]:
        names = data if isinstance(data, Mapping) else ()
        unknown = [name for name in names if name not in self.fields]
        return {
            shown: [ErrorDetail(self._sentence(shown), "unknown_field")]
            for shown in map(printable, unknown[:MAX_NAMES])
        }

    def _sentence(self, name: str) -> str:
        near = nearest(name, self.fields)
        return f"Unknown {self.noun} '{name}'" + (f": did you mean '{near}'?" if near else "")


class StrictQuerySerializer(StrictSerializer):
    """For query parameters; a subclass has a field for each."""

    noun = "query parameter"


class StrictView(APIView):
    """Validates the query of every call, and refuses a body unless the call reads one.

    Calls are named by their action in a viewset, elsewhere by their method in lower case.
    """

    # DRF would describe the fields of the response. Preflights are answered by the CORS middleware.
    http_method_names = [name for name in APIView.http_method_names if name != "options"]
    query_serializers: Mapping[str, type[StrictQuerySerializer]] = {}
    reads_body: Collection[str] = ()  # calls that read a body, with a StrictSerializer
    throttles_of: Mapping[str, type[WindowThrottle]] = {}  # of single calls
    noun = ""  # what the id in the path identifies
    query: Mapping[str, Any]
    throttles: Sequence[WindowThrottle] = ()  # those that have counted the request

    @property
    def call(self) -> str:
        method = str(self.request.method).lower().replace("head", "get")
        return getattr(self, "action", None) or method

    def get_throttles(self) -> Any:
        throttle = self.throttles_of.get(self.call)
        return [throttle()] if throttle else super().get_throttles()

    def check_throttles(self, request: Request) -> None:
        """Stop at the first refusal: for a flood, no body is read and nothing else is counted."""
        self.throttles = []
        if not hasattr(self, str(request.method).lower()):
            return  # 405
        throttles: list[Any] = self.get_throttles()  # each a WindowThrottle
        for throttle in throttles:
            allowed = throttle.allow_request(request, self)
            self.throttles.append(throttle)
            if not allowed:
                refusal = Throttled(throttle.wait())
                refusal.detail = ErrorDetail(throttle.refusal(), refusal.default_code)
                raise refusal

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        if self.authentication_classes:
            response.headers["Cache-Control"] = "private, no-cache"
        items = [throttle.headers() for throttle in self.throttles]
        for name in ("RateLimit-Policy", "RateLimit"):
            if values := [item[name] for item in items if item]:
                response.headers[name] = ", ".join(values)
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Runs after authentication and throttles, before any object is loaded."""
        super().initial(request, *args, **kwargs)
        if not hasattr(self, str(request.method).lower()):
            return  # 405
        serializer_class = self.query_serializers.get(self.call, StrictQuerySerializer)
        # A dict, because DRF treats an empty `limit=` in a QueryDict as missing.
        self.query = read(serializer_class, request.query_params.dict())
        refuse_repeated(
            (name for name, values in request.query_params.lists() if len(values) > 1),
            noun="query parameter",
        )
        if request.method not in SAFE_METHODS:
            require_length(request)
        if request.method not in SAFE_METHODS and self.call not in self.reads_body:
            request.parsers = [parser() for parser in PARSERS_WITHOUT_BODY]
            read(StrictSerializer, request.data)


def id_in_path(text: str) -> UUID:
    """Raises NotFound for a malformed id, as for an unknown one."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound from None


def read(serializer_class: type[StrictSerializer], data: Any) -> Any:
    """The validated data. Raises ValidationError."""
    return _shared(serializer_class).run_validation(data)


@cache
def _shared(serializer_class: type[StrictSerializer]) -> StrictSerializer:
    """One instance for all requests: validation changes none, and to copy its fields takes longer
    than to validate."""
    return serializer_class()
