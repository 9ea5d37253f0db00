"""Hide e-mail addresses and phone numbers in the texts that everybody can read."""

import re

# Each repetition is limited or cannot be given back, so that the time is linear in the length.
E_MAIL = re.compile(r"[\w+%][\w.+%&'’-]{0,63}[@＠﹫][\w-]{1,63}(?:[.．。][\w-]{1,63}){1,8}")

HYPHENS = r"\-\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d"
SPACES = r"\s\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
GAP = rf"[{SPACES}{HYPHENS}./()\u00b7\u2022\uff08\uff09\uff0e\uff0f]{{0,5}}"
SPACE, HYPHEN = rf"[{SPACES}]", rf"[{HYPHENS}/]"
BETWEEN = rf"[{SPACES}{HYPHENS}./]{{1,2}}"
EXTENSION = rf"(?:{GAP}(?:x|ext\.?|extension){GAP}\d{{1,6}})?"

YEAR = r"(?:19\d\d|20[0-4]\d)(?!\d)"
DATE = rf"\d\d?[./-]\d\d?[./-]{YEAR}"
# A number does not begin inside a word, a colour or another number.
BEGIN = rf"(?<![\w#])(?<!\d[.,/{HYPHENS}])"

JOINT = rf"[{SPACES}{HYPHENS}/]"
HYPHENATED = rf"\d{{1,5}}{HYPHEN}\d{{2,8}}(?:{JOINT}\d{{2,8}}){{0,3}}{JOINT}\d{{4,8}}"

SHAPES = (
    rf"0\d(?:{GAP}\d){{7,17}}",  # 020 7946 0958
    rf"(?:\d{{1,3}}{BETWEEN})?\((?:0|(?!{YEAR})\d{{2,5}})\){GAP}\d(?:{GAP}\d){{5,17}}",
    r"(?<!seed )(?<!seed=)(?<!seed:)(?<!seed: )\d{9,19}",
    rf"(?:1{BETWEEN})?\d{{3}}{BETWEEN}\d{{3}}{BETWEEN}\d{{4}}",
    rf"\d{{3}}{HYPHEN}\d{{4}}",
    # 512 1024 is a size, unless a word says otherwise.
    rf"(?:(?<=call )|(?<=dial )|(?<=phone ))\d{{3}}{SPACE}\d{{4}}",
    rf"(?:\d{{1,3}}{SPACE})?\d{{3,5}}{SPACE}\d{{6,8}}",  # 49 171 1234567
    rf"(?=(?:\d{JOINT}?){{9}}){HYPHENATED}",  # 44-20-7946-0958
    r"(?=(?:\d\.?){9})\d{1,4}(?:\.\d{2,8}){1,4}\.\d{4,8}",  # 44.20.7946.0958
)
PHONE = re.compile(
    rf"\(?[+\uff0b]{GAP}\d(?:{GAP}\d){{6,}}+{EXTENSION}"
    rf"|{BEGIN}(?!{YEAR}|{DATE})(?:{'|'.join(SHAPES)}){EXTENSION}(?!\w)",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Seven digits or more after a plus count as a phone number. Other digits need a usual shape,
    because prompts contain sizes, years and settings too.
    """
    return PHONE.sub("[phone number]", E_MAIL.sub("[e-mail address]", text))
