"""How names and values that come from a file are shown: a file without a header has a review as its column names."""

from collections.abc import Iterable, Sequence

from sentiment.text.pii import mask

LONGEST = 40
MOST = 12
# What else than a comma files put between their fields, and what to do about it.
SEPARATORS = {
    "\t": "The header has tabs between its names: set dataset.format=tsv.",
    ";": "The header has semicolons between its names: save the file with commas, or with tabs and dataset.format=tsv.",
    "|": "The header has bars between its names: save the file with commas, or with tabs and dataset.format=tsv.",
    ",": "The header has commas between its names: set dataset.format=csv.",
}


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


def other_separator(columns: Sequence[str]) -> str | None:
    """What to do about a header that was read as one name because its names have something else between them."""
    if len(columns) != 1:
        return None
    return next((fix for separator, fix in SEPARATORS.items() if separator in columns[0]), None)
