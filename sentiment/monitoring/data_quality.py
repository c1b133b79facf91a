"""What is wrong with the texts of a window whatever the reference looked like: empty, repeated, broken, too long."""

import polars as pl

from sentiment.monitoring.descriptors import MOST_CHARACTERS, odd_characters
from sentiment.monitoring.reference import first_of_each
from sentiment.stored import Frozen
from sentiment.text.normalise import TextNormaliser


class DataQuality(Frozen):
    """Rows of the window by what is wrong with them; a row can count several times.

    `empty`: nothing is left after normalisation. `repeated`: an earlier row has the same text. `odd`: at least one
    replacement or control character, or a letter that is neither Hangul nor ASCII. `too_long`: cut for the comparison.
    """

    rows: int
    empty: int
    repeated: int
    odd: int
    too_long: int


def data_quality(texts: pl.Series, normaliser: TextNormaliser) -> DataQuality:
    """Count over raw texts."""
    return DataQuality(
        rows=len(texts),
        empty=int((normaliser.series(texts) == "").sum()),
        repeated=int((~first_of_each(texts, normaliser)).sum()),
        odd=int((odd_characters(texts) > 0).sum()),
        too_long=int((texts.str.len_chars() > MOST_CHARACTERS).sum()),
    )
