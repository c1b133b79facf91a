"""Dividing rows into train, validation and test so that no text stands on two sides."""

from collections import Counter
from datetime import timedelta

import polars as pl

from sentiment.config.dataset import SplitConfig
from sentiment.data.names import counted, listed
from sentiment.data.reviews import SPLITS, Splits
from sentiment.errors import OR, DataError, option
from sentiment.text.hashing import fractions

_FIRST = 5
# Rows of a label from which a tenth, split by chance, is sure to have some: 20 in each split.
ENOUGH = 200


def split(cleaned: Splits, config: SplitConfig) -> Splits:
    """Carve the sets that the dataset did not give from train; see `SplitConfig` for the methods.

    `cleaned` comes from `sentiment.data.clean`: its texts are normalised, so equal texts get equal hashes. Raises
    DataError when a split comes out empty or without one of the classes, when `given` finds no test set, and when
    `time` meets rows without a time.
    """
    if config.method == "given" and not len(cleaned.test):
        raise DataError(
            "split.method is 'given', but the dataset gives no test set.",
            f"Take it from the rows: {option('split.method', 'hash')}"
            f"{OR}Name the file that has it: --set dataset.test_path=FILE",
        )
    frame = cleaned.train.frame()
    shares = {
        "test": 0.0 if len(cleaned.test) else config.test,
        "validation": 0.0 if len(cleaned.validation) else config.validation,
    }
    parts = _by_time(frame, shares) if config.method == "time" else by_hash(frame, shares, config.salt)
    carved = Splits.from_frame(frame.with_columns(split=parts), cleaned.labels)
    result = Splits(
        train=carved.train,
        validation=cleaned.validation if len(cleaned.validation) else carved.validation,
        test=cleaned.test if len(cleaned.test) else carved.test,
    )
    _check(result)
    return result


def by_hash(frame: pl.DataFrame, shares: dict[str, float], salt: str) -> pl.Series:
    """The split of every row, decided by its normalised text and `salt` alone; `shares` of test and validation."""
    place = fractions(frame["text"], salt)
    return _choose(test=place < shares["test"], validation=place < shares["test"] + shares["validation"])


def _by_time(frame: pl.DataFrame, shares: dict[str, float]) -> pl.Series:
    """Cut between moments, never within one: rows of the same time stay together."""
    times = frame["created_at"]
    if times.null_count():
        ids = frame.filter(times.is_null())["id"].head(_FIRST).to_list()
        raise DataError(
            f"split.method is 'time', but {counted(times.null_count())} of {len(frame):,} have no created_at "
            f"(first ids {listed(ids)}).",
            f"Split by the texts: {option('split.method', 'hash')}"
            f"{OR}Name the column of dates: --set dataset.created_at_column=NAME",
        )
    moments = times.sort()
    never = moments[-1] + timedelta(microseconds=1)

    def since(share: float) -> object:
        return moments[round(len(moments) * (1 - share))] if share else never

    newest = since(shares["test"])
    return _choose(test=times >= newest, validation=times >= since(shares["test"] + shares["validation"]))


def _choose(*, test: pl.Series, validation: pl.Series) -> pl.Series:
    name = pl.when(test).then(pl.lit("test")).when(validation).then(pl.lit("validation")).otherwise(pl.lit("train"))
    return pl.select(split=name)["split"]


def _check(splits: Splits) -> None:
    for name, reviews in zip(SPLITS, (splits.train, splits.validation, splits.test), strict=True):
        rows = reviews.frame()["label"].value_counts()
        counts = dict(zip(rows["label"].to_list(), rows["count"].to_list(), strict=True))
        found = {label: counts.get(index, 0) for index, label in enumerate(splits.labels)}
        if not all(found.values()):
            raise DataError(
                f"The {name} split has no row of the label {' or '.join(each for each in found if not found[each])}: "
                f"{_sizes(splits)}.",
                _more_rows(splits),
            )


def _sizes(splits: Splits) -> str:
    """Rows by label, and how the splits share them."""
    by_label = Counter(splits.frame()["label"].to_list())
    labels = ", ".join(f"{label} {by_label[index]:,}" for index, label in enumerate(splits.labels))
    parts = ", ".join(f"{name} {len(reviews):,}" for name, reviews in splits.named())
    return f"the file has {counted(sum(by_label.values()))} to learn from ({labels}), which are split into {parts}"


def _more_rows(splits: Splits) -> str:
    """What is needed of each label; with enough of each, a larger share of them."""
    rows = Counter(splits.frame()["label"].to_list())
    few = [label for index, label in enumerate(splits.labels) if rows[index] < ENOUGH]
    if few:
        return f"Add rows labelled {' and '.join(few)}: about {ENOUGH} of each label are needed."
    return f"Give the held-out splits more rows: {option('split.validation', 0.2)} {option('split.test', 0.2)}"
