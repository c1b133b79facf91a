"""`Reviews` and `Splits`: the shapes in which reviews flow through every pipeline."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl
import pyarrow as pa
from datasets import ClassLabel, Dataset, Features, Value
from datasets.fingerprint import generate_random_fingerprint

COLUMNS = ("id", "text", "label", "rating", "category", "language", "created_at", "source")
SPLITS = ("train", "validation", "test")
# The `source` of a review whose label came back from a user of the deployed model.
FEEDBACK_SOURCE = "feedback"


def features(labels: Sequence[str]) -> Features:
    """The fixed schema. Every column but `id` and `text` may be null; `label` indexes `labels`."""
    return Features(
        {
            "id": Value("string"),
            "text": Value("string"),
            "label": ClassLabel(names=list(labels)),
            "rating": Value("float32"),
            "category": Value("string"),
            "language": Value("string"),
            "created_at": Value("timestamp[us]"),
            "source": Value("string"),
        }
    )


@dataclass(frozen=True)
class Reviews:
    """Reviews in Arrow columns, never as one Python object per row.

    `dataset` has the schema of `features`; `frame()` is the same data for polars, without a copy of the text.
    """

    dataset: Dataset

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, labels: Sequence[str]) -> Self:
        """Build from a frame holding `COLUMNS` (other columns are left behind); `label` is an index or null."""
        schema = features(labels)
        table = frame.select(COLUMNS).to_arrow().cast(schema.arrow_schema)
        # A given fingerprint keeps datasets from pickling the whole table to compute one.
        return cls(
            Dataset(
                table.replace_schema_metadata(schema.arrow_schema.metadata), fingerprint=generate_random_fingerprint()
            )
        )

    def frame(self) -> pl.DataFrame:
        """The rows as a polars frame with the columns `COLUMNS`."""
        table: pa.Table = self.dataset.data.table
        if self.dataset._indices is not None:
            table = self.dataset.flatten_indices().data.table
        return pl.DataFrame(table)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names; a row's `label` is an index into them."""
        return tuple(self.dataset.features["label"].names)

    @property
    def texts(self) -> list[str]:
        """All texts as Python strings: for the edge to libraries that take lists."""
        return self.frame()["text"].to_list()

    def __len__(self) -> int:
        return len(self.dataset)

    def digest(self) -> str:
        """SHA-256 of the rows in order and of the label names: equal exactly when the data is."""
        digest = hashlib.sha256("\x1f".join(self.labels).encode())
        for rows in self.frame().iter_slices(1 << 16):
            digest.update(rows.write_csv(include_header=False).encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class Splits:
    """Train, validation and test rows with the same labels. What a dataset does not give is empty until `split`."""

    train: Reviews
    validation: Reviews
    test: Reviews

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, labels: Sequence[str]) -> Self:
        """Build from a frame holding `COLUMNS` and a column `split` with values of `SPLITS`."""
        return cls(*(Reviews.from_frame(frame.filter(split=name), labels) for name in SPLITS))

    def frame(self) -> pl.DataFrame:
        """All rows with the columns `COLUMNS` and `split`: train first, then validation, then test."""
        return pl.concat(reviews.frame().with_columns(split=pl.lit(name)) for name, reviews in self.named())

    def named(self) -> list[tuple[str, Reviews]]:
        """The three parts with their names."""
        return list(zip(SPLITS, (self.train, self.validation, self.test), strict=True))

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names."""
        return self.train.labels
