"""Formats of durations, amounts and labels on the staff's pages."""

from datetime import datetime

from django.utils.html import format_html

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def format_duration(value: float | None) -> str:
    """ "0.4 s", "42 s", "3 min 12 s", "2 h 5 min", "3 d 4 h"."""
    if value is None:
        return ""
    if value < 9.95:
        return f"{value:.1f} s"
    left = round(value)
    for size, name in UNITS:
        if left >= size:
            whole, rest = divmod(left, size)
            smaller, unit = {"d": (3_600, "h"), "h": (60, "min"), "min": (1, "s")}[name]
            return f"{whole} {name}" + (f" {rest // smaller} {unit}" if rest >= smaller else "")
    return f"{left} s"


def ago(at: datetime, now: datetime) -> str:
    passed = (now - at).total_seconds()
    return f"{format_duration(max(0, round(passed)))} ago" if passed >= 1 else "now"


def format_tokens(amount: int | None) -> str:
    """ "1 token", "1,000 tokens"."""
    if amount is None:
        return ""
    return f"{amount:,} token{'' if abs(amount) == 1 else 's'}"


def number(amount: int) -> str:
    return f"{amount:,}"


def signed(amount: int) -> str:
    """ "+1,000", "-50", "0"."""
    return f"{amount:+,}" if amount else "0"


def badge(value: str, text: str = "") -> str:
    """A coloured label, whose text has the same meaning as its colour."""
    return format_html('<span class="label label-{}">{}</span>', value.lower(), text or value)
