"""The config of the score pipeline: what configs/score.yaml may say."""

from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from sentiment.config.dataset import DatasetConfig
from sentiment.config.deploy import ExportConfig
from sentiment.stored import Config, written_as


def _as_text(value: Any) -> Any:
    # YAML reads 2026-11-21 as a date and 7 as a number.
    return str(value) if isinstance(value, date | int | float) and not isinstance(value, bool) else value


BatchName = Annotated[
    str,
    BeforeValidator(_as_text),
    written_as(
        r"(?=.{1,200}$)[^\s\x00-\x1f\x7f]+( [^\s\x00-\x1f\x7f]+)*",
        "a name of 1 to 200 characters, with single spaces between its words",
        "reviews",
    ),
]


class ScoreConfig(Config):
    """Everything `python run.py --pipeline score` can be told; see configs/score.yaml.

    `batch` names the rows in the table; null makes a name of the dataset's name and of the digest of what it points
    at, so that an unchanged source is the same batch. `shards` is in how many steps the rows are scored.
    """

    removed = frozenset({"seed"})
    model_name: str = "sentiment"
    dataset: DatasetConfig
    batch: BatchName | None = None
    shards: Annotated[int, Field(ge=1, le=64)] = 1
    export: ExportConfig = ExportConfig()
