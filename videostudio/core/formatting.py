"""Formats of times, durations, amounts and labels, the same on all pages."""

from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

# ---- Times ----


def format_duration(value: float | None) -> str:
    """ "0.4 s", "8 s", "3 min 12 s", "2 h 5 min", "3 d 4 h"; monitor.js has the same format."""
    if value is None:
        return ""
    if value < 9.95:
        return f"{max(0, value):.1f} s".replace(".0 s", " s")
    left = round(value)
    first = next(number for number, (size, _) in enumerate(UNITS) if left >= size)
    parts = []
    for size, name in UNITS[first : first + 2]:
        whole, left = divmod(left, size)
        parts += [f"{whole} {name}"] if whole else []
    return " ".join(parts)


def ago(at: datetime, now: datetime) -> str:
    """ "12 s ago", "3 min ago", "2 h ago", "5 d ago"; monitor.js has the same format."""
    passed = int((now - at).total_seconds())
    for size, name in UNITS:
        if passed >= size:
            return f"{passed // size} {name} ago"
    return "just now"


def clock(at: datetime, now: datetime) -> str:
    """ "15:21 UTC", with the day before it if that is not today's."""
    day = "" if at.date() == now.date() else f"{date_format(at, 'DATE_FORMAT')}, "
    return f"{day}{at:%H:%M} UTC"


def exact(at: datetime) -> str:
    """ "2026-11-30 15:21:00 UTC", for tooltips."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def moment(at: datetime | None) -> str:
    """ "30 Nov 2026, 15:21:00", as in the admin's own columns, with the zone in the tooltip."""
    return time_element(at, date_format(at, "DATETIME_FORMAT")) if at else ""


def time_element(at: datetime, text: str) -> SafeString:
    """`text` as HTML, with the exact time in the tooltip."""
    element = '<time datetime="{}" title="{}">{}</time>'
    return format_html(element, at.isoformat(), exact(at), text)


def since(at: datetime) -> str:
    """As `ago`, until now."""
    return ago(at, timezone.now())


# ---- Amounts ----


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


# ---- Labels ----


def badge(value: str, text: str = "") -> str:
    """A coloured label, whose text has the same meaning as its colour."""
    return format_html('<span class="label label-{}">{}</span>', value.lower(), text or value)
