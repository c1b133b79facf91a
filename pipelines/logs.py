"""Silence by default: what libraries log goes to a file, not to the terminal."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import zenml  # noqa: F401 - installs its terminal handler on import, and that one must be found here

from sentiment.data.pii import mask


@contextmanager
def logs_to(path: Path) -> Iterator[Path]:
    """Send every log record to `path` and none to the terminal, e-mail addresses and numbers masked.

    The terminal stays quiet afterwards, too: libraries log until the process ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger()
    handler = _FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(_MaskingFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    for each in [each for each in root.handlers if isinstance(each, logging.StreamHandler)]:
        root.removeHandler(each)
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield path
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        handler.close()


class _FileHandler(logging.FileHandler):
    """Gives up a record rather than the run: on a full disk the run has an error of its own to tell."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing: the place to say it is full."""

    def close(self) -> None:
        with suppress(OSError):
            super().close()


class _MaskingFormatter(logging.Formatter):
    COLOURS = re.compile(r"\x1b\[[0-9;]*m")

    def format(self, record: logging.LogRecord) -> str:
        return mask(self.COLOURS.sub("", super().format(record)))
