"""Silence by default: what libraries log goes to a file, not to the terminal."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zenml  # noqa: F401 - installs its terminal handler on import, and that one must be found here

from sentiment.data.pii import mask


@contextmanager
def logs_to(path: Path) -> Iterator[Path]:
    """Send every log record to `path` and none to the terminal, e-mail addresses and numbers masked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Else MLflow writes to the terminal through handlers and progress bars of its own.
    os.environ.update(MLFLOW_CONFIGURE_LOGGING="false", MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false")
    root = logging.getLogger()
    silenced = [handler for handler in root.handlers if isinstance(handler, logging.StreamHandler)]
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(_MaskingFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    for each in silenced:
        root.removeHandler(each)
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield path
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        handler.close()
        for each in silenced:
            root.addHandler(each)


class _MaskingFormatter(logging.Formatter):
    COLOURS = re.compile(r"\x1b\[[0-9;]*m")

    def format(self, record: logging.LogRecord) -> str:
        return mask(self.COLOURS.sub("", super().format(record)))
