"""How the staff's pages write times: to the second, and by the 24-hour clock."""

DATETIME_FORMAT = "j M Y, H:i:s"
