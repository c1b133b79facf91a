"""Where scores go: the batch, and the key of every row."""

import hashlib
from dataclasses import dataclass

import polars as pl

from sentiment.config.score import ScoreConfig

_LONGEST_NAME = 100


@dataclass(frozen=True)
class Target:
    """The rows of one batch from one version of a model."""

    model_name: str
    model_version: str
    batch: str

    def keys(self, review_ids: pl.Series) -> pl.Series:
        """The primary key of each review's row: 32 hexadecimal digits (BLAKE2b, 128 bits)."""
        start = "\x1f".join((self.model_name, self.batch, self.model_version, ""))
        common = hashlib.blake2b(start.encode(), digest_size=16)

        def key(review_id: str) -> str:
            digest = common.copy()
            digest.update(review_id.encode())
            return digest.hexdigest()

        return pl.Series([key(each) for each in review_ids.to_list()], dtype=pl.String)


def default_batch(config: ScoreConfig, source_digest: str) -> str:
    """The name of a batch that was given none: the same exactly when dataset, source and model's name are."""
    name = f"{config.dataset.name[:_LONGEST_NAME]}-{source_digest[:12]}"
    ours: str = ScoreConfig.model_fields["model_name"].default
    return name if config.model_name == ours else f"{config.model_name[: _LONGEST_NAME // 2]}-{name}"
