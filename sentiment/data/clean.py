"""Cleaning: normalise the texts, then drop the rows nothing should be learnt from, each counted under its reason."""

from collections.abc import Sequence

import polars as pl

from sentiment.data.reviews import SPLITS, Splits
from sentiment.stored import Frozen, Report
from sentiment.text.normalise import TextNormaliser

REASONS = {
    "too_long": "more characters than dataset.max_chars",
    "empty": "nothing left after normalisation",
    "unlabelled": "no label and no rating that gives one",
    "conflict": "the same text with two labels: every copy",
    "contamination": "a train text that the given validation or test set has, or a validation text that test has",
    "duplicate": "a repeated text in train: every copy but the earliest",
}
_FIRST = 5


class Dropped(Frozen):
    """The rows of one split dropped for one reason; `ids` are the first of them."""

    reason: str
    split: str
    rows: int
    ids: list[str]


class CleaningReport(Report):
    """What cleaning changed and dropped: `rows_in` is `rows_out` and all of `dropped` together."""

    rows_in: dict[str, int]
    rows_out: dict[str, int]
    dropped: list[Dropped]
    normalised: dict[str, int]
    classes: dict[str, dict[str, int]]

    def share_dropped(self, reason: str) -> float:
        """Rows dropped for a reason, as a share of all rows."""
        return sum(entry.rows for entry in self.dropped if entry.reason == reason) / max(1, sum(self.rows_in.values()))


def clean(
    given: Splits, normaliser: TextNormaliser, *, max_chars: int = 20_000, labelled: bool = True
) -> tuple[Splits, CleaningReport]:
    """Normalise and filter what `read` returned; the texts of the result are normalised.

    A validation or test set that the dataset gives is a benchmark others report on, so it keeps its own repeats: only
    texts that are too long, empty, unlabelled or labelled both ways leave it. Train gives way to it: a train row with
    the text of a given test row is dropped, whatever its label. `labelled=False` (rows to be scored or pre-trained on)
    keeps rows without a label, and repeats and conflicts with them: every row is answered for.
    """
    frame = given.frame().with_row_index("row")
    rows_in = _rows(frame)
    dropped: list[Dropped] = []
    frame = _drop(frame, "too_long", frame["text"].str.len_chars() > max_chars, dropped)
    texts, normalised = normaliser.series_and_counts(frame["text"])
    frame = frame.with_columns(texts.alias("text"))
    frame = _drop(frame, "empty", frame["text"] == "", dropped)
    if labelled:
        frame = _drop(frame, "unlabelled", frame["label"].is_null(), dropped)
        frame = _drop(frame, "conflict", _conflicts(frame), dropped)
        frame = _drop(frame, "contamination", _contamination(frame), dropped)
        frame = _drop(frame, "duplicate", _later_copies(frame), dropped)
    report = CleaningReport(
        rows_in=rows_in,
        rows_out=_rows(frame),
        dropped=dropped,
        normalised=normalised,
        classes=_classes(frame, given.labels),
    )
    return Splits.from_frame(frame, given.labels), report


def _drop(frame: pl.DataFrame, reason: str, rows: pl.Series, dropped: list[Dropped]) -> pl.DataFrame:
    if not rows.any():
        return frame
    gone = frame.select("id", "split").filter(rows)
    for name in SPLITS:
        ids = gone.filter(split=name)["id"]
        if len(ids):
            dropped.append(Dropped(reason=reason, split=name, rows=len(ids), ids=ids.head(_FIRST).to_list()))
    return frame.filter(~rows)


def _conflicts(frame: pl.DataFrame) -> pl.Series:
    both = _repeated(frame).group_by("split", "text").agg(pl.col("label").n_unique()).filter(pl.col("label") > 1)
    return _is_in(frame, both)


def _contamination(frame: pl.DataFrame) -> pl.Series:
    validation, test = (frame["text"].filter(frame["split"] == name) for name in ("validation", "test"))
    in_train = frame["text"].is_in(pl.concat([validation, test]).unique().implode()) & (frame["split"] == "train")
    in_validation = frame["text"].is_in(test.unique().implode()) & (frame["split"] == "validation")
    return in_train | in_validation


def _later_copies(frame: pl.DataFrame) -> pl.Series:
    copies = _repeated(frame.filter(split="train"))
    first = copies.sort("created_at", "row", nulls_last=True).unique("text", keep="first")
    return frame["row"].is_in(copies["row"].implode()) & ~frame["row"].is_in(first["row"].implode())


def _repeated(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(frame.select("split", "text").is_duplicated())


def _is_in(frame: pl.DataFrame, keys: pl.DataFrame) -> pl.Series:
    hits = frame.select("row", "split", "text").join(keys, on=["split", "text"], how="semi")
    return frame["row"].is_in(hits["row"].implode())


def _rows(frame: pl.DataFrame) -> dict[str, int]:
    return {name: int((frame["split"] == name).sum()) for name in SPLITS}


def _classes(frame: pl.DataFrame, labels: Sequence[str]) -> dict[str, dict[str, int]]:
    rows = frame.group_by("split", "label").len().iter_rows()
    counts = {(split, label): count for split, label, count in rows}
    return {name: {label: counts.get((name, i), 0) for i, label in enumerate(labels)} for name in SPLITS}
