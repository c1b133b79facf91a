"""Launch the train pipeline, and what to tell about the run."""

import os
import time
from dataclasses import dataclass
from typing import Any

from zenml.config.retry_config import StepRetryConfig

from pipelines.launch.common import OnStep, artifact_of, launching, report_of
from pipelines.train import step_names, train
from sentiment.config.load import nearest
from sentiment.config.train import TrainConfig
from sentiment.errors import ConfigError
from sentiment.evaluation.gate import GateDecision
from sentiment.registration import Registration
from sentiment.registry import Registry, default_tracking_uri
from steps.names import EVALUATION, GATE_DECISION, REGISTRATION


@dataclass(frozen=True)
class TrainResult:
    """A finished train run. `report_uri` is where the evaluation's page lies in the artifact store."""

    decision: GateDecision
    registration: Registration
    champion_version: int | None
    run_id: str
    report_uri: str
    tracking_uri: str | None
    seconds: float


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

    Raises ConfigError for a step name the run does not have, StackError for a stack that cannot be used, DataError when
    the data does not pass validation.
    """
    started = time.monotonic()
    with launching("train", stack_name, on_step) as launch:
        configured = train.with_options(
            run_name=launch.run_name, enable_cache=use_cache, steps=step_options(config, step_names(config))
        )
        run = launch.run(lambda: configured(config, digest))
        decision = report_of(run, GATE_DECISION, GateDecision)
        registration = report_of(run, REGISTRATION, Registration)
        evaluation_uri = artifact_of(run, EVALUATION).uri
        champion = Registry(default_tracking_uri(), config.model_name).champion()
    return TrainResult(
        decision=decision,
        registration=registration,
        champion_version=champion.version if champion else None,
        run_id=str(run.id),
        report_uri=f"{evaluation_uri}/report.html",
        tracking_uri=launch.stack.tracking_uri,
        seconds=time.monotonic() - started,
    )


def step_options(config: TrainConfig, names: list[str]) -> dict[str, dict[str, Any]]:
    """The config's `steps` block as ZenML takes it; ConfigError for a step that is not among `names`."""
    for name in config.steps:
        if name not in names:
            raise ConfigError(f"steps: the run has no step {name!r}.", nearest(name, names))
    return {
        name: {
            "retry": StepRetryConfig(max_retries=options.retries),
            **({} if options.cache is None else {"enable_cache": options.cache}),
        }
        for name, options in config.steps.items()
    }


def _device(config: TrainConfig) -> str:
    cores = f"cpu, {os.cpu_count()} cores"
    if all(model.kind == "linear" for model in config.models()):
        return cores
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else cores
