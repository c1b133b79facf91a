"""Running a pipeline on a stack: a line per finished step, and failures as the errors they were.

Nothing here knows the orchestrator: progress and failures are read from ZenML's own records of the run, so they look
the same whether the steps ran in this process or in pods.
"""

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.models import PipelineRunResponse, StepRunResponse

from sentiment import errors
from sentiment.errors import OR, FilesGoneError, SentimentError
from sentiment.text.pii import mask
from steps.common.names import SUMMARY

POLL_SECONDS = 1.0
AGAIN = "Run the same command again: what finished is kept."
OURS = re.compile(r"^sentiment\.errors\.(\w+): ", re.MULTILINE)
MISSING = re.compile(r"No such file or directory: '([^']+)'")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepLine:
    """What is told about a finished step: `summary` is the step's own sentence of counts."""

    name: str
    status: str
    seconds: float
    summary: str


def run_pipeline(
    invoke: Callable[[], Any], *, run_name: str, on_step: Callable[[StepLine], None]
) -> PipelineRunResponse:
    """Call `invoke` (a configured ZenML pipeline call) and report each step as it ends.

    Raises the SentimentError a step raised, wherever the step ran; any other failure as a SentimentError that names
    the step.
    """
    told: set[UUID] = set()
    with repeating(lambda: _tell_finished(run_name, told, on_step), POLL_SECONDS):
        try:
            invoke()
        except SentimentError:
            raise
        except Exception as error:
            raise failure_of(run_name, error) from error
    run = Client().get_pipeline_run(run_name)
    if run.status != ExecutionStatus.COMPLETED:
        raise failure_of(run_name)
    return run


@contextmanager
def repeating(ask: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call `ask` every so many seconds in a thread of its own while the block runs, and once when it has ended.

    A call that fails is only logged: what the run cannot do without a server, the run itself says.
    """
    stop = threading.Event()

    def try_to_ask() -> None:
        try:
            ask()
        except Exception as error:
            logger.info("The run cannot be watched: %s.", type(error).__name__)

    def watch() -> None:
        while not stop.wait(seconds):
            try_to_ask()

    thread = threading.Thread(target=watch, name="run-watcher", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        try_to_ask()


def _tell_finished(run_name: str, told: set[UUID], on_step: Callable[[StepLine], None]) -> None:
    for step in _steps(run_name):
        if step.id not in told and step.status.is_finished:
            told.add(step.id)
            on_step(_line(step))


def _steps(run_name: str) -> list[StepRunResponse]:
    client = Client()
    runs = client.list_pipeline_runs(name=run_name, size=1).items
    if not runs:
        return []
    page = client.list_run_steps(pipeline_run_id=runs[0].id, sort_by="asc:created", size=200, hydrate=True)
    return list(page.items)


def _line(step: StepRunResponse) -> StepLine:
    seconds = (step.end_time - step.start_time).total_seconds() if step.end_time and step.start_time else 0.0
    return StepLine(step.name, str(step.status.value), seconds, str(step.run_metadata.get(SUMMARY, "")))


def failure_of(run_name: str, error: Exception | None = None) -> SentimentError:
    """The error that the run ended with; `error` is what was raised here, if anything was."""
    for step in _steps(run_name):
        if step.status == ExecutionStatus.FAILED:
            told = step.exception_info.traceback if step.exception_info else str(error)
            if gone := _gone_artifact(step.name, told):
                return gone
            return error_of(step.name, told) if step.exception_info else _lost(step.name, error)
    why = mask(str(error)).strip().partition("\n")[0].rstrip(".") if error else "it says nothing of why"
    return SentimentError(f"The run did not complete: {why}.", AGAIN)


def _gone_artifact(step: str, told: str) -> SentimentError | None:
    """A file of the artifact store that a step was to read is not there: somebody deleted what an earlier run kept."""
    found = MISSING.findall(told)
    if not found or not found[-1].startswith(Client().active_stack.artifact_store.path):
        return None
    return FilesGoneError(
        f"The step {step} needs {found[-1]}, which an earlier run made and which is gone.",
        "Make it again: --no-cache",
    )


def _lost(step: str, error: Exception | None) -> SentimentError:
    """A step that ended without an exception of its own: `error` is the orchestrator's, if it has one."""
    told = mask(str(error)).strip().rstrip(".") if error else ""
    return SentimentError(
        f"The step {step} could not be run to its end: {told}."
        if told
        else f"The step {step} ended without a word: its process was killed, or its machine was lost.",
        f"{AGAIN}{OR}If memory ran out, give the step more in the stack file.",
    )


def error_of(step: str, traceback: str) -> SentimentError:
    """The error a step ended with, from its traceback: a step may have run in another process or on another machine."""
    if found := list(OURS.finditer(traceback)):
        raised = found[-1]  # before it are the errors that led to it
        kind: type[SentimentError] = getattr(errors, raised[1])
        return kind(traceback[raised.end() :].strip())
    last = mask(traceback.strip().splitlines()[-1]).rstrip(".")
    return SentimentError(f"The step {step} failed: {last}.", f"{AGAIN}{OR}If it fails the same way, report it.")
