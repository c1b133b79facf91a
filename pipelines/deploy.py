"""deploy: the champion from the registry to a running endpoint.

python run.py --pipeline deploy
"""

from typing import Literal

from zenml import pipeline
from zenml.enums import ExecutionMode

import materializers  # noqa: F401 - registers how the artifacts are stored
from sentiment.config.deploy import DeployConfig
from steps.deployment.export import export_model
from steps.deployment.fetch import fetch_model
from steps.deployment.roll_out import roll_out

Role = Literal["champion", "candidate"]


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
