"""Launch the train pipeline, and what to tell about the run."""

import os
import time
from dataclasses import dataclass

from zenml.models import PipelineRunResponse
from zenml.utils.dashboard_utils import get_run_url

from pipelines.fit import step_names
from pipelines.launch.common import Launch, OnStep, artifact_of, launching, record, registry_of, report_of
from pipelines.train import train
from sentiment.config.stack import StackConfig
from sentiment.config.train import TrainConfig
from sentiment.evaluation.gate import GateDecision
from sentiment.kinds import kind_of
from sentiment.lifecycle.registration import Registration
from sentiment.store.journal import Entry
from stacks.alerts import AlertKind, send_alert
from steps.names import EVALUATION, GATE_DECISION, REGISTRATION


@dataclass(frozen=True)
class TrainResult:
    """A finished train run. `report_uri` is where the evaluation's page lies in the artifact store.

    `dashboard_url` is the run's page on the ZenML server, None without a server.
    """

    decision: GateDecision
    registration: Registration
    champion_version: int | None
    run_id: str
    dashboard_url: str | None
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
    with launching("train", stack_name, on_step, model_name=config.model_name) as launch:
        configured = launch.configured(
            train, step_names(config), config.steps, run_name=launch.run_name, enable_cache=use_cache
        )
        run = launch.run(lambda: configured(config, digest))
        result = train_result(run, launch, config.model_name, started)
    if result.registration.promoted:
        record_promotion(result)
    alert_outcome(result, launch.stack)
    return result


def record_promotion(result: TrainResult) -> None:
    """Keep in the journal that there is a new champion."""
    record(result.registration.model_name, Entry("promotion", result.decision.summary, version_of(result)))


def alert_outcome(result: TrainResult, stack: StackConfig) -> None:
    """Send an alert for a new champion and for a refusal; that nothing changed is no news."""
    kinds: dict[str, AlertKind] = {"promote": "new_champion", "refuse": "gate_refused"}
    if kind := kinds.get(result.decision.outcome):
        send_alert(
            kind,
            result.decision.summary,
            model_name=result.registration.model_name,
            model_version=version_of(result),
            stack=stack,
        )


def version_of(result: TrainResult) -> str | None:
    """The registered version, else the champion's that it is."""
    version = result.registration.version or result.champion_version
    return str(version) if version else None


def train_result(run: PipelineRunResponse, launch: Launch, model_name: str, started: float) -> TrainResult:
    """What a finished run with the steps of `pipelines.fit` has to tell; `started` is by the monotonic clock."""
    champion = registry_of(launch.stack, model_name).champion()
    return TrainResult(
        decision=report_of(run, GATE_DECISION, GateDecision),
        registration=report_of(run, REGISTRATION, Registration),
        champion_version=champion.version if champion else None,
        run_id=str(run.id),
        dashboard_url=get_run_url(run),
        report_uri=f"{artifact_of(run, EVALUATION).uri}/report.html",
        tracking_uri=launch.stack.tracking_uri,
        seconds=time.monotonic() - started,
    )


def _device(config: TrainConfig) -> str:
    cores = f"cpu, {os.cpu_count()} cores"
    if not any(kind_of(model.kind).gpu for model in config.models()):
        return cores
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else cores
