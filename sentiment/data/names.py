"""How names and values that come from a file are shown: a file without a header has a review as its column names."""

from collections.abc import Iterable

from sentiment.errors import nearest, option
from sentiment.text.pii import mask

LONGEST = 40
MOST = 12


def masked(name: str) -> str:
    """One name or value in one line, masked and cut."""
    one_line = mask(" ".join(name.split()))
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in one_line)
    return printable if len(printable) <= LONGEST else f"{printable[: LONGEST - 1]}…"


def listed(names: Iterable[str]) -> str:
    """The first names as `masked`, and how many there are besides."""
    every = [masked(name) for name in names]
    rest = len(every) - MOST
    return ", ".join(every[:MOST]) + (f" and {rest} more" if rest > 0 else "")


def other_column(key: str, name: str, columns: Iterable[str]) -> str:
    """The fix for a column that a file does not have: the nearest one that it has, as a setting."""
    near = {masked(column): column for column in columns}
    said = nearest(name, near, listed)
    found = next((column for shown, column in near.items() if shown == column and said.endswith(f" {shown!r}?")), None)
    # Of a masked or cut name no setting can be made.
    return f"{said} {option(f'dataset.{key}', found)}" if found in near else f"{said} --set dataset.{key}=NAME"


def counted(rows: int, what: str = "row") -> str:
    """A number of things, in the plural where it is one."""
    return f"{rows:,} {what}" if rows == 1 else f"{rows:,} {what}s"
