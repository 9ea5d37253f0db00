"""The active filters of a list in the admin, as text, with those that only links can set."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from videostudio.core.admin_filters import PeriodFilter

Params = Mapping[str, list[str]]
BEFORE = {"gte": "from ", "lt": "below "}


def in_words(changelist: Any) -> dict[str, str]:
    """What each active filter shows, by the filter's title."""
    params: Params = changelist.get_filters_params()
    named = users(params, getattr(changelist.model_admin, "extra_lookups", ()))
    found = {"user": named} | {spec.title: of(spec, changelist) for spec in changelist.filter_specs}
    return {str(title): ", ".join(texts) for title, texts in found.items() if texts}


def of(spec: Any, changelist: Any) -> list[str]:
    """What a filter shows; empty if it is not active. The first choice is "All"."""
    if isinstance(spec, PeriodFilter):
        return spec.in_words()
    given = params_of(spec, changelist.get_filters_params())
    _, *choices = spec.choices(changelist)
    chosen = [str(choice["display"]) for choice in choices if choice["selected"]]
    offered = spec.expected_parameters() if chosen else ()
    return [*chosen, *_values({name: given[name] for name in given if name not in offered})]


def params_of(spec: Any, params: Params) -> dict[str, list[str]]:
    """The parameters of the filter's field, such as `status__in` of the filter by status.

    An empty parameter without a lookup, such as `late=`, shows all rows.
    """
    given = _of_fields(params, {_field(name) for name in spec.expected_parameters()})
    return {name: given[name] for name in given if "__" in name or any(given[name])}


def users(params: Params, fields: Iterable[str]) -> list[str]:
    """The users whose ids are the values of these fields. An id that nobody has is shown itself."""
    ids = {value: _user_id(value) for value in _values(_of_fields(params, fields))}
    if not ids:
        return []
    found = get_user_model().objects.in_bulk([pk for pk in ids.values() if pk])
    return [found[pk].get_username() if pk in found else value for value, pk in ids.items()]


def _of_fields(params: Params, fields: Iterable[str]) -> dict[str, list[str]]:
    return {name: params[name] for name in params if _field(name) in fields}


def _field(name: str) -> str:
    return name.partition("__")[0]


def _user_id(text: str) -> Any:
    """None if the text is no id, for example that of a range."""
    try:
        return get_user_model()._meta.pk.to_python(text)
    except ValidationError:
        return None


def _values(params: Params) -> Iterator[str]:
    for name, values in params.items():
        how = name.partition("__")[2]
        for value in values:
            if how == "isnull":
                yield "any" if value.lower() in ("", "false", "0") else "none"
            else:
                parts = value.split(",") if how == "in" else [value]
                yield from (f"{BEFORE.get(how, '')}{part}" for part in parts)
