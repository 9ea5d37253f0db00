"""The date and time formats of the staff's pages: 24-hour clock, with seconds."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = f"{DATE_FORMAT}, H:i:s"
