"""What every launch does: the stack made and checked, the run named and watched, its artifacts read back."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from zenml.client import Client
from zenml.models import PipelineRunResponse
from zenml.pipelines.pipeline_definition import Pipeline

from pipelines.common.watching import StepLine, run_pipeline
from sentiment.config.stack import StackConfig
from sentiment.config.train import StepOptions
from sentiment.data.reviews import Reviews
from sentiment.errors import DataError, SentimentError, StackError
from sentiment.lifecycle import Lifecycle
from sentiment.lifecycle.deployment import TRAINING_ARTIFACT, VALIDATION_ARTIFACT
from sentiment.registry import Registry, default_tracking_uri
from sentiment.registry.records import ModelVersion
from sentiment.store.database import default_database_url
from sentiment.store.journal import Journal, journal_of
from sentiment.stored import Report
from stacks.alerts import failures_alerted
from stacks.catalogue import load_stack
from stacks.doctor import diagnose, lost_since, require_healthy
from stacks.ensure import use_stack
from stacks.observers import lifecycle_of
from stacks.reach import zenml_reached
from stacks.settings import run_options

logger = logging.getLogger(__name__)
OnStep = Callable[[StepLine], None]
ReportT = TypeVar("ReportT", bound=Report)


@dataclass(frozen=True)
class Launch:
    """One run of `pipeline` on a stack that exists and is healthy."""

    stack: StackConfig
    pipeline: str
    run_name: str
    on_step: OnStep

    def configured(
        self,
        pipeline: Pipeline,
        step_names: Sequence[str],
        overrides: Mapping[str, StepOptions] | None = None,
        **options: Any,
    ) -> Pipeline:
        """`pipeline` with its steps run as the stack and the config's `steps` block (`overrides`) say.

        Raises ConfigError when `overrides` names a step that is not among `step_names`.
        """
        return pipeline.with_options(**run_options(self.stack, step_names, overrides), **options)

    def run(self, invoke: Callable[[], Any]) -> PipelineRunResponse:
        """Call `invoke` (a configured pipeline), tell `on_step` of every finished step, and return the finished run.

        Raises the SentimentError that a step raised, StackError when a server of the stack was lost.
        """
        try:
            return run_pipeline(invoke, run_name=self.run_name, on_step=self.on_step)
        except SentimentError as error:
            if type(error) is SentimentError and (lost := lost_since(self.stack)):
                raise StackError(f"{error.cause} {lost.name}: {lost.detail}", lost.fix) from error
            raise


@contextmanager
def launching(pipeline: str, stack_name: str, on_step: OnStep, *, model_name: str) -> Iterator[Launch]:
    """Make the stack the process's own for one run; what is raised until its end is also sent as an alert.

    Raises StackError with what the stack lacks.
    """
    stack = load_stack(stack_name)
    run_name = f"{pipeline}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    with failures_alerted(pipeline, stack, model_name), zenml_reached():
        require_healthy(diagnose(stack))
        with use_stack(stack):
            yield Launch(stack, pipeline, run_name, on_step)


def registry_of(stack: StackConfig, model_name: str) -> Registry:
    """The model's registry on the tracking server of the stack."""
    return Registry(stack.tracking_uri or default_tracking_uri(), model_name)


def settled_lifecycle(stack: StackConfig, model_name: str, on_step: OnStep) -> Lifecycle:
    """The model's lifecycle on the stack; what a killed process began is completed, and told as a line of the run."""
    lifecycle = lifecycle_of(registry_of(stack, model_name), stack)
    started = time.monotonic()
    if completed := lifecycle.settle():
        on_step(StepLine("settle", "completed", time.monotonic() - started, completed))
    return lifecycle


def keep(model_name: str, write: Callable[[Journal], object]) -> None:
    """Write to the model's journal; a database that is out of reach must not stop a model on its way."""
    try:
        with journal_of(default_database_url(), model_name) as journal:
            write(journal)
    except StackError as error:
        logger.warning("The journal of %s misses an entry: %s", model_name, error.cause)


def report_of(run: PipelineRunResponse, name: str, kind: type[ReportT]) -> ReportT:
    """The report that a step of the run published under `name`."""
    report = artifact_of(run, name).load()
    if not isinstance(report, kind):
        raise TypeError(f"the artifact {name} is a {type(report).__name__}")
    return report


def artifact_of(run: PipelineRunResponse, name: str) -> Any:
    """The artifact version that a step of the run published under `name`."""
    return next(artifact for step in run.steps.values() for artifact in step.outputs.get(name, []))


def stored_splits(stack: StackConfig, version: ModelVersion) -> tuple[Reviews, Reviews]:
    """The training and the validation rows of a registered version, as the ZenML of the stack keeps them.

    Raises DataError when they are not there (any more).
    """
    with zenml_reached(), use_stack(stack):
        rows = [_stored(version, tag) for tag in (TRAINING_ARTIFACT, VALIDATION_ARTIFACT)]
    return rows[0], rows[1]


def _stored(version: ModelVersion, tag: str) -> Reviews:
    kept = version.tags.get(tag)
    try:
        rows = Client().get_artifact_version(kept).load() if kept else None
    except (KeyError, FileNotFoundError) as error:
        logger.info("The artifact %s: %s", kept, error)
        rows = None
    if not isinstance(rows, Reviews):
        raise DataError(
            f"The rows that version {version.version} learnt from are not in this ZenML.",
            "Ask where it was trained, with the --stack of that run.",
        )
    return rows
