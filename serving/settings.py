"""`ServingSettings`: everything about a server that is decided when it starts, from SENTIMENT_* variables."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from sentiment.store.database import default_database_url

REPORT_FILE = "report.html"  # beside the model folder: the report of the run that trained it


class ServingSettings(BaseSettings):
    """Read from the environment: SENTIMENT_MODEL_DIR, SENTIMENT_TRAFFIC, SENTIMENT_API_KEY and so on."""

    model_config = SettingsConfigDict(
        env_prefix="SENTIMENT_", env_ignore_empty=True, frozen=True, protected_namespaces=()
    )

    model_dir: Path = Field(default=Path("model"), description="The champion's model folder; served.json lies beside.")
    candidate_dir: Path | None = Field(default=None, description="The candidate's model folder, for shadow and canary.")
    candidate_url: str | None = Field(
        default=None, pattern=r"^https?://", description="The candidate's own server, in place of candidate_dir."
    )
    traffic: Literal["off", "shadow", "canary"] = "off"

    canary_share: float = Field(default=0.05, ge=0, le=1, description="The share of callers the canary answers.")
    canary_window: int = Field(default=200, ge=10, description="The last requests of each side that are compared.")
    canary_min_requests: int = Field(default=50, ge=5, description="Below this many, the canary is not judged.")
    canary_max_error_rate: float = Field(default=0.02, ge=0, le=1)
    canary_max_latency_ratio: float = Field(default=2.0, gt=1, description="The canary's p95 against the champion's.")

    database_url: str = Field(
        default_factory=default_database_url, description="The prediction log's, as SQLAlchemy's."
    )
    log_predictions: bool = Field(default=True, description="Off for a candidate's own server: the champion's logs.")
    retention_days: int = Field(default=90, ge=1)
    label_retention_days: int = Field(default=730, ge=1, description="Of predictions that people labelled.")

    api_key: SecretStr | None = Field(default=None, min_length=16, description="Callers must send it when it is set.")
    max_text_chars: int = Field(default=5_000, ge=1)
    max_batch: int = Field(default=256, ge=1, description="Texts in one call of /predict_batch.")
    max_body_bytes: int = Field(default=4 * 2**20, ge=1_024)
    body_seconds: float = Field(default=20, gt=0, le=50, description="A body that takes longer is refused.")

    max_connections: int = Field(default=1_000, ge=1, description="At a time; fewer where few files may be open.")
    queue_texts: int = Field(default=1_024, ge=1, description="Texts that may wait; further requests get a 503.")
    batch_texts: int = Field(default=32, ge=1, description="Waiting texts that are scored together.")
    batch_chars: int = Field(
        default=20_000, ge=1, description="And at most so many characters; a larger request is scored in pieces."
    )
    threads: int = Field(
        default_factory=lambda: min(4, os.cpu_count() or 1),
        ge=1,
        description="Batches that are scored at the same time, one thread each.",
    )
