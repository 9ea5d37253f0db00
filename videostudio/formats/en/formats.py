"""The date and time formats of the staff's pages: 24-hour clock, with seconds."""

DATETIME_FORMAT = "j M Y, H:i:s"
