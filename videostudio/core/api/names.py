"""Check the names of fields and query parameters that a client sent."""

import difflib
import re
from collections.abc import Iterable

from rest_framework.exceptions import ErrorDetail, ValidationError

# A body may hold a million names, and each may be long: the response stays short.
MAX_NAMES = 20
MAX_NAME_CHARACTERS = 60
# Lies between "duration"/"durationSeconds" (0.70) and "negativePrompt"/"prompt" (0.60).
CLOSE = 0.65


def refuse_repeated(names: Iterable[str], *, noun: str = "field") -> None:
    """Raises ValidationError if a name was sent twice: it is unknown which value was meant."""
    repeated = {
        name: ErrorDetail(f"The {noun} '{name}' was sent more than once", "repeated")
        for name in map(printable, [*names][:MAX_NAMES])
    }
    if repeated:
        raise ValidationError(repeated)


def printable(name: str) -> str:
    """Text from a client, safe for a response: short, without control and invisible characters."""
    shown = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in name[:MAX_NAME_CHARACTERS]
    )
    return shown + ("…" if len(name) > MAX_NAME_CHARACTERS else "")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The most similar known name, ignoring case and punctuation."""
    spellings = {_letters(each): each for each in known}
    found = difflib.get_close_matches(_letters(name), spellings, n=1, cutoff=CLOSE)
    return spellings[found[0]] if found else None


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
