"""Hide e-mail addresses and phone numbers in the texts that everybody can read."""

import re

# Each repetition is limited, so that the time grows with the length of the text and not faster.
E_MAIL = re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
SEPARATOR = r"[ \u00a0./()\-]{0,3}"
PHONE = re.compile(
    rf"(?<![\w#])(?:\+{SEPARATOR}\d(?:{SEPARATOR}\d){{6,18}}|\(?\d(?:{SEPARATOR}\d){{8,18}})(?!\w)"
)


def masked(text: str) -> str:
    """A number of seven digits or more after a plus, or of nine or more, counts as a phone's."""
    return PHONE.sub("[phone number]", E_MAIL.sub("[e-mail address]", text))
