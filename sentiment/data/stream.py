"""What a config names as raw frames of bounded size, in order: files, downloads, hub datasets and database queries."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from sentiment.config.dataset import DatasetConfig
from sentiment.data.files import batches
from sentiment.data.reviews import SPLITS
from sentiment.data.sources import http as sources
from sentiment.data.sources.database import DATABASE, query_batches
from sentiment.home import home

ROWS = 1 << 16
SPLIT_NAMES = {name: name for name in SPLITS} | {"valid": "validation", "val": "validation", "dev": "validation"}


class RawChunk(NamedTuple):
    """Some rows of one place, and how many of that place came before. `split` is for rows that name none."""

    split: str
    place: str
    before: int
    frame: pl.DataFrame


def named_paths(config: DatasetConfig) -> dict[str, tuple[str, str | None]]:
    """Path and checksum of every split that has a path of its own; `train` is `config.path`."""
    paths = {
        "train": (config.path, config.sha256),
        "validation": (config.validation_path, config.validation_sha256),
        "test": (config.test_path, config.test_sha256),
    }
    return {split: (path, checksum) for split, (path, checksum) in paths.items() if path}


def raw_chunks(config: DatasetConfig, rows: int) -> Iterator[RawChunk]:
    """Everything the config points at, in frames of at most `rows` rows.

    Raises DataError where a source cannot be read: see `sentiment.data.files`, `.sources` and `.database`.
    """
    for split, (path, checksum) in named_paths(config).items():
        place, before = "", 0
        for own, found, frame in _frames(config, split, path, checksum, rows):
            before = 0 if found != place else before
            place = found
            yield RawChunk(own, place, before, frame)
            before += len(frame)


def _frames(
    config: DatasetConfig, split: str, path: str, checksum: str | None, rows: int
) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """The split, the place and the frames of one path, place after place."""
    if path.startswith(sources.HUB):
        for name, frame in sources.hub_batches(path, rows):
            yield SPLIT_NAMES.get(name, split) if split == "train" else split, f"{path} ({name})", frame
    elif path.startswith(DATABASE):
        for frame in query_batches(path, str(config.query), rows):
            yield split, path, frame
    else:
        for file in _files(path, checksum):
            for frame in batches(file, config.format, config.encoding, config.quote_char, rows=rows):
                yield split, str(file), frame


def _files(path: str, checksum: str | None) -> list[Path]:
    if sources.is_url(path):
        return [sources.download(path, checksum, home() / "downloads")]
    return sources.local_files(path)
