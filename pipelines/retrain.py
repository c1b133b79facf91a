"""retrain: the reviews of train and the labels of users, then all that train does.

python run.py --pipeline retrain
"""

from dataclasses import replace

from zenml import pipeline
from zenml.enums import ExecutionMode

import materializers  # noqa: F401 - registers how the artifacts are stored
from pipelines import fit
from sentiment.config.retrain import RetrainConfig
from sentiment.retraining.decision import RetrainDecision
from steps.retraining.decide import show_decision
from steps.retraining.feedback import collect_feedback, merge_feedback

OWN_STEPS = (show_decision, collect_feedback, merge_feedback)


@pipeline(name="retrain", execution_mode=ExecutionMode.FAIL_FAST)
def retrain(config: RetrainConfig, source_digest: str, decision: RetrainDecision) -> None:
    """Train on the reviews and the feedback that passed its checks; a new champion must be no worse on the reviews."""
    show_decision(decision)
    rows = fit.prepare(config.train, source_digest)
    feedback, _ = collect_feedback(
        rows.cleaned, config.model_name, config.feedback, config.train.split, config.train.normaliser
    )
    train, validation, test = merge_feedback(rows.train, rows.validation, rows.test, feedback)
    fit.fit(replace(rows, train=train, validation=validation, test=test), config.train)


def step_names(config: RetrainConfig) -> list[str]:
    """The steps of a run with this config, as the `steps` block of its train config may name them."""
    return [step.name for step in OWN_STEPS] + fit.step_names(config.train)
