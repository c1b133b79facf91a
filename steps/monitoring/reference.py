"""Keep what monitoring will compare with."""

from typing import Annotated

from zenml import log_metadata, step

from sentiment.config.drift import ReferenceConfig
from sentiment.data.reviews import Reviews, Splits
from sentiment.evaluation.evaluation import Evaluation
from sentiment.models.base import TextClassifier
from sentiment.monitoring.reference import Reference, as_read
from steps.caching import CODE_AWARE
from steps.names import REFERENCE, SUMMARY


@step(cache_policy=CODE_AWARE)
def profile_reference(
    candidate: TextClassifier,
    evaluation: Evaluation,
    raw: Splits,
    train: Reviews,
    validation: Reviews,
    test: Reviews,
    config: ReferenceConfig,
    seed: int,
) -> Annotated[Reference, REFERENCE]:
    """Profile the held-out rows with the candidate's answers; `raw` has the texts as they were read."""
    reference = Reference.build(
        candidate,
        as_read(Splits(train, validation, test), raw),
        config,
        seed,
        accuracy=evaluation.accuracy.value,
        macro_f1=evaluation.macro_f1.value,
    )
    log_metadata({SUMMARY: reference.summary.rstrip(".")})
    return reference
