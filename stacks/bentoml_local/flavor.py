"""The `bentoml_local` flavor: Bentos as processes of this machine, switched without a lost request."""

from typing import TYPE_CHECKING

from pydantic import Field
from zenml.integrations.bentoml.flavors.bentoml_model_deployer_flavor import (
    BentoMLModelDeployerConfig,
    BentoMLModelDeployerFlavor,
)

if TYPE_CHECKING:
    from stacks.bentoml_local.deployer import BentoMLLocalDeployer


class BentoMLLocalConfig(BentoMLModelDeployerConfig):
    """Where servers listen, and how long they may take to start and to answer what they have accepted."""

    host: str = "127.0.0.1"
    port: int = Field(default=3000, ge=1, le=65535)
    start_seconds: float = Field(default=60, gt=0)
    drain_seconds: float = Field(default=30, gt=0)


class BentoMLLocalFlavor(BentoMLModelDeployerFlavor):
    """Registers the deployer with ZenML."""

    @property
    def name(self) -> str:
        """The flavor's name in a stack file."""
        return "bentoml_local"

    @property
    def config_class(self) -> type[BentoMLLocalConfig]:
        """The configuration's model."""
        return BentoMLLocalConfig

    @property
    def implementation_class(self) -> "type[BentoMLLocalDeployer]":
        """The deployer."""
        from stacks.bentoml_local.deployer import BentoMLLocalDeployer

        return BentoMLLocalDeployer
