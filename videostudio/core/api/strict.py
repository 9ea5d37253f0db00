"""Unknown fields and query parameters are refused: a misspelt one must not become a paid video.

Every serializer that reads a request is a `StrictSerializer`, every view a `StrictView`. A test
walks all paths and finds those that are not.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.fields import empty
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.views import APIView

# A body may hold a million names, and each may be long: the answer stays short.
MAX_NAMES = 20
MAX_NAME_CHARACTERS = 60
# Between "duration" and "durationSeconds" (0.70), and "negativePrompt" and "prompt" (0.60).
CLOSE = 0.65


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
        if request.method not in SAFE_METHODS and call not in self.reads_body:
            read(StrictSerializer, request.data)


def read(serializer_class: type[StrictSerializer], data: Any) -> dict[str, Any]:
    """The validated data. Raises ValidationError."""
    serializer = serializer_class(data=data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def printable(name: str) -> str:
    """A client's text, fit for an answer: short, without control and other invisible characters."""
    shown = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in name[:MAX_NAME_CHARACTERS]
    )
    return shown + ("…" if len(name) > MAX_NAME_CHARACTERS else "")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is spelt most like this one, whatever its case and its punctuation."""
    spellings = {_letters(each): each for each in known}
    found = difflib.get_close_matches(_letters(name), spellings, n=1, cutoff=CLOSE)
    return spellings[found[0]] if found else None


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
