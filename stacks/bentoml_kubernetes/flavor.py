"""The `bentoml_kubernetes` flavor: Bentos as Deployments of a cluster, rolled out without a lost request."""

from typing import TYPE_CHECKING

from zenml.model_deployers.base_model_deployer import BaseModelDeployerFlavor

from stacks.bentoml_kubernetes.config import BentoMLKubernetesConfig

if TYPE_CHECKING:
    from stacks.bentoml_kubernetes.deployer import BentoMLKubernetesDeployer


class BentoMLKubernetesFlavor(BaseModelDeployerFlavor):
    """Registers the deployer with ZenML."""

    @property
    def name(self) -> str:
        """The flavor's name in a stack file."""
        return "bentoml_kubernetes"

    @property
    def config_class(self) -> type[BentoMLKubernetesConfig]:
        """The configuration's model."""
        return BentoMLKubernetesConfig

    @property
    def implementation_class(self) -> "type[BentoMLKubernetesDeployer]":
        """The deployer."""
        from stacks.bentoml_kubernetes.deployer import BentoMLKubernetesDeployer

        return BentoMLKubernetesDeployer
