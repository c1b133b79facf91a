"""ZenML's own schedules, on stacks whose orchestrator keeps them: the cluster starts the runs, no process of ours does.

The other ways to run a pipeline again and again: docs/operations/schedules.md.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from apscheduler.triggers.cron import CronTrigger
from zenml.client import Client
from zenml.config.schedule import Schedule
from zenml.enums import StackComponentType
from zenml.orchestrators.base_orchestrator import BaseOrchestratorConfig
from zenml.pipelines.pipeline_definition import Pipeline

from pipelines.common.launching import Launch
from pipelines.common.watching import StepLine
from sentiment.errors import OR, ConfigError, StackError, nearest
from stacks.catalogue import load_stack
from stacks.flavors import import_from_project, known_flavors, validated

ELSEWHERE = f"Let a process of your own do it: python run.py watch --every 1h{OR}Use cron: docs/operations/schedules.md"


@dataclass(frozen=True)
class Scheduled:
    """A schedule that the orchestrator keeps from now on; `replaced` names the earlier ones it stands in for."""

    name: str
    cron: str
    replaced: tuple[str, ...]


def require_schedulable(stack_name: str, cron: str) -> None:
    """Check, before anything is launched, that `cron` can be read and that the stack's orchestrator keeps schedules.

    Raises ConfigError for the expression, StackError for the orchestrator.
    """
    try:
        CronTrigger.from_crontab(cron, UTC)
    except ValueError as error:
        raise ConfigError(
            f"{cron!r} is no cron expression ({error}).",
            "Write five fields; every full hour is this one: --schedule '0 * * * *'",
        ) from None
    import_from_project()
    component = load_stack(stack_name).components.get("orchestrator")
    flavor = known_flavors(StackComponentType.ORCHESTRATOR).get(component.flavor) if component else None
    if component is None or flavor is None:
        known = known_flavors(StackComponentType.ORCHESTRATOR)
        raise StackError(
            f"The stack {stack_name} has no orchestrator that ZenML knows.",
            f"Name its flavor in the stack file: {nearest(component.flavor if component else '', known)}",
        )
    config = validated("orchestrator", component, flavor.config_class)
    if not (isinstance(config, BaseOrchestratorConfig) and config.is_schedulable):
        raise StackError(f"The orchestrator {component.flavor} of the stack {stack_name} has no schedules.", ELSEWHERE)


def schedule_pipeline(
    launch: Launch,
    pipeline: Pipeline,
    cron: str,
    model_name: str,
    invoke: Callable[[Pipeline], Any],
    *,
    step_names: Sequence[str],
) -> Scheduled:
    """Have the orchestrator run `invoke(pipeline)` at the times of `cron` (UTC), in place of what was scheduled before.

    Call `require_schedulable` first. The earlier schedules of the pipeline, model and stack end once the new one is
    there: scheduling twice does not run anything twice.
    """
    prefix = f"{launch.stack.name}-{launch.pipeline}-{model_name}-"
    # What follows is a time: else the schedules of the model "reviews-new" would pass for those of "reviews".
    found = Client().list_schedules(name=f"startswith:{prefix}", is_archived=False, size=100).items
    before = [each.name for each in found if re.fullmatch(r"[\d-]+", each.name.removeprefix(prefix))]
    name = f"{prefix}{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    schedule = Schedule(name=name, cron_expression=cron, catchup=False)
    run_name = f"{launch.pipeline}-{{date}}-{{time}}"
    invoke(launch.configured(pipeline, step_names, schedule=schedule, run_name=run_name))
    for each in before:
        Client().delete_schedule(each)
    return Scheduled(name, cron, tuple(before))


def say_nothing(_: StepLine) -> None:
    """No step runs while a schedule is made."""
