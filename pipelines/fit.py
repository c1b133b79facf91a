"""What train and retrain share: from cleaned reviews to splits, and from splits to a registered model."""

from dataclasses import dataclass
from typing import Any

from sentiment.config.train import TrainConfig
from steps.data.clean import clean_reviews
from steps.data.load import load_reviews
from steps.data.split import split_reviews
from steps.data.validate import require_valid, validate_splits
from steps.evaluation.evaluate import evaluate_candidate
from steps.evaluation.gate import decide_promotion
from steps.evaluation.select import select_candidate
from steps.monitoring.reference import profile_reference
from steps.registry.register import register_model
from steps.training.train import train_candidate

# Whatever the config; each model has a step of its own besides.
FIXED_STEPS = (
    load_reviews,
    clean_reviews,
    split_reviews,
    validate_splits,
    require_valid,
    select_candidate,
    evaluate_candidate,
    decide_promotion,
    profile_reference,
    register_model,
)


@dataclass(frozen=True)
class Rows:
    """The reviews of a run while it is put together: artifacts to come, of the steps that make them."""

    raw: Any
    cleaned: Any
    cleaning: Any
    train: Any
    validation: Any
    test: Any


def prepare(config: TrainConfig, source_digest: str) -> Rows:
    """Read, clean and split; `source_digest` keys the cache of all that follows from the source."""
    reviews, _ = load_reviews(config.dataset, source_digest)
    cleaned, cleaning = clean_reviews(reviews, config.normaliser, config.dataset.max_chars)
    return Rows(reviews, cleaned, cleaning, *split_reviews(cleaned, config.split))


def fit(rows: Rows, config: TrainConfig) -> None:
    """Validate the splits, train the candidates, let the gate judge the better of them, and register it."""
    report = validate_splits(rows.train, rows.validation, rows.test, rows.cleaning, config.validation)
    require_valid(report)

    classifiers = {
        model.name: train_candidate(
            rows.train,
            rows.validation,
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
        [classifiers[name] for name in names], names, rows.validation, config.evaluation, config.seed
    )
    evaluation, baseline, majority, probabilities = evaluate_candidate(
        candidate,
        classifiers[config.baseline.name],
        selection,
        rows.train,
        rows.test,
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
        rows.test,
        config.model_name,
        config.evaluation,
        config.gate,
        config.seed,
    )
    reference = profile_reference(
        candidate,
        evaluation,
        rows.raw,
        rows.train,
        rows.validation,
        rows.test,
        config.reference,
        config.seed,
    )
    register_model(candidate, evaluation, decision, reference, rows.train, rows.validation, rows.test, config)


def step_names(config: TrainConfig) -> list[str]:
    """The steps of `prepare` and `fit` with this config."""
    return [step.name for step in FIXED_STEPS] + [f"train_{model.name}" for model in config.models()]
