"""The file as it was given, with an answer in every row: label and confidence, or the reason why there is none."""

import os
import shlex
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import polars as pl

from sentiment.config.dataset import DatasetConfig
from sentiment.data.read import ids_and_texts
from sentiment.data.stream import raw_chunks
from sentiment.errors import ConfigError
from sentiment.scoring.snapshot import NOT_READ
from sentiment.store.scores import ScoreStore, Target
from sentiment.text.normalise import rows_that_say_nothing

ROWS = 30_000
ANSWER = ("label", "confidence", "reason")
_BOM = b"\xef\xbb\xbf"  # without it Excel takes UTF-8 for something else
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*_SEPARATORS, ".jsonl")


def check_out(out: Path, config: DatasetConfig) -> None:
    """Raise ConfigError for a file that cannot be written as rows, or that is the one to be read."""
    if out.suffix not in SUFFIXES:
        raise ConfigError(
            f"The name {out} does not say which format to write.",
            f"End it in {', '.join(SUFFIXES)}: --out {shlex.quote(str(out.with_suffix('.csv')))}",
        )
    if out.exists() and os.path.realpath(out) == os.path.realpath(Path(config.path).expanduser()):
        other = out.with_name(f"{out.stem}-scored{out.suffix}")
        raise ConfigError(f"{out} is the file that is scored.", f"Name another: --out {shlex.quote(str(other))}")
    if not out.parent.is_dir():
        raise ConfigError(
            f"There is no folder {out.parent} to write {out.name} into.",
            f"Make it: mkdir -p {shlex.quote(str(out.parent))}",
        )


def write_answers(config: DatasetConfig, target: Target, database_url: str, out: Path) -> tuple[int, int]:
    """Write all rows of the dataset with what the table of scores has for them; returns rows, and rows with an answer.

    The columns of the answer are `ANSWER`, with `predicted_` before a name that the file has already. The file is
    there when all of it is. Raises StackError when the database is out of reach.
    """
    config = config.model_copy(update=dict.fromkeys(NOT_READ, ""))
    unfinished = out.with_name(f".{out.name}.unfinished")
    rows = answered = 0
    try:
        with closing(ScoreStore(database_url)) as store, unfinished.open("wb") as file:
            write = _writer(out.suffix)
            for chunk in raw_chunks(config, ROWS):
                ids, texts = ids_and_texts(chunk, config)
                answers = _answers(ids, texts, config, store, target)
                taken = set(chunk.frame.columns)
                named = {name: f"predicted_{name}" if name in taken else name for name in ANSWER}
                file.write(write(pl.concat([chunk.frame, answers.rename(named)], how="horizontal"), rows == 0))
                rows += len(answers)
                answered += answers["label"].count()
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    return rows, answered


def _answers(
    ids: pl.Series, texts: pl.Series, config: DatasetConfig, store: ScoreStore, target: Target
) -> pl.DataFrame:
    found = store.fetch(target.keys(ids).to_list()).select(id="review_id", label="label", confidence="confidence")
    known = pl.DataFrame({"id": ids}).join(found, on="id", how="left", maintain_order="left")
    reason = (
        pl.when(known["label"].is_not_null())
        .then(pl.lit(None, pl.String))
        .when(rows_that_say_nothing(texts))
        .then(pl.lit("empty text"))
        .when(texts.str.len_chars() > config.max_chars)
        .then(pl.lit(f"longer than max_chars ({config.max_chars:,})"))
        .otherwise(pl.lit("left out by the dataset's settings"))
    )
    return known.select("label", "confidence", reason=reason)


def _writer(suffix: str) -> Callable[[pl.DataFrame, bool], bytes]:
    """A function from a frame, and whether it is the first, to the bytes of its rows."""
    if suffix == ".jsonl":
        return lambda frame, _: frame.write_ndjson().encode()
    separator = _SEPARATORS[suffix]
    return lambda frame, first: (
        (_BOM if first else b"") + frame.write_csv(separator=separator, include_header=first).encode()
    )
