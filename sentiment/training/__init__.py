"""From a model config to a trained classifier: the one place that knows which kind is trained how."""

import hashlib
from collections.abc import Callable
from functools import partial

from sentiment.config.models import ModelConfig
from sentiment.data.reviews import Reviews
from sentiment.home import home
from sentiment.kinds.linear import LinearConfig
from sentiment.models.base import TextClassifier
from sentiment.text.normalise import TextNormaliser


def train_classifier(
    config: ModelConfig,
    train: Reviews,
    validation: Reviews,
    *,
    normaliser: TextNormaliser,
    seed: int,
    log: Callable[[int, dict[str, float]], None],
) -> TextClassifier:
    """Train the classifier that `config` describes; `log(step, metrics)` receives its learning curves."""
    if isinstance(config, LinearConfig):
        from sentiment.training.linear import train_linear

        return train_linear(config, train, validation, normaliser=normaliser, seed=seed)
    from sentiment.training.data_parallel import process_count, train_in_processes
    from sentiment.training.transformer import train_transformer

    # Keyed by everything that decides the result, so that a killed run finds its own checkpoints and no other's.
    parts = (config.model_dump_json(), normaliser.model_dump_json(), train.digest(), validation.digest(), str(seed))
    work_dir = home() / "checkpoints" / hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    fit = partial(train_in_processes, count=count) if (count := process_count(config)) > 1 else train_transformer
    return fit(config, train, validation, normaliser=normaliser, seed=seed, work_dir=work_dir, log=log)
