"""Masking of personal data before a text reaches a report, a log or an error message.

Patterns: e-mail addresses; Korean phone numbers (mobile, area codes, +82, 15xx-xxxx service numbers); resident
registration numbers (주민등록번호: a date of birth, then a digit 1-8 and six more); payment cards (13-16 digits that
start like a card and satisfy the Luhn check, ISO/IEC 7812-1). Prices, dates and order numbers are meant to stay.
"""

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl  # masking one text has no use for it


_MAIL = r"(?<![\w.%+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}"
_DATE_OF_BIRTH = r"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_RESIDENT = rf"(?<!\d){_DATE_OF_BIRTH}\s?-?\s?[1-8]\d{{6}}(?!\d)"
_CARD = r"(?<![\d-])(?:[3-69]|2[2-7])(?:[ -]?\d){11,15}(?![\d]|-\d)"
_MOBILE = r"01[016-9][-. ]?\d{3,4}[-. ]?\d{4}"
_AREA = r"\(?0(?:2|[3-6][1-5]|70|80|50\d?)(?:\) ?|[-. ])\d{3,4}[-. ]\d{4}"
_COUNTRY_CODE = r"\+82[-. ]?\(?0?\)?(?:1[016-9]|2|[3-6][1-5]|70)[-. ]?\d{3,4}[-. ]?\d{4}"
_SERVICE = (
    r"(?:15(?:22|33|44|51|55|66|77|88|99)|16(?:00|01|11|44|60|61|66|70|88)|18(?:00|11|33|55|77|99))-\d{4}(?!\s?년)"
)
_PHONE = rf"(?<![\d+-])(?:{_COUNTRY_CODE}|{_MOBILE}|{_AREA}|{_SERVICE})(?![\d]|-\d)"

# In this order: a resident number is also 13 digits, a card holds what looks like a phone number.
_RULES = {
    "EMAIL": re.compile(_MAIL, re.ASCII),
    "RRN": re.compile(_RESIDENT, re.ASCII),
    "CARD": re.compile(_CARD, re.ASCII),
    "PHONE": re.compile(_PHONE, re.ASCII),
}
# What every rule needs: an @, or four digits with at most one character between them. Most texts have neither.
_MAY_HOLD = r"@|[0-9].?[0-9].?[0-9].?[0-9]"
_HOLDS = re.compile(_MAY_HOLD, re.DOTALL)


def mask(text: str) -> str:
    """Replace personal data by `[EMAIL]`, `[PHONE]`, `[RRN]` and `[CARD]`."""
    return _mask(text)[0] if _HOLDS.search(text) else text


def mask_series(texts: "pl.Series") -> "pl.Series":
    """`mask` for a string column; nulls stay null."""
    from sentiment.text.hashing import map_rows

    return map_rows(texts, _may_hold, mask)


def counts(texts: "pl.Series") -> dict[str, int]:
    """In how many rows each kind of personal data stands."""
    found: Counter[str] = Counter(dict.fromkeys(_RULES, 0))
    for text in texts.filter(_may_hold(texts)):
        found.update(_mask(text)[1])
    return dict(found)


def _mask(text: str) -> tuple[str, set[str]]:
    found = set()
    for name, pattern in _RULES.items():
        masked = pattern.sub(_mask_card if name == "CARD" else f"[{name}]", text)
        if masked != text:
            found.add(name)
        text = masked
    return text, found


def _mask_card(match: re.Match[str]) -> str:
    digits = [int(character) for character in match[0] if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return "[CARD]" if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else match[0]


def _may_hold(texts: "pl.Series") -> "pl.Series":
    return texts.str.contains(f"(?s){_MAY_HOLD}")
