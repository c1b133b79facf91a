"""From what a config calls a path to files on this disk: local files, folders and globs, downloads, hub datasets."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from glob import glob, has_magic
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import datasets
import httpx
import polars as pl

from sentiment.data.files import SUFFIXES, format_of
from sentiment.errors import DataError, nearest
from sentiment.home import PROJECT

HUB = "hf://"
MAX_DOWNLOAD_BYTES = 4 << 30


def is_url(path: str) -> bool:
    """Whether a path is fetched over HTTP."""
    return path.startswith(("http://", "https://"))


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
                raise DataError(f"The folder {location} has no file ending in {', '.join(SUFFIXES)}.")
        else:
            files = [location] if location.is_file() else []
        if files:
            return sorted(files)
    folder = Path(path).expanduser().parent
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    hint = nearest(Path(path).name, names) if names else f"There is no folder {folder}, or it is empty."
    raise DataError(f"The file {path} does not exist.", hint)


def download(url: str, sha256: str | None, folder: Path, max_bytes: int = MAX_DOWNLOAD_BYTES) -> Path:
    """Fetch `url` into `folder`, once: a file whose checksum is known, or that the server calls unchanged, is reused.

    Written under another name and renamed when complete, so that nothing half-written is ever read. Raises DataError
    when the server refuses, the file is larger than `max_bytes`, or its checksum differs; then nothing is left behind.
    """
    shown = without_query(url)
    name = Path(urlsplit(url).path).name or "data"
    target = folder / f"{hashlib.sha256(f'{url} {sha256}'.encode()).hexdigest()[:16]}-{name}"
    version = target.with_name(f"{target.name}.etag")
    if sha256 and target.exists() and _sha256(target) == sha256:
        return target
    headers = {"If-None-Match": version.read_text()} if not sha256 and target.exists() and version.exists() else {}
    folder.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=folder, prefix=".partial-")
    try:
        with (
            os.fdopen(handle, "wb") as file,
            httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=30) as response,
        ):
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return target
            response.raise_for_status()
            for chunk in response.iter_bytes(1 << 20):
                file.write(chunk)
                if file.tell() > max_bytes:
                    raise DataError(
                        f"{shown} is larger than {max_bytes >> 20} MB.",
                        "Fetch it yourself and set dataset.path to the file.",
                    )
        if sha256 and (actual := _sha256(Path(partial))) != sha256:
            raise DataError(
                f"{shown} has the SHA-256 {actual}, not {sha256}.",
                "Set the checksum of the file you mean, or get the file from a source you trust.",
            )
        Path(partial).replace(target)
        if etag := response.headers.get("etag"):
            version.write_text(etag)
        else:
            version.unlink(missing_ok=True)
    except httpx.HTTPError as error:
        raise DataError(
            f"{shown} cannot be downloaded: {_cause(error)}.", "Check the address and the network."
        ) from None
    finally:
        Path(partial).unlink(missing_ok=True)
    return target


def remote_version(url: str) -> str:
    """What the server says to tell versions of a file apart: its ETag, else its date and size."""
    try:
        # Not HEAD: an address that is signed for GET refuses it. The body is not read.
        with httpx.stream("GET", url, follow_redirects=True, timeout=30) as response:
            response.raise_for_status()
    except httpx.HTTPError as error:
        raise DataError(
            f"{without_query(url)} cannot be reached: {_cause(error)}.", "Check the address and the network."
        ) from None
    headers = response.headers
    return headers.get("etag") or f"{headers.get('last-modified')} {headers.get('content-length')}"


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def without_query(url: str) -> str:
    """The address without the signature or the password it may carry; what is no address stays as it is."""
    if not is_url(url):
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _cause(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"the server answered {error.response.status_code} {error.response.reason_phrase}"
    return str(error) or type(error).__name__


def hub_batches(path: str, rows: int) -> Iterator[tuple[str, pl.DataFrame]]:
    """The splits of a Hugging Face dataset `hf://owner/name[/config][@revision]`, in frames of at most `rows` rows.

    Class labels become their names.
    """
    identity, _, revision = path.removeprefix(HUB).partition("@")
    parts = identity.split("/")
    if len(parts) not in (2, 3):
        raise DataError(f"{path} is no dataset of the hub.", "Write hf://owner/name or hf://owner/name/config.")
    try:
        loaded = datasets.load_dataset("/".join(parts[:2]), *parts[2:], revision=revision or None)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be loaded: {cause}.", "Check the name, the network and HF_TOKEN.") from None
    for name, split in loaded.items():
        for start in range(0, len(split), rows):
            yield str(name), _hub_frame(split, start, rows)


def _hub_frame(split: datasets.Dataset, start: int, rows: int) -> pl.DataFrame:
    frame = pl.DataFrame(split.data.table.slice(start, rows))
    classes = {name: kind.names for name, kind in split.features.items() if isinstance(kind, datasets.ClassLabel)}
    return frame.with_columns(
        pl.col(name).replace_strict(dict(enumerate(names)), default=None, return_dtype=pl.String)
        for name, names in classes.items()
    )
