"""train: reviews to splits, candidates, the better of them, the gate, and the registry.

python run.py train
"""

import os
from dataclasses import dataclass
from typing import Any, Literal

from zenml import pipeline
from zenml.enums import ExecutionMode
from zenml.models import PipelineRunResponse
from zenml.utils.dashboard_utils import get_run_url

import materializers  # noqa: F401 - registers how the artifacts are stored
from pipelines.common.launching import Launch, OnStep, launching, registry_of, report_of
from sentiment.config.train import TrainConfig
from sentiment.evaluation.gate import GateDecision
from sentiment.kinds import kind_of
from sentiment.lifecycle.registration import Registration
from sentiment.retraining.training import require_place_for
from sentiment.training import training_code
from steps.common.names import GATE_DECISION, REGISTRATION
from steps.data import clean_reviews, load_reviews, require_valid, split_reviews, validate_splits
from steps.evaluation import decide_promotion, evaluate_candidate, select_candidate
from steps.monitoring import profile_reference
from steps.registry import register_model
from steps.training import train_candidate

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
# As a stack file may name them: a pattern where the name depends on the config.
STEP_NAMES = (*(each.name for each in FIXED_STEPS), "train_*")


@pipeline(name="train", execution_mode=ExecutionMode.FAIL_FAST)
def train(config: TrainConfig, source_digest: str) -> None:
    """Train, compare and register; `source_digest` keys the cache of all that follows from the source."""
    rows = prepare(config, source_digest)
    fit(rows, config)


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


def fit(rows: Rows, config: TrainConfig, **origin: Any) -> None:
    """Validate the splits, train the candidates, let the gate judge the better of them, and register it.

    `origin`: what `register_model` is told of a retraining.
    """
    report = validate_splits(rows.train, rows.validation, rows.test, rows.cleaning, config.validation)
    require_valid(report)

    classifiers = {
        model.name: train_candidate(
            rows.train,
            rows.validation,
            model,
            config.normaliser,
            config.seed,
            training_code(model.kind),
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
        rows.train,
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
        config.seed,
    )
    register_model(candidate, evaluation, decision, reference, rows.train, rows.validation, rows.test, config, **origin)


def step_names(config: TrainConfig) -> list[str]:
    """The steps of `prepare` and `fit` with this config."""
    return [each.name for each in FIXED_STEPS] + [f"train_{model.name}" for model in config.models()]


@dataclass(frozen=True)
class TrainResult:
    """A finished train run.

    `dashboard_url` is the run's page on the ZenML server, None without a server.
    """

    decision: GateDecision
    registration: Registration
    champion_version: int | None
    run_id: str
    dashboard_url: str | None
    tracking_uri: str | None

    @property
    def outcome(self) -> Literal["promoted", "refused", "unchanged"]:
        """What became of the candidate. One that the gate approved is refused when the champion changed meanwhile."""
        if self.registration.version is None:
            return "unchanged"
        return "promoted" if self.registration.promoted else "refused"


def describe(config: TrainConfig, digest: str) -> dict[str, str]:
    """The header of a run: what will be trained on what."""
    models = ", ".join(model.name for model in config.candidates)
    return {
        "dataset": f"{config.dataset.name}, digest {digest[:12]}",
        "models": f"{models}; baseline {config.baseline.name}",
        "device": _device(config),
    }


def launch_train(config: TrainConfig, digest: str, stack_name: str, *, use_cache: bool, on_step: OnStep) -> TrainResult:
    """Run the train pipeline on the stack and return its decision.

    Raises ConfigError for a step name the run does not have and for other data than the champion's, StackError for a
    stack that cannot be used, DataError when the data does not pass validation.
    """
    with launching("train", stack_name, on_step, model_name=config.model_name) as launch:
        require_place_for(config, registry_of(launch.stack, config.model_name))
        configured = launch.configured(
            train, step_names(config), config.steps, run_name=launch.run_name, enable_cache=use_cache
        )
        run = launch.run(lambda: configured(config, digest))
        return train_result(run, launch, config.model_name)


def version_of(result: TrainResult) -> str | None:
    """The registered version, else the champion's that it is."""
    version = result.registration.version or result.champion_version
    return str(version) if version else None


def train_result(run: PipelineRunResponse, launch: Launch, model_name: str) -> TrainResult:
    """What a finished run with the steps of `prepare` and `fit` has to tell."""
    champion = registry_of(launch.stack, model_name).champion()
    return TrainResult(
        decision=report_of(run, GATE_DECISION, GateDecision),
        registration=report_of(run, REGISTRATION, Registration),
        champion_version=champion.version if champion else None,
        run_id=str(run.id),
        dashboard_url=get_run_url(run),
        tracking_uri=launch.stack.tracking_uri,
    )


def _device(config: TrainConfig) -> str:
    cores = f"cpu, {os.cpu_count()} cores"
    if not any(kind_of(model.kind).gpu for model in config.models()):
        return cores
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else cores
