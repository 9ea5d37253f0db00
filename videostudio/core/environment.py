"""How the values of environment variables are read and checked. `settings` reads them."""

import json
import re
from pathlib import Path
from typing import Any

from environs import Env, ValidationError, validate

ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")


def reader() -> Env:
    """Reads the environment. It collects the errors until `seal`, and can do so only once."""
    env = Env(eager=False)
    for parser in (model_ids, keys, table, allowed_hosts, hosts, origins, trusted_origins):
        env.add_parser(parser.__name__, parser)
    return env


def at_least(minimum: int) -> Any:
    return validate.Range(min=minimum, error=f"must be a whole number of at least {minimum}")


def between(minimum: int, maximum: int) -> Any:
    return validate.Range(minimum, maximum, error=f"must be {minimum:,} to {maximum:,}")


def like(example: str, pattern: str) -> Any:
    """Empty, or a text that begins with `pattern`."""
    return validate.Regexp(rf"^$|^(?:{pattern})", error=f"must look like {example}")


def one_of(*values: str) -> Any:
    *others, last = [value for value in values if value]
    return validate.OneOf(values, error=f"must be {', '.join(others)} or {last}")


def a_rate() -> Any:
    return validate.Regexp(r"^[1-9]\d*/(s|sec|m|min|h|hour|d|day)$", error="must look like 20/min")


def an_address(*schemes: str) -> Any:
    beginnings = " or ".join(f"{scheme}://" for scheme in schemes)
    return validate.Regexp(
        rf"^$|^({'|'.join(schemes)})://\S", error=f"must begin with {beginnings}"
    )


def an_absolute_path(value: Path | str) -> None:
    """A relative one would depend on the folder in which a process was started."""
    if value != "" and not Path(value).is_absolute():
        raise ValidationError("must be an absolute path: it begins with /")


def model_ids(value: str) -> dict[str, str]:
    """ "name=id,name=id". The check jobs.E005 compares the names with the catalog."""
    pairs = [pair.strip().partition("=") for pair in value.split(",") if pair.strip()]
    if not all(name and id for name, _, id in pairs):
        raise ValidationError("must look like name=id,name=id")
    return {name: id for name, _, id in pairs}


def keys(value: str) -> list[str]:
    return [key.strip() for key in value.split(",") if key.strip()]


def table(value: str) -> dict[str, Any]:
    """A JSON object without repeated names. The check jobs.E007 compares it with the catalog."""
    if not value.strip():
        return {}
    try:
        read = json.loads(value, object_pairs_hook=_without_repeated_names)
    except ValueError:
        raise ValidationError("must be a table in JSON, as in .env.example") from None
    if not isinstance(read, dict) or not read:
        raise ValidationError("must be a table in JSON, as in .env.example")
    return read


def _without_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise ValidationError(f"has {repeated!r} twice in one object")
    return dict(pairs)


def allowed_hosts(value: str) -> list[str]:
    """ "studio.example.com,.example.org", "[::1]" or "*", as Django compares them."""
    names = [name.strip() for name in value.split(",") if name.strip()]
    if not all(re.fullmatch(r"\*|\.?[\w-][\w.-]*|\[[0-9a-fA-F:.]+\]", name) for name in names):
        raise ValidationError(
            "must be host names such as studio.example.com, without https:// and without a port"
        )
    return names


def hosts(value: str) -> list[str]:
    """ "hooks.corp.example,10.0.0.7": names or addresses, without a port."""
    names = [name.strip().lower().strip("[]") for name in value.split(",") if name.strip()]
    if not all(re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", name) for name in names):
        raise ValidationError("must be names of hosts, such as localhost, without a port")
    return names


def _is_origin(name: str) -> bool:
    """Whether a browser can send it: without a path, and without the default port."""
    if not ORIGIN.fullmatch(name):
        return False
    port = re.search(r":(\d+)$", name)
    default = {"http": "80", "https": "443"}.get(name.partition(":")[0])
    return port is None or (port[1] != default and int(port[1]) <= 65535)


def origins(value: str) -> list[str]:
    """ "https://app.example.com,http://localhost:3000", or "*" for every origin.

    In lower case, as browsers send them: the comparison is exact.
    """
    names = [name.strip().lower() for name in value.split(",") if name.strip()]
    if names != ["*"] and not all(map(_is_origin, names)):
        raise ValidationError("must be *, or origins such as https://app.example.com")
    return names


def trusted_origins(value: str) -> list[str]:
    """ "https://studio.example.com,https://*.example.org", as Django compares them."""
    names = [name.lower() for name in keys(value)]
    plain = [name.replace("://*.", "://", 1) for name in names]
    if not all(name.startswith("http") and _is_origin(name) for name in plain):
        raise ValidationError("must be origins such as https://studio.example.com")
    return names
