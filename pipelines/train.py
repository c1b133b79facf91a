"""train: reviews to splits, candidates, the better of them, the gate, and the registry.

python run.py --pipeline train
"""

from zenml import pipeline
from zenml.enums import ExecutionMode

import materializers  # noqa: F401 - registers how the artifacts are stored
from sentiment.config.train import TrainConfig
from steps.data.clean import clean_reviews
from steps.data.load import load_reviews
from steps.data.split import split_reviews
from steps.data.validate import require_valid, validate_splits
from steps.evaluation.evaluate import evaluate_candidate
from steps.evaluation.gate import decide_promotion
from steps.evaluation.select import select_candidate
from steps.registry.register import register_model
from steps.training.train import train_candidate


@pipeline(name="train", execution_mode=ExecutionMode.FAIL_FAST)
def train(config: TrainConfig, source_digest: str) -> None:
    """Train, compare and register; `source_digest` keys the cache of all that follows from the source."""
    reviews, _ = load_reviews(config.dataset, source_digest)
    cleaned, cleaning = clean_reviews(reviews, config.normaliser, config.dataset.max_chars)
    train_rows, validation_rows, test_rows = split_reviews(cleaned, config.split)
    report = validate_splits(train_rows, validation_rows, test_rows, cleaning, config.validation)
    require_valid(report)

    classifiers = {
        model.name: train_candidate(
            train_rows,
            validation_rows,
            model,
            config.normaliser,
            config.seed,
            id=f"train_{model.name}",
            after=["require_valid"],
        )
        for model in config.models()
    }
    names = [model.name for model in config.candidates]
    candidate, selection = select_candidate(
        [classifiers[name] for name in names], names, validation_rows, config.evaluation, config.seed
    )
    evaluation, baseline, majority, probabilities = evaluate_candidate(
        candidate,
        classifiers[config.baseline.name],
        selection,
        train_rows,
        test_rows,
        config.baseline.name,
        config.evaluation,
        config.seed,
    )
    decision = decide_promotion(
        candidate,
        evaluation,
        baseline,
        majority,
        probabilities,
        test_rows,
        config.model_name,
        config.evaluation,
        config.gate,
        config.seed,
    )
    register_model(candidate, evaluation, decision, train_rows, validation_rows, test_rows, config)


def step_names(config: TrainConfig) -> list[str]:
    """The steps of a run with this config, as the config's `steps` block and a stack's settings may name them."""
    fixed = (
        load_reviews,
        clean_reviews,
        split_reviews,
        validate_splits,
        require_valid,
        select_candidate,
        evaluate_candidate,
        decide_promotion,
        register_model,
    )
    return [step.name for step in fixed] + [f"train_{model.name}" for model in config.models()]
