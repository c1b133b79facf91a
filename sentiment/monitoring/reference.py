"""`Reference`: what texts and answers looked like when the model was trained, kept for monitoring to compare with.

It is made from validation and test rows: on its own training rows a model is more confident than it will ever be again.
"""

from functools import cached_property
from typing import Self

import numpy as np
import polars as pl

from sentiment.data.reviews import Splits
from sentiment.errors import DataError, option
from sentiment.models.base import TextClassifier
from sentiment.monitoring.descriptors import MOST_CHARACTERS, Vocabulary
from sentiment.stored import Report
from sentiment.tasks import FIRST, task_of
from sentiment.text.normalise import TextNormaliser
from sentiment.text.pii import mask_series

# The name under which a registered version keeps its reference.
REFERENCE_FILE = "reference.json"
MOST_ROWS = 2_000  # twice the window of drift: the reference is then not what limits its tests
MOST_TEXT_BYTES = 700_000  # the whole profile stays under 1 MB
# Training texts behind the vocabulary: more would only add n-grams too rare to be kept.
MOST_VOCABULARY_TEXTS = 50_000


class Reference(Report):
    """A sample of texts with what the model said; columns of equal length.

    Texts are masked, but raw otherwise, as traffic is: cleaning would take away what a broken client adds. No two are
    the same to `normaliser`, which is the model's. `accuracy` and `macro_f1` are those of the evaluation on all test
    rows. `predicted` and `truth` index `labels`; `confidence` is the probability of the predicted label. `vocabulary`
    knows the training texts.
    """

    labels: tuple[str, ...]
    normaliser: TextNormaliser
    accuracy: float
    macro_f1: float
    task: str = FIRST
    texts: tuple[str, ...]
    predicted: tuple[int, ...]
    confidence: tuple[float, ...]
    truth: tuple[int, ...]
    category: tuple[str | None, ...]
    vocabulary: Vocabulary

    @classmethod
    def build(
        cls,
        classifier: TextClassifier,
        splits: Splits,
        seed: int,
        *,
        accuracy: float,
        macro_f1: float,
    ) -> Self:
        """Sample the labelled validation and test rows and let `classifier` answer them.

        `splits` holds texts as they were read (`as_read`). Raises DataError when there are no such rows.
        """
        held_out = pl.concat([splits.validation.frame(), splits.test.frame()]).drop_nulls("label")
        if held_out.is_empty():
            raise DataError(
                "There are no labelled validation or test rows to profile.",
                f"Hold more rows out: {option('split.validation', 0.2)} {option('split.test', 0.2)}",
            )
        rows = _sample(held_out.filter(first_of_each(held_out["text"], classifier.normaliser)), seed)
        texts = rows["text"].to_list()
        probabilities = classifier.predict_proba(texts)
        return cls(
            labels=classifier.labels,
            normaliser=classifier.normaliser,
            accuracy=accuracy,
            macro_f1=macro_f1,
            task=classifier.task,
            texts=tuple(mask_series(rows["text"]).str.head(MOST_CHARACTERS)),
            predicted=tuple(task_of(classifier.task).answers(probabilities).tolist()),
            confidence=tuple(np.round(probabilities.max(axis=1).astype(np.float64), 4).tolist()),
            truth=tuple(rows["label"].to_list()),
            category=tuple(rows["category"].to_list()),
            vocabulary=_learn(splits.train.frame()["text"], seed),
        )

    def frame(self) -> pl.DataFrame:
        """One row a text: text, label (as predicted), confidence, truth and category."""
        names = np.array(self.labels)
        return pl.DataFrame(
            {
                "text": self.texts,
                "label": names[list(self.predicted)],
                "confidence": self.confidence,
                "truth": names[list(self.truth)],
                "category": pl.Series(self.category, dtype=pl.String),
            }
        )

    @cached_property
    def summary(self) -> str:
        """The profile in one sentence."""
        return f"{len(self.texts):,} held-out reviews, accuracy {self.accuracy:.3f} and macro-F1 {self.macro_f1:.3f}."


def as_read(cleaned: Splits, raw: Splits) -> Splits:
    """The rows of `cleaned` with the texts they have in `raw`, found by their id.

    A row whose id is not unique in `raw` keeps its cleaned text.
    """
    texts = raw.frame().select("id", raw_text="text").unique("id", keep="none")
    frame = cleaned.frame().join(texts, on="id", how="left", maintain_order="left")
    return Splits.from_frame(frame.with_columns(text=pl.coalesce("raw_text", "text")), cleaned.labels)


def first_of_each(texts: pl.Series, normaliser: TextNormaliser) -> pl.Series:
    """Which texts differ, to `normaliser`, from all before them."""
    return normaliser.series(texts).is_first_distinct()


def _sample(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Up to `MOST_ROWS` rows drawn at random, as many as fit in `MOST_TEXT_BYTES`."""
    drawn = rows.sample(min(MOST_ROWS, rows.height), seed=seed, shuffle=True)
    fits = drawn["text"].str.head(MOST_CHARACTERS).str.len_bytes().cum_sum() <= MOST_TEXT_BYTES
    return drawn.filter(fits)


def _learn(texts: pl.Series, seed: int) -> Vocabulary:
    return Vocabulary.of(texts.sample(min(len(texts), MOST_VOCABULARY_TEXTS), seed=seed).to_list())
