"""Where reviews come from, how they are split and what they must satisfy."""

from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from sentiment.errors import option
from sentiment.stored import Config, disagreement, written_as

LEAST_LABELS = 2
Sha256 = Annotated[
    str, written_as(r"[0-9a-f]{64}", "64 of the characters 0-9 and a-f, as sha256sum prints them", "null")
]
Format = Literal["csv", "tsv", "jsonl", "parquet"]
# What programs write where there is nothing.
MISSING = ("NaN", "null", "None", "N/A", "NA", "#N/A", "\\N", "-", "--")


def _learnt(labels: object) -> object:
    return [] if labels == "auto" else labels


class DatasetConfig(Config):
    """One dataset: files, their columns and what their values mean.

    A path is a file, a folder, a glob or an address; `sentiment.data.sources` has one module a scheme, and checks what
    goes with it (`query` with a database). `path` is split by `SplitConfig`; `validation_path`, `test_path` and
    `split_column` (values train, validation, test) give a split that is kept.

    A column left at null is the one with the conventional name (`CONVENTIONAL_COLUMNS` in `sentiment.data.read`) if
    the file has it; a column that is named must be there; an empty name switches it off. Labels come from the label
    column (a value is the name of a label, or `label_values` maps it to one, or to null, which drops its rows), else
    from the rating: a rating outside every range of `rating_ranges` gives no label. `synthetic` says that no customer
    wrote the texts: results on them are shown as a demonstration. `labels: auto`, an empty list from here on, is what
    the rows say (`sentiment.data.read.learn_labels`). `separator` is between the columns; null: a comma in CSV, a tab
    in TSV. `missing_values`: what stands for nothing, whatever its case, in any column.
    """

    name: str
    path: str
    query: str | None = None
    synthetic: bool = False
    sha256: Sha256 | None = None
    validation_path: str | None = None
    validation_sha256: Sha256 | None = None
    test_path: str | None = None
    test_sha256: Sha256 | None = None

    format: Format | None = None
    encoding: str = "utf-8"
    separator: str | None = Field(default=None, min_length=1, max_length=1)
    quote_char: str | None = Field(default='"', min_length=1, max_length=1)
    missing_values: list[str] = Field(default_factory=lambda: list(MISSING))

    text_column: str = "text"
    id_column: str | None = None
    label_column: str | None = None
    rating_column: str | None = None
    category_column: str | None = None
    language_column: str | None = None
    created_at_column: str | None = None
    source_column: str | None = None
    split_column: str | None = None

    labels: Annotated[list[str], BeforeValidator(_learnt)] = Field(default=["negative", "positive"])
    label_values: dict[str, str | None] | None = None
    rating_ranges: dict[str, tuple[float, float]] = Field(default={"negative": (1, 2), "positive": (4, 5)})
    language: str | None = None

    created_from: date | None = None
    created_before: date | None = None
    sample_rate: float = Field(default=1.0, gt=0, le=1)
    max_chars: int = Field(default=20_000, gt=0)

    @field_validator("label_values", mode="before")
    @classmethod
    def _keys_as_text(cls, values: object) -> object:
        # YAML reads `0: negative` and `true: positive` as an int and a bool.
        return {_as_text(key): value for key, value in values.items()} if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _label_names_agree(self) -> "DatasetConfig":
        if not self.labels:
            return self
        if len(self.labels) < LEAST_LABELS:
            raise disagreement(
                f"labels has one name, {self.labels[0]}, and a model needs two",
                f"Take the labels that the rows have: {option('dataset.labels', 'auto')}",
            )
        if len(set(self.labels)) < len(self.labels):
            labels = [*dict.fromkeys(self.labels)]
            raise disagreement(
                f"labels names a label twice: {', '.join(self.labels)}",
                f"Name each once: {option('dataset.labels', labels)}",
            )
        mapped = {name for name in (self.label_values or {}).values() if name is not None}
        named = mapped | set(self.rating_ranges)
        default = DatasetConfig.model_fields["rating_ranges"].default
        if self.rating_ranges == default and not set(default) <= set(self.labels):
            named = mapped  # other labels, given by a label column
        if unknown := sorted(named - set(self.labels)):
            raise disagreement(
                f"label_values or rating_ranges name {', '.join(unknown)}, but labels only {', '.join(self.labels)}",
                f"Name them all: {option('dataset.labels', sorted(named))}",
            )
        return self

    @model_validator(mode="after")
    def _ranges_are_apart(self) -> "DatasetConfig":
        ranges = sorted(self.rating_ranges.values())
        default = DatasetConfig.model_fields["rating_ranges"].default
        overlap = any(below[1] >= above[0] for below, above in pairwise(ranges))
        if overlap or any(low > high for low, high in ranges):
            written = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in self.rating_ranges.items())
            raise disagreement(
                f"rating_ranges overlap, or have the higher number first: {written}",
                f"Set ranges that are apart, the lower number first: {option('dataset.rating_ranges', default)}",
            )
        return self

    def named_paths(self) -> dict[str, tuple[str, str | None]]:
        """Path and checksum of every split that has a path of its own; `train` is `path`."""
        paths = {
            "train": (self.path, self.sha256),
            "validation": (self.validation_path, self.validation_sha256),
            "test": (self.test_path, self.test_sha256),
        }
        return {split: (path, checksum) for split, (path, checksum) in paths.items() if path}


class SplitConfig(Config):
    """How rows without a given split are divided.

    A validation or test set that the dataset gives is kept as it is; the method carves the missing ones from train.
    `hash` decides by the normalised text and `salt` alone, so that a text keeps its split when the data grows; `time`
    puts the newest rows into test; `given` insists on a given test set (a missing validation set is carved by hash).
    """

    method: Literal["hash", "time", "given"] = "hash"
    validation: float = Field(default=0.1, gt=0, lt=1)
    test: float = Field(default=0.1, gt=0, lt=1)
    salt: str = "sentiment"

    @model_validator(mode="after")
    def _something_is_left_to_train_on(self) -> "SplitConfig":
        if self.validation + self.test >= 1:
            raise disagreement(
                "validation and test together leave no rows for train",
                f"Make them smaller: {option('split.validation', 0.1)} {option('split.test', 0.1)}",
            )
        return self


class ValidationConfig(Config):
    """What a dataset must satisfy before anything is trained on it. Shares are of the rows read."""

    removed = frozenset({"near_duplicate_similarity"})
    max_empty_share: float = Field(default=0.05, ge=0, le=1)
    max_too_long_share: float = Field(default=0.01, ge=0, le=1)
    max_unlabelled_share: float = Field(default=0.6, ge=0, le=1)
    max_conflict_share: float = Field(default=0.05, ge=0, le=1)
    max_duplicate_share: float = Field(default=0.5, ge=0, le=1)
    max_repeated_id_share: float = Field(default=0.01, ge=0, le=1)
    min_rows_per_class: int = Field(default=20, ge=1)
    languages: list[str] = Field(default=["ko", "en"])
    max_other_language_share: float = Field(default=0.1, ge=0, le=1)
    max_near_duplicate_share: float = Field(default=0.1, ge=0, le=1)


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
