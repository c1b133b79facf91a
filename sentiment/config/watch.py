"""How often: "30s", "15m", "1h" and "1d" as a time span."""

import re
from datetime import timedelta
from typing import Final

from sentiment.errors import ConfigError

UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST_DAYS: Final = 366


def interval(text: str) -> timedelta:
    """The time span that `text` names: a whole number and s, m, h or d.

    Raises ConfigError for anything else, for nothing at all and for more than a year.
    """
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text.strip())
    span = timedelta(**{UNITS[found[2]]: int(found[1])}) if found else timedelta()
    if not timedelta() < span <= timedelta(days=LONGEST_DAYS):
        raise ConfigError(
            f"{text!r} is no interval of at most {LONGEST_DAYS} days.",
            "Write a whole number and s, m, h or d: --every 15m",
        )
    return span
