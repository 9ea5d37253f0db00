"""Changes to the whole OpenAPI document, so that generated clients can be used and keep working.

A client may be older than the service. A value, an error code or a status that it does not know
must not make it fail: enumerations in responses are open, and each operation has responses for all
other errors, `4XX` and `5XX`, in its own form: ours, or OpenAI's under /v1/.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from drf_spectacular.openapi import AutoSchema

from videostudio.core.api.openai_form import in_openai_form, is_openai

Document = dict[str, Any]
Problem = Callable[[int, str, Document], Document]  # status, description, example: a response

UNAVAILABLE = {
    "detail": "The service is not available at the moment. Please try again.",
    "code": "unavailable",
}
METHOD = {"detail": 'Method "TRACE" not allowed.', "code": "method_not_allowed"}
HEADERS: dict[str, Document] = {
    "RequestId": {
        "description": "The id of the request in the service's log: yours, if you sent a valid "
        "`X-Request-ID`.",
        "schema": {"type": "string", "maxLength": 64},
    },
    "RetryAfter": {
        "description": "Seconds to wait before the next attempt.",
        "schema": {"type": "integer"},
    },
}


class Schema(AutoSchema):
    """Documents the body of a DELETE as well, which drf-spectacular leaves out.

    OpenAPI 3.0 allows it, although HTTP gives it no meaning, and generators make a parameter of it.
    """

    def _get_request_body(self, direction: str = "request") -> Any:
        method = self.method
        if method == "DELETE" and "delete" in getattr(self.view, "reads_body", ()):
            self.method = "POST"
        try:
            return super()._get_request_body(direction)
        finally:
            self.method = method


def complete(result: Document, generator: Any, **options: Any) -> Document:
    """A postprocessing hook of drf-spectacular's; it runs after the one that names the enums."""
    components = result["components"]
    _name_members(components["schemas"])
    _open_enums(components["schemas"])
    _drop_misread_keywords(components["schemas"])
    components["headers"] = HEADERS
    for path, operation in _operations(result):
        if not any(operation.get("security", [])):
            operation["security"] = []
        problem = _openai_problem if is_openai(path) else _problem
        others = {"4XX": _other_refusals(operation, problem), "5XX": _failures(problem)}
        operation["responses"] |= others
        for response in operation["responses"].values():
            headers = response.setdefault("headers", {})
            headers["X-Request-ID"] = {"$ref": "#/components/headers/RequestId"}
    _list_codes(result)
    return result


def _operations(result: Document) -> Iterator[tuple[str, Document]]:
    for path, methods in result["paths"].items():
        for operation in methods.values():
            yield path, operation


def _other_refusals(operation: Document, problem: Problem) -> Document:
    description, form = "405 (`method_not_allowed`)", ""
    if problem is _problem:
        description, form = f"{description}, 406 (`not_acceptable`)", " as `ValidationProblem`"
    if "requestBody" in operation:
        description += (
            f"; and{form} 411 (`length_required`), 413 (`too_large`), "
            "415 (`unsupported_media_type`)"
        )
    return problem(405, f"{description}. A later version may add others.", METHOD)


def _failures(problem: Problem) -> Document:
    response = problem(503, "500 (`internal`), or 503 (`unavailable`): try again.", UNAVAILABLE)
    return response | {"headers": {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}}


def _problem(status: int, description: str, example: Document) -> Document:
    return _error_response("Problem", description, example["code"], example)


def _openai_problem(status: int, description: str, example: Document) -> Document:
    shown = in_openai_form(status, example)
    return _error_response("OpenAIError", description, example["code"], shown)


def _error_response(schema: str, description: str, name: str, value: Document) -> Document:
    body = {
        "schema": {"$ref": f"#/components/schemas/{schema}"},
        "examples": {name: {"value": value}},
    }
    return {"description": description, "content": {"application/json": body}}


def _name_members(schemas: Document) -> None:
    """Generators make constants of the values: `720p` becomes RESOLUTION_720P, not VALUE_0."""
    for name, schema in schemas.items():
        if "enum" in schema:
            prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
            schema["x-enum-varnames"] = [
                _constant(str(value), prefix=prefix) for value in schema["enum"]
            ]


def _constant(value: str, *, prefix: str) -> str:
    name = value if value[0].isalpha() else f"{prefix}_{value}"
    return re.sub(r"\W", "_", name).upper()


def _open_enums(schemas: Document) -> None:
    """In responses, an enum lists the values known today and allows others."""
    for name, schema in schemas.items():
        if name.endswith("Request"):
            continue
        for field in schema.get("properties", {}).values():
            if any(_is_enum(schemas, each) for each in field.get("allOf", [])):
                field["anyOf"] = [*field.pop("allOf"), {"type": "string"}]


def _is_enum(schemas: Document, reference: Document) -> bool:
    return "enum" in schemas[reference["$ref"].rpartition("/")[2]]


def _drop_misread_keywords(schemas: Document) -> None:
    """Requests and responses have components of their own. `readOnly` and `writeOnly` would make
    hey-api write each type twice, and leave the password out of the first. For openapi-typescript a
    field with a `default` is required; the descriptions name the defaults."""
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            field.pop("readOnly", None)
            field.pop("writeOnly", None)
            field.pop("default", None)


def _list_codes(result: Document) -> None:
    """`code` of our own errors: any text; the codes of the examples are listed."""
    codes = {
        str(example["value"]["code"])
        for path, operation in _operations(result)
        if not is_openai(path)
        for status, response in operation["responses"].items()
        if status >= "400"
        for content in response.get("content", {}).values()
        for example in content["examples"].values()
    }
    for name in ("Problem", "ValidationProblem"):
        code = result["components"]["schemas"][name]["properties"]["code"]
        code["x-extensible-enum"] = sorted(codes)
