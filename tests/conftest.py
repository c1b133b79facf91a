"""Every test has a home of its own: nothing is read from or written to the user's ZenML or project state."""

import os
from pathlib import Path

import pytest

# Before anything imports zenml or transformers: no telemetry, no hub, no colours in what tests compare.
os.environ.update(ZENML_ANALYTICS_OPT_IN="false", HF_HUB_OFFLINE="1", NO_COLOR="1", MLFLOW_DISABLE_TELEMETRY="true")


@pytest.fixture(autouse=True)
def sentiment_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """SENTIMENT_HOME for this test alone."""
    home = tmp_path / "home"
    monkeypatch.setenv("SENTIMENT_HOME", str(home))
    for name in (
        "MLFLOW_TRACKING_URI",
        "SENTIMENT_WEBHOOK_URL",
        "SENTIMENT_API_KEY",
        "SENTIMENT_DATABASE_URL",
        "NSMC_DIR",
    ):
        monkeypatch.delenv(name, raising=False)
    return home
