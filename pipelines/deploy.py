"""deploy: the champion from the registry to a running endpoint.

python run.py deploy
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from zenml import pipeline
from zenml.enums import ExecutionMode

import materializers  # noqa: F401 - registers how the artifacts are stored
from pipelines.common.launching import OnStep, launching, registry_of, report_of, settled_lifecycle
from sentiment.config.deploy import DeployConfig
from sentiment.lifecycle import Lifecycle
from sentiment.lifecycle.deployment import Deployment
from sentiment.registry.records import reigning
from stacks.model_deployer import active_deployer
from steps.common.names import DEPLOYMENT
from steps.deployment import export_model, fetch_model, roll_out

Role = Literal["champion", "candidate"]
# As a stack file may name them: patterns where the name depends on the config.
STEP_NAMES = ("fetch_*", "export_*", roll_out.name)


@pipeline(name="deploy", enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def deploy(config: DeployConfig) -> None:
    """Fetch, export, and roll out the champion; where traffic is shared, the candidate beside it."""
    roles = _roles(config)
    versions = {"champion": None, "candidate": config.traffic.version}
    fetched = [fetch_model(config.model_name, role, versions[role], id=f"fetch_{role}") for role in roles]
    exported = [
        export_model(classifier, served, config, id=f"export_{role}")
        for role, (classifier, served) in zip(roles, fetched, strict=True)
    ]
    roll_out(exported, [served for _, served in fetched], config)


def step_names(config: DeployConfig) -> list[str]:
    """The steps of a run with this config."""
    return [f"{what}_{role}" for what in ("fetch", "export") for role in _roles(config)] + [roll_out.name]


def _roles(config: DeployConfig) -> list[Role]:
    return ["champion"] if config.traffic.mode == "off" else ["champion", "candidate"]


@dataclass(frozen=True)
class Rollback:
    """Why and by whom the champion is rolled back; the history keeps both."""

    reason: str
    actor: str


@dataclass(frozen=True)
class DeployResult:
    """A finished deploy run. `can_roll_back`: there is a champion before this one."""

    deployment: Deployment
    can_roll_back: bool
    run_id: str


def launch_deploy(config: DeployConfig, stack_name: str, *, rollback: Rollback | None, on_step: OnStep) -> DeployResult:
    """Run the deploy pipeline on the stack; with `rollback`, the champion before this one becomes it again first.

    Raises StackError for a stack without a model deployer, for a version that does not start and for one that fails
    the smoke test: what was deployed before goes on serving. GateError when there is nothing to roll back to.
    """
    with launching("deploy", stack_name, on_step, model_name=config.model_name) as launch:
        active_deployer()
        configured = launch.configured(deploy, step_names(config), run_name=launch.run_name)
        with _rolled_back(settled_lifecycle(launch.stack, config.model_name, on_step), rollback):
            run = launch.run(lambda: configured(config))
        deployment = report_of(run, DEPLOYMENT, Deployment)
        earlier = reigning(registry_of(launch.stack, config.model_name).history())[:-1]
    return DeployResult(deployment=deployment, can_roll_back=bool(earlier), run_id=str(run.id))


@contextmanager
def _rolled_back(lifecycle: Lifecycle, rollback: Rollback | None) -> Iterator[None]:
    """Make the champion before this one the champion; if what follows fails, it is this one again."""
    if rollback is None:
        yield
        return
    before = lifecycle.registry.champion()
    lifecycle.roll_back(rollback.reason, actor=rollback.actor)
    try:
        yield
    except BaseException:
        if before:
            reason = "The version before it could not be deployed."
            lifecycle.promote(before.version, reason, actor=rollback.actor, force=True)
        raise
