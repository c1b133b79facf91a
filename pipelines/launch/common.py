"""What every launch does: the stack made and checked, the run named and watched, its artifacts read back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from zenml.models import PipelineRunResponse

from pipelines.runner import StepLine, run_pipeline
from sentiment.config.stack import StackConfig
from sentiment.report import Report
from stacks.catalogue import load_stack
from stacks.doctor import diagnose, require_healthy
from stacks.ensure import use_stack

OnStep = Callable[[StepLine], None]
ReportT = TypeVar("ReportT", bound=Report)


@dataclass(frozen=True)
class Launch:
    """One run of `pipeline` on a stack that exists and is healthy."""

    stack: StackConfig
    pipeline: str
    run_name: str
    on_step: OnStep

    def run(self, invoke: Callable[[], Any]) -> PipelineRunResponse:
        """Call `invoke` (a configured pipeline), tell `on_step` of every finished step, and return the finished run.

        Raises the SentimentError that a step raised.
        """
        return run_pipeline(invoke, run_name=self.run_name, on_step=self.on_step)


@contextmanager
def launching(pipeline: str, stack_name: str, on_step: OnStep) -> Iterator[Launch]:
    """Make the stack the process's own for one run.

    Raises StackError with what the stack lacks.
    """
    stack = load_stack(stack_name)
    require_healthy(diagnose(stack))
    run_name = f"{pipeline}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    with use_stack(stack):
        yield Launch(stack, pipeline, run_name, on_step)


def report_of(run: PipelineRunResponse, name: str, kind: type[ReportT]) -> ReportT:
    """The report that a step of the run published under `name`."""
    report = artifact_of(run, name).load()
    if not isinstance(report, kind):
        raise TypeError(f"the artifact {name} is a {type(report).__name__}")
    return report


def artifact_of(run: PipelineRunResponse, name: str) -> Any:
    """The artifact version that a step of the run published under `name`."""
    return next(artifact for step in run.steps.values() for artifact in step.outputs.get(name, []))
