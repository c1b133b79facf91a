"""Read the newest predictions of the champion."""

from typing import Annotated

from zenml import log_metadata, step

from sentiment.config.monitor import MonitorConfig
from sentiment.monitoring.window import Window, read_window
from sentiment.store.database import default_database_url
from steps.names import SUMMARY, WINDOW


@step(enable_cache=False, name="read_window")
def read_newest(version: str, config: MonitorConfig) -> Annotated[Window, WINDOW]:
    """From the prediction log and from batch scoring; never cached, new rows come."""
    window = read_window(default_database_url(), config.model_name, version, config.drift.window_rows)
    log_metadata({SUMMARY: window.summary.rstrip(".")})
    return window
