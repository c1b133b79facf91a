"""Silence by default: what libraries log goes to a file, not to the terminal."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import zenml  # noqa: F401 - installs its terminal handler on import, and that one must be found here

from sentiment.text.masked_logs import mask_logs

logger = logging.getLogger(__name__)


@contextmanager
def logs_to(path: Path) -> Iterator[Path]:
    """Send every log record to `path` and none to the terminal, e-mail addresses and numbers masked. So also an
    exception that nobody can catch, such as that of a file on S3 which cannot be closed any more.

    The terminal stays quiet afterwards, too: libraries log until the process ends.
    """
    mask_logs()
    path.parent.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger()
    handler = _FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(_PlainFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    for each in [each for each in root.handlers if isinstance(each, logging.StreamHandler)]:
        root.removeHandler(each)
    root.addHandler(handler)
    logging.captureWarnings(True)
    sys.unraisablehook = _log_unraisable
    try:
        yield path
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        handler.close()


def _log_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    raised = unraisable.exc_value
    logger.info("%s %r", unraisable.err_msg or "Exception ignored in:", unraisable.object, exc_info=raised)


class _FileHandler(logging.FileHandler):
    """Gives up a record rather than the run: on a full disk the run has an error of its own to tell."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing: the place to say it is full."""

    def close(self) -> None:
        with suppress(OSError):
            super().close()


class _PlainFormatter(logging.Formatter):
    COLOURS = re.compile(r"\x1b\[[0-9;]*m")

    def format(self, record: logging.LogRecord) -> str:
        return self.COLOURS.sub("", super().format(record))
