"""Where rows come from. Each module of this package is one kind of source, found because it is here.

A module has one `SOURCE`. Whatever must know about a scheme asks it: reading, the cache key, what people are shown.
"""

import pkgutil
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import ClassVar, NamedTuple

import polars as pl

from sentiment.config.dataset import DatasetConfig
from sentiment.config.load import expand
from sentiment.errors import ConfigError, nearest, option

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_HOST = re.compile(r"[^:@\s]*(:\d+)?|\[[0-9A-Fa-f:.]*\](:\d+)?")


class Found(NamedTuple):
    """Some rows as they are at a place. `split` is what the source itself calls them, None where it does not."""

    place: str
    split: str | None
    frame: pl.DataFrame


class Source(ABC):
    """One kind of source.

    `schemes`: what its paths have before `://`. `queried`: how its paths are written, if `dataset.query` says what to
    read there. `ordered`: the rows come in the same order every time, so that one without an id can be numbered.
    """

    schemes: ClassVar[tuple[str, ...]]
    queried: ClassVar[str] = ""
    ordered: ClassVar[bool] = True

    @abstractmethod
    def frames(self, config: DatasetConfig, path: str, checksum: str | None, rows: int) -> Iterator[Found]:
        """Everything at `path`, place after place, in frames of at most `rows` rows.

        `path` may refer to variables, as ${env:NAME}: `opened` gives their values, for the moment of reading. Raises
        DataError where it cannot be read. The places are shown to people: they hold no secrets.
        """

    @abstractmethod
    def digest(self, config: DatasetConfig, path: str, checksum: str | None) -> bytes:
        """What changes whenever the rows at `path` do: part of the key under which they are cached."""

    def shown(self, path: str) -> str:
        """The path as people may see it: without user, password, signature and token."""
        return without_secrets(path)

    def check(self, config: DatasetConfig) -> None:
        """Raise ConfigError for keys of `config` that do not go with paths of this source."""
        if (config.query is not None) != bool(source_of(config.path).queried):
            forms = sorted({source.queried for source in registered().values()} - {""})
            raise ConfigError(
                f"dataset: query and a path {' or '.join(forms)} go together.",
                f"Leave the query out: {option('dataset.query', None)}"
                if config.query is not None
                else "Say what to read there: --set 'dataset.query=SELECT id, text, label FROM reviews'",
            )


@cache
def registered() -> dict[str, Source]:
    """Every source by each of its schemes; local files have the empty one."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    sources: list[Source] = [import_module(f"{__name__}.{name}").SOURCE for name in names]
    return {scheme: source for source in sources for scheme in source.schemes}


def source_of(path: str) -> Source:
    """The source that reads `path`. Raises ConfigError for an unknown scheme, with the nearest known one."""
    scheme = _scheme_of(opened(path))
    if found := registered().get(scheme):
        return found
    raise ConfigError(
        f"dataset: no source reads {shown(path)}.", nearest(scheme.lower(), (name for name in registered() if name))
    )


def opened(path: str) -> str:
    """The path with the values of the variables it refers to: to read it, and to be kept, shown and logged nowhere.

    Raises ConfigError for a variable that is not set.
    """
    found: str = expand(path, source=f"The dataset at {shown(path)}")
    return found


def shown(path: str) -> str:
    """A dataset's path as people may see it: without user, password, signature and token."""
    source = registered().get(_scheme_of(path))
    return source.shown(path) if source else without_secrets(path)


def check(config: DatasetConfig) -> None:
    """Raise ConfigError for a path of an unknown scheme, and for keys that do not go with the paths."""
    sources = [source_of(path) for path, _ in config.named_paths().values()]
    for source in dict.fromkeys(sources):
        source.check(config)


def without_secrets(address: str) -> str:
    """The address without user, password, query and fragment; no more than the scheme where it is malformed."""
    scheme, _, rest = address.partition("://")
    authority, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    host = authority.rpartition("@")[2]
    return f"{scheme}://{host}{slash}{path}" if _HOST.fullmatch(host) else f"{scheme}://…"


def _scheme_of(path: str) -> str:
    found = _SCHEME.match(path)
    return found[1] if found else ""
