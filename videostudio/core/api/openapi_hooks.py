"""Changes to the whole OpenAPI document, so that generated clients can be used and keep working.

A client may be older than the service. A value or an error code that it does not know must not
make it fail: enumerations in responses are open.
"""

import re
from collections.abc import Iterator
from typing import Any

from videostudio.core.api.openai_form import is_openai

Document = dict[str, Any]

REQUEST_ID = {
    "description": "The id of the request in the service's log: yours, if you sent a valid "
    "`X-Request-ID`.",
    "schema": {"type": "string", "maxLength": 64},
}


def complete(result: Document, generator: Any, **options: Any) -> Document:
    """A postprocessing hook of drf-spectacular's; it runs after the one that names the enums."""
    components = result["components"]
    _name_members(components["schemas"])
    _open_enums(components["schemas"])
    _drop_misread_keywords(components["schemas"])
    components["headers"] = {"RequestId": REQUEST_ID}
    for _, operation in _operations(result):
        if not any(operation.get("security", [])):
            operation["security"] = []
        for response in operation["responses"].values():
            headers = response.setdefault("headers", {})
            headers["X-Request-ID"] = {"$ref": "#/components/headers/RequestId"}
    _list_codes(result)
    return result


def _operations(result: Document) -> Iterator[tuple[str, Document]]:
    for path, methods in result["paths"].items():
        for operation in methods.values():
            yield path, operation


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
