"""One file that is fetched over HTTP, once, and read from SENTIMENT_HOME/downloads."""

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from sentiment.config.dataset import DatasetConfig
from sentiment.data.files import batches
from sentiment.data.sources import Found, Source, shown
from sentiment.errors import OR, DataError, option
from sentiment.home import home

MAX_DOWNLOAD_BYTES = 4 << 30
FETCH = f"Correct the address: --set dataset.path=ADDRESS{OR}Fetch the file yourself: --set dataset.path=FILE"


class Download(Source):
    """An address on the web, which may carry a signature."""

    schemes = ("http", "https")

    def frames(self, config: DatasetConfig, path: str, checksum: str | None, rows: int) -> Iterator[Found]:
        """The rows of the downloaded file."""
        file = download(path, checksum, home() / "downloads")
        for frame in batches(file, config, rows=rows):
            yield Found(str(file), None, frame)

    def digest(self, config: DatasetConfig, path: str, checksum: str | None) -> bytes:
        """The declared checksum, else what the server says about the file's version."""
        return (checksum or remote_version(path)).encode()


SOURCE = Download()


class _AddressesAsShown(logging.Filter):
    """httpx logs every address it asks for, signature and all."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(shown(str(arg)) if isinstance(arg, httpx.URL) else arg for arg in record.args)
        return True


logging.getLogger("httpx").addFilter(_AddressesAsShown())


def download(url: str, sha256: str | None, folder: Path, max_bytes: int = MAX_DOWNLOAD_BYTES) -> Path:
    """Fetch `url` into `folder`, once: a file whose checksum is known, or that the server calls unchanged, is reused.

    Written under another name and renamed when complete, so that nothing half-written is ever read. Raises DataError
    when the server refuses, the file is larger than `max_bytes`, or its checksum differs; then nothing is left behind.
    """
    place = shown(url)
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
                        f"{place} is larger than {max_bytes >> 20} MB.",
                        FETCH,
                    )
        if sha256 and (actual := _sha256(Path(partial))) != sha256:
            raise DataError(
                f"{place} has the SHA-256 {actual}, not {sha256}.",
                f"If this is the file you mean, say so: {option('dataset.sha256', actual)}"
                f"{OR}Get the right file from a source you trust: --set dataset.path=FILE",
            )
        Path(partial).replace(target)
        if etag := response.headers.get("etag"):
            version.write_text(etag)
        else:
            version.unlink(missing_ok=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DataError(f"{place} cannot be downloaded: {_cause(error)}.", FETCH) from None
    finally:
        Path(partial).unlink(missing_ok=True)
    return target


def remote_version(url: str) -> str:
    """What the server says to tell versions of a file apart: its ETag, else its date and size."""
    try:
        # Not HEAD: an address that is signed for GET refuses it. The body is not read.
        with httpx.stream("GET", url, follow_redirects=True, timeout=30) as response:
            response.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DataError(f"{shown(url)} cannot be reached: {_cause(error)}.", FETCH) from None
    headers = response.headers
    return headers.get("etag") or f"{headers.get('last-modified')} {headers.get('content-length')}"


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _cause(error: httpx.HTTPError | httpx.InvalidURL) -> str:
    if isinstance(error, httpx.InvalidURL):
        return "this is not a valid address"  # httpx repeats the part it cannot read, which may be a password
    if isinstance(error, httpx.HTTPStatusError):
        return f"the server answered {error.response.status_code} {error.response.reason_phrase}"
    return str(error) or type(error).__name__
