"""One file that is fetched over HTTP, once, and read from SENTIMENT_HOME/downloads."""

import hashlib
import ipaddress
import logging
import os
import shlex
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from sentiment.config.dataset import DatasetConfig
from sentiment.data.files import SUFFIXES, batches
from sentiment.data.sources import Found, Source, opened, shown
from sentiment.errors import OR, DataError, option
from sentiment.home import home

MAX_DOWNLOAD_BYTES = 4 << 30
# Names of servers on the own network that others may send on to.
REDIRECTS_VARIABLE = "SENTIMENT_REDIRECT_HOSTS"
_SUFFIXES = [f"{suffix}{packed}" for suffix in SUFFIXES for packed in ("", ".gz")]
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
    """httpx logs every address it asks for, signature and all: any part of it but the server may be secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                f"{arg.scheme}://{arg.host}" if isinstance(arg, httpx.URL) else arg for arg in record.args
            )
        return True


logger = logging.getLogger(__name__)
logging.getLogger("httpx").addFilter(_AddressesAsShown())


def download(path: str, sha256: str | None, folder: Path, max_bytes: int = MAX_DOWNLOAD_BYTES) -> Path:
    """Fetch what is at `path` into `folder`, once: a file is reused if its checksum is known or the server calls it
    unchanged.

    Written under another name and renamed when complete, so that nothing half-written is ever read. Raises DataError
    when the server refuses, the file is larger than `max_bytes`, or its checksum differs; then nothing is left behind.
    """
    place, url = shown(path), opened(path)
    name = Path(urlsplit(url).path).name or "data"
    if url != path:  # any part of it may be secret
        name = "data" + next((suffix for suffix in _SUFFIXES if name.endswith(suffix)), "")
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
            _asked(url, place, headers) as response,
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


def remote_version(path: str) -> str:
    """What the server says to tell versions of a file apart: its ETag, else its date and size."""
    try:
        # Not HEAD: an address that is signed for GET refuses it. The body is not read.
        with _asked(opened(path), shown(path), {}) as response:
            response.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DataError(f"{shown(path)} cannot be reached: {_cause(error)}.", FETCH) from None
    headers = response.headers
    return headers.get("etag") or f"{headers.get('last-modified')} {headers.get('content-length')}"


@contextmanager
def _asked(url: str, place: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
    """The answer to a request for `url`, wherever it is redirected to; `place` names it in the error.

    Raises DataError for a redirect from one server to another that only this machine or its network can reach: whoever
    owns the first could read what is behind a firewall, such as a cloud's credentials at 169.254.169.254.
    """
    logger.info("Asking for %s", place)
    named = {urlsplit(url).hostname, *os.environ.get(REDIRECTS_VARIABLE, "").replace(",", " ").split()}

    def check(request: httpx.Request) -> None:
        if request.url.host not in named and not _is_public(request.url.host):
            raise DataError(
                f"{place} sends on to {request.url.host}, which is a local or private address.",
                f"If you trust both servers, allow it: export {REDIRECTS_VARIABLE}={shlex.quote(request.url.host)}",
            )

    with (
        httpx.Client(follow_redirects=True, timeout=30, event_hooks={"request": [check]}) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        yield response


def _is_public(host: str) -> bool:
    """Whether every address of `host` is one of the internet's; one without an address fails by itself."""
    try:
        found = {ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return True
    plain = [getattr(each, "ipv4_mapped", None) or each for each in found]
    return all(each.is_global and not each.is_multicast for each in plain)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _cause(error: httpx.HTTPError | httpx.InvalidURL) -> str:
    if isinstance(error, httpx.InvalidURL):
        return "this is not a valid address"  # httpx repeats the part it cannot read, which may be a password
    if isinstance(error, httpx.HTTPStatusError):
        return f"the server answered {error.response.status_code} {error.response.reason_phrase}"
    return str(error) or type(error).__name__
