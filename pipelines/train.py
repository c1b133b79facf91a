"""train: reviews to splits, candidates, the better of them, the gate, and the registry.

python run.py --pipeline train
"""

from zenml import pipeline
from zenml.enums import ExecutionMode

import materializers  # noqa: F401 - registers how the artifacts are stored
from pipelines.fit import fit, prepare
from sentiment.config.train import TrainConfig


@pipeline(name="train", execution_mode=ExecutionMode.FAIL_FAST)
def train(config: TrainConfig, source_digest: str) -> None:
    """Train, compare and register; `source_digest` keys the cache of all that follows from the source."""
    fit(prepare(config, source_digest), config)
