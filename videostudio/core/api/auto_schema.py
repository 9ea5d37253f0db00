"""The parts of an operation that drf-spectacular derives from the view, so none repeats them."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.parsers import FormParser
from rest_framework.permissions import SAFE_METHODS

from videostudio.core.api import openapi
from videostudio.core.api.openai_form import in_openai_form, is_openai


class Schema(AutoSchema):
    """Adds the errors that any call may get, the headers of the throttles and the id in the path.

    An operation describes a status itself if it means more there. Under /v1/ errors have OpenAI's
    form. The body of a DELETE is described, which OpenAPI 3.0 allows and drf-spectacular leaves
    out, and none for a call that reads none.
    """

    view: Any  # a StrictView

    def map_parsers(self) -> list[Any]:
        """Forms without files are accepted and not described."""
        return [kind for kind in super().map_parsers() if kind != FormParser.media_type]

    def _get_request_body(self, direction: str = "request") -> Any:
        if self.view.call not in self.view.reads_body:
            return None
        method, self.method = self.method, "POST"
        try:
            return super()._get_request_body(direction)
        finally:
            self.method = method

    def get_override_parameters(self) -> list[Any]:
        """The id in the path, and the query's fields."""
        text = f"The {self.view.noun}'s id. A malformed id is answered with 404."
        id = OpenApiParameter("id", str, location="path", description=text)
        query = self.view.query_serializers.get(self.view.call)
        return [*([id] if "{id}" in self.path else []), *([query] if query else [])]

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        described = super()._get_response_bodies(direction)
        usual = {
            status: self._get_response_for_code(response, status)
            for status, response in self._refusals().items()
            if status not in described
        }
        return dict(sorted((described | usual).items()))

    def _refusals(self) -> dict[str, OpenApiResponse]:
        refusals = {"400": openapi.UNKNOWN, "4XX": self._other_refusals(), "5XX": openapi.FAILURES}
        if self._needs_login():
            refusals["401"] = openapi.UNAUTHORIZED
            if self.method in getattr(self.view, "session_required", ()):
                refusals["403"] = openapi.SESSION_REQUIRED
            elif self.method not in SAFE_METHODS:
                refusals["403"] = openapi.READ_ONLY_KEY
        if "{id}" in self.path:
            text = f"You have no such {self.view.noun}."
            refusals["404"] = openapi.refused(text, not_found="Not found.")
        for throttle in self.view.get_throttles()[:1]:
            throttle.now = 0.0
            refusals["429"] = openapi.refused("Too many requests.", throttled=throttle.refusal())
        return refusals

    def _other_refusals(self) -> OpenApiResponse:
        """A client may be older than the service, and must not fail because of a new status."""
        text, form = "405 (`method_not_allowed`)", ""
        if not is_openai(self.path):
            text, form = f"{text}, 406 (`not_acceptable`)", " as `ValidationProblem`"
        if self.view.call in self.view.reads_body:
            text += f"; and{form} 411 (`length_required`), 413 (`too_large`), "
            text += "415 (`unsupported_media_type`)"
        return openapi.refused(
            f"{text}. A later version may add others.",
            method_not_allowed='Method "TRACE" not allowed.',
        )

    def _get_response_for_code(self, serializer: Any, status_code: str, *more: Any) -> Any:
        if is_openai(self.path) and status_code >= "400":
            serializer = _in_openai_form(serializer, int(status_code.replace("X", "0")))
        return super()._get_response_for_code(serializer, status_code, *more)

    def _get_response_headers_for_code(self, status_code: str, *more: Any) -> Any:
        headers = super()._get_response_headers_for_code(status_code, *more)
        if status_code in ("429", "503", "5XX"):
            headers.setdefault("Retry-After", openapi.RETRY_AFTER)
        is_before_throttles = self._needs_login() and status_code in ("401", "403")
        if self.view.get_throttles() and status_code.isdigit() and not is_before_throttles:
            headers |= openapi.RATE_LIMITS
        return headers

    def _needs_login(self) -> bool:
        return bool(self.view.get_authenticators())


def _in_openai_form(response: OpenApiResponse, status: int) -> OpenApiResponse:
    examples = [
        OpenApiExample(each.name, value=in_openai_form(status, each.value))
        for each in response.examples
    ]
    return OpenApiResponse(openapi.OpenAIErrorSerializer, response.description, examples=examples)
