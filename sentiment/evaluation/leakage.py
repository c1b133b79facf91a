"""What gives the labels away: looked for when a model is too good to be true, so that a person knows where to look.

A leak is something in the texts that stands for the label and will not be there in production (Kaufman and others 2012,
Leakage in Data Mining): the label itself, a mark of the place a text comes from, a copy of a training text.
"""

from collections.abc import Iterator

import polars as pl

from sentiment.data.names import masked
from sentiment.data.near_duplicates import near_duplicates
from sentiment.data.reviews import Reviews

TELLING = 0.95  # that much explains a model which hardly errs; see `_words` and `_columns`
COPIES = 0.2  # share of the test texts; of 190,000 short film reviews 0.3% are this alike by chance
COPY_SIMILARITY = 0.6  # the data gate looks from 0.8 up; texts made from one template are less alike
_WORDS = (r"[\p{L}\p{N}]+", r"[^\s\p{L}\p{N}]", r"[^\s\p{L}\p{N}]+")  # words, signs, runs of signs: ★★★ is not ★
_NO_LETTERS = r"\P{L}+"
_ENDS = 3  # characters


def signs_of_leakage(train: Reviews, test: Reviews) -> tuple[str, ...]:
    """One sentence for each thing found, empty when nothing is; every row has a label. Shown values are masked."""
    frames = train.frame(), test.frame()
    return (*_words(frames[1], test.labels), *_columns(*frames), *_copies(*frames))


def _words(test: pl.DataFrame, labels: tuple[str, ...]) -> Iterator[str]:
    """A word or sign of each label: the share of its texts that have it, minus that of the others, is `TELLING`."""
    lower = pl.col("text").str.to_lowercase()
    words = (
        test.select("label", word=pl.concat_list(*(lower.str.extract_all(kind) for kind in _WORDS)).list.unique())
        .explode("word")
        .group_by("word", "label")
        .len("inside")
        .with_columns(outside=pl.col("inside").sum().over("word") - pl.col("inside"))
    )
    for code, label in enumerate(labels):
        rows = test.filter(label=code).height
        apart = pl.col("inside") / max(1, rows) - pl.col("outside") / max(1, len(test) - rows)
        telling = words.filter(apart >= TELLING, label=code).sort(apart, "word", descending=[True, False]).head(1)
        for word, inside, outside in telling.select("word", "inside", "outside").iter_rows():
            itself = ", the label itself," if word == label.lower() else ""
            yield (
                f"'{masked(word)}'{itself} occurs in {inside:,} of {rows:,} test texts labelled {label} and in "
                f"{outside:,} of the others."
            )


def _columns(train: pl.DataFrame, test: pl.DataFrame) -> Iterator[str]:
    """What a model may tell apart in place of sentiment: its values in `train` give the labels of `test`.

    The recall of every label counts alike: to name the most frequent label for all is no sign.
    """
    quantiles = (train["text"].str.len_chars().quantile(share) for share in (0.1, 0.25, 0.5, 0.75, 0.9))
    edges = sorted({float(edge) for edge in quantiles if edge is not None})
    known, asked = (
        frame.select(
            "label",
            "language",
            "category",
            "source",
            pl.col("text").str.len_chars().cut(edges).cast(pl.String).alias("length of the text"),
            pl.col("text").str.head(_ENDS).alias("beginning of the text"),
            pl.col("text").str.tail(_ENDS).alias("end of the text"),
        )
        for frame in (train, test)
    )
    for name in known.columns[1:]:
        answers = known.group_by(name).agg(answer=pl.col("label").mode().min())
        right = asked.join(answers, on=name, how="left", nulls_equal=True).select(
            "label", hit=pl.col("answer").eq_missing(pl.col("label"))
        )
        recalls = right.group_by("label").agg(pl.col("hit").mean())["hit"]
        if sum(recalls) >= TELLING * len(recalls):
            yield f"The {name} alone gives the label of {right['hit'].sum():,} of {len(asked):,} test texts."


def _copies(train: pl.DataFrame, test: pl.DataFrame) -> Iterator[str]:
    """Texts of `test` that are nearly texts of `train`, short ones included when they differ in no letter."""
    known, asked = (frame["text"].str.replace_all(_NO_LETTERS, "").str.to_lowercase() for frame in (train, test))
    same = (asked.is_in(known.unique().implode()) & (asked != "")).arg_true()
    copies = {*same, *near_duplicates(test["text"], train["text"], COPY_SIMILARITY)["row"]}
    if len(copies) >= COPIES * len(test):
        first = masked(test["id"][min(copies)])
        yield f"{len(copies):,} of {len(test):,} test texts are nearly texts of train (first id {first})."
