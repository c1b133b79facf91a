"""From a config and the name of a stack to a finished run and what to tell about it."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from zenml.config.retry_config import StepRetryConfig
from zenml.models import PipelineRunResponse

from pipelines.deploy import deploy
from pipelines.runner import StepLine, run_pipeline
from pipelines.train import step_names, train
from sentiment.config.deploy import DeployConfig
from sentiment.config.load import nearest
from sentiment.config.train import TrainConfig
from sentiment.deployment import Deployment
from sentiment.errors import ConfigError
from sentiment.evaluation.gate import GateDecision
from sentiment.registration import Registration
from sentiment.registry import Registry, default_tracking_uri
from sentiment.report import Report
from stacks.catalogue import load_stack
from stacks.doctor import diagnose, require_healthy
from stacks.ensure import use_stack
from stacks.model_control_plane import mirror
from stacks.model_deployer import active_deployer
from steps.names import DEPLOYMENT, EVALUATION, GATE_DECISION, REGISTRATION

ReportT = TypeVar("ReportT", bound=Report)


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


def launch_train(
    config: TrainConfig, digest: str, stack_name: str, *, use_cache: bool, on_step: Callable[[StepLine], None]
) -> TrainResult:
    """Run the train pipeline on the stack and return its decision.

    Raises ConfigError for a step name the run does not have, StackError for a stack that cannot be used, DataError when
    the data does not pass validation.
    """
    started = time.monotonic()
    stack = load_stack(stack_name)
    require_healthy(diagnose(stack))
    run_name = _run_name("train")
    configured = train.with_options(run_name=run_name, enable_cache=use_cache, steps=_step_options(config))
    with use_stack(stack):
        run = run_pipeline(lambda: configured(config, digest), run_name=run_name, on_step=on_step)
        decision = _report(run, GATE_DECISION, GateDecision)
        registration = _report(run, REGISTRATION, Registration)
        evaluation_uri = _artifact(run, EVALUATION).uri
        champion = Registry(default_tracking_uri(), config.model_name).champion()
    return TrainResult(
        decision=decision,
        registration=registration,
        champion_version=champion.version if champion else None,
        run_id=str(run.id),
        report_uri=f"{evaluation_uri}/report.html",
        tracking_uri=stack.tracking_uri,
        seconds=time.monotonic() - started,
    )


@dataclass(frozen=True)
class Rollback:
    """Why and by whom the champion is rolled back; the history keeps both."""

    reason: str
    actor: str


@dataclass(frozen=True)
class DeployResult:
    """A finished deploy run."""

    deployment: Deployment
    run_id: str
    seconds: float


def launch_deploy(
    config: DeployConfig, stack_name: str, *, rollback: Rollback | None, on_step: Callable[[StepLine], None]
) -> DeployResult:
    """Run the deploy pipeline on the stack; with `rollback`, the champion before this one becomes it again first.

    Raises StackError for a stack without a model deployer, for a version that does not start and for one that fails
    the smoke test: what was deployed before goes on serving. GateError when there is nothing to roll back to.
    """
    started = time.monotonic()
    stack = load_stack(stack_name)
    require_healthy(diagnose(stack))
    run_name = _run_name("deploy")
    configured = deploy.with_options(run_name=run_name)
    with use_stack(stack):
        active_deployer()
        if rollback:
            registry = Registry(default_tracking_uri(), config.model_name)
            registry.rollback(rollback.reason, actor=rollback.actor)
            mirror(registry)
        run = run_pipeline(lambda: configured(config), run_name=run_name, on_step=on_step)
        deployment = _report(run, DEPLOYMENT, Deployment)
    return DeployResult(deployment=deployment, run_id=str(run.id), seconds=time.monotonic() - started)


def _run_name(pipeline: str) -> str:
    return f"{pipeline}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"


def _step_options(config: TrainConfig) -> dict[str, dict[str, Any]]:
    names = step_names(config)
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


def _report(run: PipelineRunResponse, name: str, kind: type[ReportT]) -> ReportT:
    report = _artifact(run, name).load()
    if not isinstance(report, kind):
        raise TypeError(f"the artifact {name} is a {type(report).__name__}")
    return report


def _artifact(run: PipelineRunResponse, name: str) -> Any:
    return next(artifact for step in run.steps.values() for artifact in step.outputs.get(name, []))
