"""Files on this disk: one, a folder of them, or what a glob matches."""

import hashlib
from collections.abc import Iterator
from difflib import get_close_matches
from glob import glob, has_magic
from pathlib import Path

from sentiment.config.dataset import DatasetConfig
from sentiment.data.files import SUFFIXES, batches, format_of
from sentiment.data.names import listed
from sentiment.data.sources import Found, Source
from sentiment.errors import DataError, option
from sentiment.home import PROJECT


class LocalFiles(Source):
    """A path without a scheme; a relative one is looked for in the working directory, then in the project."""

    schemes = ("",)

    def frames(self, config: DatasetConfig, path: str, checksum: str | None, rows: int) -> Iterator[Found]:
        """The rows of every file, in the order of the names."""
        for file in local_files(path):
            for frame in batches(file, config, rows=rows):
                yield Found(str(file), None, frame)

    def digest(self, config: DatasetConfig, path: str, checksum: str | None) -> bytes:
        """The SHA-256 of every file."""
        digests = b""
        for file in local_files(path):
            with file.open("rb") as content:
                digests += hashlib.file_digest(content, "sha256").digest()
        return digests

    def shown(self, path: str) -> str:
        """The path itself."""
        return path


SOURCE = LocalFiles()


def local_files(path: str) -> list[Path]:
    """The files a local path means: itself, what a glob matches, or a folder's files of a known format; sorted.

    Raises DataError when there are none, with the nearest name in that folder.
    """
    for place in (Path(), PROJECT):
        location = place / Path(path).expanduser()
        if has_magic(str(location)) and not location.exists():
            files = [Path(match) for match in glob(str(location), recursive=True) if Path(match).is_file()]
        elif location.is_dir():
            files = [file for file in location.iterdir() if format_of(file)]
            if not files:
                raise DataError(
                    f"The folder {location} has no file ending in {', '.join(SUFFIXES)}.",
                    "Name a file with texts: --set dataset.path=FILE",
                )
        else:
            files = [location] if location.is_file() else []
        if files:
            return sorted(files)
    folder = Path(path).expanduser().parent
    names = [entry.name for entry in folder.iterdir() if entry.is_dir() or format_of(entry)] if folder.is_dir() else []
    near = get_close_matches(Path(path).name, names, n=1)
    if near:
        fix = f"Did you mean {near[0]!r}? {option('dataset.path', str(folder / near[0]))}"
    else:
        there = f"{folder} has {listed(sorted(names))}. " if names else ""
        fix = f"{there}Write the path of a file that is there: --set dataset.path=FILE"
    raise DataError(f"The file {path} does not exist.", fix)
