"""Choose among the candidates on the validation split."""

from typing import Annotated

from zenml import ArtifactConfig, log_metadata, step
from zenml.enums import ArtifactType

from sentiment.config.evaluation import EvaluationConfig
from sentiment.data.reviews import Reviews
from sentiment.evaluation.evaluate import evaluate
from sentiment.evaluation.selection import Selection, select
from sentiment.models.base import TextClassifier
from steps.caching import CODE_AWARE
from steps.names import CANDIDATE, SELECTION, SUMMARY
from steps.tracking import log_metrics


@step(experiment_tracker=True, cache_policy=CODE_AWARE)
def select_candidate(
    classifiers: list[TextClassifier],
    names: list[str],
    validation: Reviews,
    config: EvaluationConfig,
    seed: int,
) -> tuple[
    Annotated[TextClassifier, ArtifactConfig(name=CANDIDATE, artifact_type=ArtifactType.MODEL)],
    Annotated[Selection, SELECTION],
]:
    """Evaluate every candidate on the validation rows and pass on the best; `names` are theirs, in order."""
    evaluations = [
        evaluate(classifier, validation, config, name=name, seed=seed)
        for name, classifier in zip(names, classifiers, strict=True)
    ]
    for evaluation in evaluations:
        log_metrics(evaluation, prefix=f"validation/{evaluation.name}")
    selection = select(evaluations)
    log_metadata({SUMMARY: selection.summary.rstrip(".")})
    return classifiers[names.index(selection.winner)], selection
