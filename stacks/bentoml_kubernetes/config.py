"""What a stack file says of a deployer of the `bentoml_kubernetes` flavor."""

from typing import Literal

from pydantic import Field
from zenml.model_deployers.base_model_deployer import BaseModelDeployerConfig

NAME = r"^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?$"


class BentoMLKubernetesConfig(BaseModelDeployerConfig):
    """Where and how a Bento is served.

    Steps use the service account of their pod, everything else the kubeconfig's `kubernetes_context` (its current one
    when None). `repository` takes the images, which are `base_image` plus the Bento; both are in one registry.
    """

    kubernetes_context: str | None = None
    namespace: str = Field(default="sentiment", pattern=NAME)
    name: str = Field(default="sentiment", pattern=NAME, description="Of the Deployment and of the Service.")
    repository: str = Field(description="REGISTRY/PATH for the images of versions.")
    base_image: str = Field(description="REGISTRY/PATH:TAG made by the serving target of deploy/docker/Dockerfile.")
    registry_endpoint: str | None = Field(
        default=None,
        pattern=r"^(https?://.+)?$",
        description="The registry's API, where steps reach it by another name than the nodes do.",
    )
    image_pull_secrets: list[str] = Field(default_factory=list)
    environment_secrets: list[str] = Field(
        default_factory=list,
        description="Secrets whose keys become variables of the server: SENTIMENT_DATABASE_URL, SENTIMENT_API_KEY.",
    )
    replicas: int = Field(default=2, ge=1, description="At the first roll-out; later the Deployment's own number.")
    candidate_replicas: int = Field(default=1, ge=1, description="Pods of a candidate in shadow or canary.")
    cpu_request: str = "250m"
    memory_request: str = "512Mi"
    memory_limit: str = "1Gi"
    service_type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    port: int = Field(default=80, ge=1, le=65535, description="The Service's.")
    url: str | None = Field(
        default=None, pattern=r"^https?://", description="The address callers use, if not the Service."
    )
    start_seconds: float = Field(default=180, gt=0)
    drain_seconds: int = Field(default=30, ge=1, description="For requests in flight when a pod ends.")
