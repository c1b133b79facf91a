"""What a config names as raw frames of bounded size, in order: files, downloads, hub datasets and database queries."""

from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from sentiment.config.dataset import DatasetConfig
from sentiment.data.reviews import SPLITS
from sentiment.data.sources import check, source_of

ROWS = 1 << 16
SPLIT_NAMES = {name: name for name in SPLITS} | {"valid": "validation", "val": "validation", "dev": "validation"}


class RawChunk(NamedTuple):
    """Some rows of one place, and how many of that place came before. `split` is for rows that name none.

    `ordered`: the rows of a place come in the same order every time.
    """

    split: str
    place: str
    before: int
    frame: pl.DataFrame
    ordered: bool


def raw_chunks(config: DatasetConfig, rows: int) -> Iterator[RawChunk]:
    """Everything the config points at, in frames of at most `rows` rows.

    Raises ConfigError for keys that do not go together, DataError where a source cannot be read.
    """
    check(config)
    for split, (path, checksum) in config.named_paths().items():
        source = source_of(path)
        place, before = "", 0
        for found in source.frames(config, path, checksum, rows):
            before = 0 if found.place != place else before
            place = found.place
            own = SPLIT_NAMES.get(found.split or "", split) if split == "train" else split
            yield RawChunk(own, place, before, found.frame, source.ordered)
            before += len(found.frame)
