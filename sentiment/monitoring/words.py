"""Which words are frequent in the window and were not in the reference: what a person reads first about drift.

A Korean word carries its particles and endings (환불이, 환불은, 환불해), so the beginnings of words are counted too,
and the beginning that most of its words share is shown. A word of few texts is left out: it says little, and might be
somebody's name.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from sentiment.monitoring.domain import FEWEST_TEXTS
from sentiment.stored import Frozen
from sentiment.text.pii import mask

MOST_WORDS = 10
FEWEST_SHARE = 0.01  # of the window's texts
TIMES = 10  # as frequent as in the reference; a word that was never seen there counts as half a text
SAME_WORD = 0.8  # a longer word that has this part of its beginning's texts takes its place
LONGEST_STEM = 5
EXAMPLE_CHARACTERS = 80
_WORDS = re.compile(r"[가-힣]+|[a-z][a-z']+")
_MASKED = re.compile(r"\[(?:EMAIL|PHONE|RRN|CARD)\]")


class NewWord(Frozen):
    """A word, the shares of texts that have it, and the beginning of a text of the window, personal data masked."""

    text: str
    reference: float
    window: float
    example: str


def new_words(reference: Sequence[str], window: Sequence[str], cleaned: Sequence[str]) -> tuple[NewWord, ...]:
    """The most frequent ones first. `reference` and `cleaned` are normalised, `window` are the texts of `cleaned`."""
    if not reference or not cleaned:
        return ()
    before = _texts_by_word(reference)
    now = _texts_by_word(cleaned)
    needed = max(FEWEST_TEXTS, FEWEST_SHARE * len(cleaned))

    def is_new(word: str) -> bool:
        usual = (before[word] + 0.5) / (len(reference) + 1)
        return now[word] >= needed and now[word] / len(cleaned) >= TIMES * usual

    chosen = _one_a_word([word for word in now if is_new(word)], now)[:MOST_WORDS]
    return tuple(
        NewWord(
            text=word,
            reference=before[word] / len(reference),
            window=now[word] / len(cleaned),
            example=_example(word, window, cleaned),
        )
        for word in chosen
    )


def _texts_by_word(texts: Iterable[str]) -> Counter[str]:
    """In how many texts each word stands, and each beginning of a Korean one."""
    found: Counter[str] = Counter()
    for text in texts:
        found.update({stem for word in _WORDS.findall(_MASKED.sub(" ", text).lower()) for stem in _stems(word)})
    return found


def _stems(word: str) -> Iterable[str]:
    if "a" <= word[0] <= "z":
        return (word,)
    return (word[:length] for length in range(2, min(len(word), LONGEST_STEM) + 1))


def _one_a_word(words: Sequence[str], texts: Counter[str]) -> list[str]:
    """Of words that begin alike the one that most of them share; the most frequent first."""
    chosen: list[str] = []
    for word in sorted(words, key=len):
        shorter = next((each for each in chosen if word.startswith(each)), None)
        if shorter is None:
            chosen.append(word)
        elif texts[word] >= SAME_WORD * texts[shorter]:
            chosen[chosen.index(shorter)] = word
    return sorted(chosen, key=lambda word: (-texts[word], word))


def _example(word: str, window: Sequence[str], cleaned: Sequence[str]) -> str:
    """The shortest text: it is about little else."""
    having = [raw for raw, text in zip(window, cleaned, strict=True) if word in _MASKED.sub(" ", text).lower()]
    text = mask(" ".join(min(having, key=len).split()))
    return text if len(text) <= EXAMPLE_CHARACTERS else f"{text[:EXAMPLE_CHARACTERS]}…"
