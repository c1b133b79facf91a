"""score: a dataset of any size to one row per review in the table of scores, by the champion.

python run.py --pipeline score
"""

from zenml import pipeline, unmapped
from zenml.enums import ExecutionMode

import materializers  # noqa: F401 - registers how the artifacts are stored
from sentiment.config.score import ScoreConfig
from steps.scoring.champion import fetch_scorer
from steps.scoring.collect import collect_scores
from steps.scoring.score import score_shard
from steps.scoring.snapshot import snapshot_source

STEPS = [fetch_scorer, snapshot_source, score_shard, collect_scores]
STEP_NAMES = [each.name for each in STEPS]


# Only the steps in depends_on get what the stack's settings say: their retries, resources and pod settings.
@pipeline(name="score", dynamic=True, depends_on=STEPS, enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def score(config: ScoreConfig, batch: str) -> None:
    """Read the source once, score its shards at once where the stack can, and verify the table."""
    scorer, served = fetch_scorer(config)
    shards, snapshot = snapshot_source(config.dataset, config.shards)
    reports = score_shard.map(shards, unmapped(scorer), unmapped(served), unmapped(batch))
    collect_scores(shards, reports, snapshot, served, scorer, batch)
