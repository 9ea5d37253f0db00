"""Unknown fields and query parameters are refused: a misspelt one must not become a paid video.

Every serializer that reads a request is a `StrictSerializer`, every view a `StrictView`. A test
walks all paths and finds those that are not.
"""

from collections.abc import Collection, Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.fields import empty
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.views import APIView

from videostudio.core.api.names import MAX_NAMES, nearest, printable, refuse_repeated
from videostudio.core.api.parsers import (
    BoundedFormParser,
    OptionalJSONParser,
    WholeMultiPartParser,
)

# A call without a body names the fields that it was sent, whatever their format.
PARSERS_WITHOUT_BODY = (OptionalJSONParser, WholeMultiPartParser, BoundedFormParser)


class StrictSerializer(serializers.Serializer):
    """Refuses names that are not among its fields, beside all other faults."""

    noun = "field"

    def run_validation(self, data: Any = empty) -> Any:
        unknown = self._unknown(data)
        try:
            value = super().run_validation(data)
        except ValidationError as refusal:
            if not unknown or not isinstance(refusal.detail, dict):
                raise
            # The unknown name first: it is often why another field is missing.
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
    """Reads a query; a subclass has a field for each parameter."""

    noun = "query parameter"


class StrictView(APIView):
    """Reads the query of every call, and refuses a body where the call has no use for one.

    Calls are named by their action in a viewset, elsewhere by their method in lower case.
    """

    query_serializers: Mapping[str, type[StrictQuerySerializer]] = {}
    reads_body: Collection[str] = ()  # the calls that read it by a StrictSerializer
    query: Mapping[str, Any]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After authentication and throttles, before anything is looked up."""
        super().initial(request, *args, **kwargs)
        method = str(request.method).lower()
        if not hasattr(self, method):
            return  # 405
        call = getattr(self, "action", None) or method.replace("head", "get")
        serializer_class = self.query_serializers.get(call, StrictQuerySerializer)
        # A dict, since from a QueryDict DRF reads `limit=` as left out.
        self.query = read(serializer_class, request.query_params.dict())
        refuse_repeated(
            (name for name, values in request.query_params.lists() if len(values) > 1),
            noun="query parameter",
        )
        if request.method not in SAFE_METHODS and call not in self.reads_body:
            request.parsers = [parser() for parser in PARSERS_WITHOUT_BODY]
            read(StrictSerializer, request.data)


def read(serializer_class: type[StrictSerializer], data: Any) -> dict[str, Any]:
    """The validated data. Raises ValidationError."""
    serializer = serializer_class(data=data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
