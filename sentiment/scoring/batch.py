"""The name of a batch that was given none."""

from sentiment.config.score import ScoreConfig

_LONGEST_NAME = 100


def default_batch(config: ScoreConfig, source_digest: str) -> str:
    """The name of a batch that was given none: the same exactly when dataset, source and model's name are."""
    name = f"{config.dataset.name[:_LONGEST_NAME]}-{source_digest[:12]}"
    ours: str = ScoreConfig.model_fields["model_name"].default
    return name if config.model_name == ours else f"{config.model_name[: _LONGEST_NAME // 2]}-{name}"
