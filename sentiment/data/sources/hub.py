"""A dataset of the Hugging Face hub, `hf://owner/name[/config][@revision]`, with its own splits."""

import re
from collections.abc import Iterator

import datasets
import polars as pl

from sentiment.config.dataset import DatasetConfig
from sentiment.data.sources import Found, Source, opened
from sentiment.errors import OR, DataError
from sentiment.text.pii import mask

_PATH = re.compile(r"hf://(?P<name>[^/@?#]+/[^/@?#]+)(/(?P<config>[^/@?#]+))?(@(?P<revision>[^@?#]*))?")
_TOKEN = re.compile(r"hf_[A-Za-z0-9]{30,}")


class HubDataset(Source):
    """A dataset of the hub. Class labels become their names."""

    schemes = ("hf",)

    def frames(self, config: DatasetConfig, path: str, checksum: str | None, rows: int) -> Iterator[Found]:
        """The rows of every split."""
        parts = _PATH.fullmatch(opened(path))
        if not parts:
            raise DataError(
                f"{self.shown(path)} is no dataset of the hub.",
                "Write it like this: --set dataset.path=hf://OWNER/NAME",
            )
        try:
            loaded = datasets.load_dataset(parts["name"], parts["config"], revision=parts["revision"] or None)
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
            cause = mask(_without_token((str(error) or type(error).__name__).splitlines()[0]))[:80]
            raise DataError(
                f"{self.shown(path)} cannot be loaded: {cause}.",
                f"Correct the name: --set dataset.path=hf://OWNER/NAME{OR}For a private one: export HF_TOKEN=TOKEN",
            ) from None
        for name, split in loaded.items():
            for start in range(0, len(split), rows):
                yield Found(f"{self.shown(path)} ({name})", str(name), _frame(split, start, rows))

    def digest(self, config: DatasetConfig, path: str, checksum: str | None) -> bytes:
        """Nothing: the config holds the name and the revision, and the hub is not asked whether the rows changed."""
        return b""

    def shown(self, path: str) -> str:
        """Without a token, wherever it was put."""
        return _without_token(super().shown(path))


SOURCE = HubDataset()


def _without_token(text: str) -> str:
    return _TOKEN.sub("hf_…", text)


def _frame(split: datasets.Dataset, start: int, rows: int) -> pl.DataFrame:
    frame = pl.DataFrame(split.data.table.slice(start, rows))
    classes = {name: kind.names for name, kind in split.features.items() if isinstance(kind, datasets.ClassLabel)}
    return frame.with_columns(
        pl.col(name).replace_strict(dict(enumerate(names)), default=None, return_dtype=pl.String)
        for name, names in classes.items()
    )
