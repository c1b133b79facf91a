"""The text normaliser: what every model sees instead of the raw text.

It makes spellings of the same text equal and removes what is not text. What carries sentiment stays: ㅋㅋ, ㅠㅠ, emoji,
emoticons, punctuation and elongation are squeezed, never deleted.
"""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from html.entities import html5
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from sentiment.stored import Frozen
from sentiment.text.hashing import map_rows

URL_TOKEN = "[URL]"  # noqa: S105 - a placeholder in texts, no secret

# `&amp;amp;lt;` is one entity escaped several times over.
_AMPERSAND = re.compile(r"&(?:(?:amp|AMP|#0*38|#[xX]0*26);)+")
_ENTITY = re.compile(r"&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# Known elements only: `<3`, `>_<`, `3 < 5` and a title such as <Parasite> are no markup.
_TAG = re.compile(
    r"<!--[^<>]*-->|</?(?:a|abbr|article|b|big|blockquote|body|br|center|code|dd|del|div|dl|dt|em|font|footer|form|h[1-6]|"
    r"head|header|hr|html|i|iframe|img|input|ins|li|link|main|meta|nav|ol|p|pre|s|script|section|small|span|strike|"
    r"strong|style|sub|sup|svg|table|tbody|td|tfoot|th|thead|title|tr|tt|u|ul|video)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_EMOJI = "\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u2bff\U0001f000-\U0001faff"
_MODIFIERS = "\ufe0f\U0001f3fb-\U0001f3ff"
# Controls that are not white space, soft hyphen, zero-width and direction marks, byte-order mark, lone surrogates; a
# zero-width joiner only where it does not join two emoji.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff]"
    f"|(?<![{_EMOJI}{_MODIFIERS}])\u200d|\u200d(?![{_EMOJI}])"
)
# Letters and symbols by their category, but they show as nothing: Braille blank, Hangul fillers.
_BLANK = re.compile("[\u2800\u3164\uffa0]")
_URL = re.compile(r"(?<![A-Za-z0-9])(?:https?://|www\.)[!#-;=?-Z\\^-~]*[A-Za-z0-9/=&#%_~-]", re.IGNORECASE)

# A run of characters that may all be combining marks. No language writes more than `MOST_MARKS` upon one letter: it is
# the limit of the stream-safe format (UAX #15, section 13). Sorting them, as NFC does, takes their number squared.
MOST_MARKS = 30
_MAY_BE_MARKS = re.compile(rf"[^\w\x00-\u02ff]{{{MOST_MARKS + 1},}}")
# A pass undoes one layer of markup in markup, such as `&am&#112;;`. Written by people there are two or three; what is
# left after so many is no markup, but there to take time.
MOST_PASSES = 8
_MARKUP_BEGINS = str.maketrans("<&", "  ")

# A superset of what can change, for whole columns: a character outside the ranges no rule touches, or the start of
# markup, a link or superfluous space. Repeats are found on the bytes (`_has_repeat`).
_UNTOUCHED = (
    " -~\u00a1-\u00ac\u00ae-\u00ff\u2010-\u2027\u2030-\u205e\u2190-\u21ff\u2500-\u27bf\u3001-\u3011"
    "\u3041-\u3094\u30a1-\u30fa\u3131-\u3163\u4e00-\u9fa5\uac00-\ud7a3\uff01-\uff5e"
    "\U0001f300-\U0001f3fa\U0001f400-\U0001f64f\U0001f680-\U0001f6ff\U0001f900-\U0001f9ff"
)
_MAY_CHANGE = rf"[^{_UNTOUCHED}]|  |^ | $|[<&]|(?i:https?://|www\.)"


# Only such a text can be left with nothing: one with markup, or without a letter, a digit or an emoji.
_MAY_VANISH = rf"[<&]|^(?:[^\p{{L}}\p{{N}}{_EMOJI}]|[\u3164\uffa0])*$"
_STAYS = re.compile(rf"[^<&]*?(?![\u3164\uffa0])[\w{_EMOJI}]")  # before any markup something shows that no rule removes


class TextNormaliser(Frozen):
    """Versioned rules, applied until nothing changes, so normalising a normalised text changes nothing.

    Every rule takes a time that grows with the length of the text and no faster, and there are at most `MOST_PASSES` of
    them before what still looks like markup is none, and as many after it.

    Markup: HTML entities are decoded, tags become a space. Invisible: control and zero-width characters go, except the
    joiners inside emoji. Unicode: NFC, and at most `MOST_MARKS` combining marks
    in a row. Links: `[URL]`. Repeats: a character (with its emoji modifier) follows itself
    at most `max_repeat` times in a row; digits are left alone, because 10000 is not 1000. Space: any white space
    becomes one space, none at the ends.

    A model folder records these settings. A rule that changes needs a new `version`.
    """

    version: Literal["1"] = "1"
    max_repeat: int = Field(default=3, ge=1, le=100)

    def normalise(self, texts: Sequence[str]) -> list[str]:
        """Normalise raw texts, in order."""
        return [self._one(text) for text in texts]

    def series(self, texts: pl.Series) -> pl.Series:
        """Normalise a string column by the same rules; nulls stay null."""
        return map_rows(texts, self._rows_that_may_change, self._one)

    def series_and_counts(self, texts: pl.Series) -> tuple[pl.Series, dict[str, int]]:
        """Normalise a string column and say in how many rows each rule changed something."""
        changed: Counter[str] = Counter(dict.fromkeys(self._rules(), 0))
        normalised = map_rows(texts, self._rows_that_may_change, lambda text: self._one(text, changed))
        return normalised, dict(changed)

    def counts(self, texts: pl.Series) -> dict[str, int]:
        """In how many rows each rule changes something."""
        return self.series_and_counts(texts)[1]

    def _rules(self) -> dict[str, Callable[[str], str]]:
        return _rules(self.max_repeat)

    def _one(self, text: str, changed: Counter[str] | None = None) -> str:
        fired: set[str] = set()
        text, settled = self._settle(text, fired)
        if not settled:
            fired.add("markup")
            text, _ = self._settle(text.translate(_MARKUP_BEGINS), fired)
        if changed is not None:
            changed.update(fired)
        return text

    def _settle(self, text: str, fired: set[str]) -> tuple[str, bool]:
        """Apply the rules until nothing changes, which is noted in `fired`; whether that came to an end."""
        rules = self._rules()
        for _ in range(MOST_PASSES):
            start = text
            for name, rule in rules.items():
                before = text
                text = rule(text)
                if text is not before and text != before:
                    fired.add(name)
            if text == start:
                return text, True
        return text, False

    def _rows_that_may_change(self, texts: pl.Series) -> pl.Series:
        return texts.str.contains(_MAY_CHANGE) | pl.Series(_has_repeat(texts, self.max_repeat + 1))


def _repeats(most: int) -> re.Pattern[str]:
    """A character that follows itself at least `most` times."""
    return re.compile(rf"(\D[{_MODIFIERS}]?)\1{{{most},}}")


@cache
def _rules(max_repeat: int) -> dict[str, Callable[[str], str]]:
    repeat = _repeats(max_repeat)

    def squeeze(text: str) -> str:
        return repeat.sub(lambda match: match[1] * max_repeat, text)

    return {
        "markup": _without_markup,
        "invisible": _without_invisible,
        "unicode": _composed,
        "links": _with_link_tokens,
        "repeats": squeeze,
        "space": _with_single_spaces,
    }


def _without_markup(text: str) -> str:
    if "&" in text:
        text = _ENTITY.sub(_character, _AMPERSAND.sub("&", text))
    return _TAG.sub(" ", text) if "<" in text else text


def _character(entity: re.Match[str]) -> str:
    return html.unescape(entity[0]) if entity[1][0] == "#" else html5.get(f"{entity[1]};", entity[0])


def _without_invisible(text: str) -> str:
    return text if text.isprintable() else _INVISIBLE.sub("", text)


def _composed(text: str) -> str:
    few = _MAY_BE_MARKS.sub(_with_few_marks, text) if len(text) > MOST_MARKS else text
    return unicodedata.normalize("NFC", few)


def _with_few_marks(run: re.Match[str]) -> str:
    kept, marks = [], 0
    for character in run[0]:
        # What a mark decomposes to are marks, also where it is none itself (U+0F73).
        decomposed = unicodedata.normalize("NFD", character)
        marks = marks + len(decomposed) if unicodedata.combining(decomposed[0]) else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def _with_link_tokens(text: str) -> str:
    return _URL.sub(URL_TOKEN, text) if "://" in text or "www." in text.lower() else text


def _with_single_spaces(text: str) -> str:
    return " ".join(_BLANK.sub(" ", text).split())


def _has_repeat(texts: pl.Series, times: int) -> NDArray[np.bool_]:
    """Rows in which a character may stand `times` times in a row; a row too many is possible, one too few is not.

    A character of n bytes repeated shows as bytes equal to those n places before, (times - 1) * n in a row.
    """
    column = texts.fill_null("").to_arrow()
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int64)[column.offset : column.offset + len(column) + 1]
    data = np.frombuffer(column.buffers()[2] or b"", dtype=np.uint8)[: offsets[-1]]
    found = np.zeros(len(texts), dtype=bool)
    for width in range(1, 5):
        equal = data[width:] == data[:-width]
        starts = np.flatnonzero(_runs(equal, (times - 1) * width))
        found[np.searchsorted(offsets, starts, side="right") - 1] = True
    return found


def _runs(flags: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Where `length` flags in a row begin, by doubling."""
    reach = 1
    while reach < length:
        step = min(reach, length - reach)
        flags = flags[:-step] & flags[step:]
        reach += step
    return flags


def says_nothing(text: str) -> bool:
    """Whether nothing is left of a text once it is normalised, by any settings."""
    return not _STAYS.match(text) and not TextNormaliser().normalise([text])[0]


def rows_that_say_nothing(texts: pl.Series) -> pl.Series:
    """The same for a column: true where nothing is left."""
    doubtful = texts.str.contains(_MAY_VANISH).fill_null(True)
    empty = TextNormaliser().series(texts.filter(doubtful)).fill_null("") == ""
    return pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True).scatter(doubtful.arg_true().filter(empty), True)
