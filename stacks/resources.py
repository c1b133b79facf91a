"""What a step asks for (cores, GPUs, memory), in the words of the orchestrator that runs it.

ZenML's Kubernetes orchestrator takes a pod's resources from its settings only: it ignores ZenML's own ResourceSettings,
with no more than a warning in the log, and a step that asked for a GPU would train without one.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from zenml.config import ResourceSettings
from zenml.config.resource_settings import ByteUnit

KUBERNETES: Final = "kubernetes"
# Orchestrators that give a step what this machine, or the instance of its settings, has.
IGNORED_BY: Final = ("local", "local_docker", "sagemaker")
GPU: Final = "nvidia.com/gpu"


def pod_resources(resources: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The `resources` of a container (https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/).

    Cores are requested and not limited; memory and GPUs are requested and limited alike.
    """
    settings = ResourceSettings(**resources)
    limits = {}
    if memory := settings.get_memory(ByteUnit.MIB):
        limits["memory"] = f"{math.ceil(memory)}Mi"
    if settings.gpu_count:
        limits[GPU] = str(settings.gpu_count)
    requests = dict(limits)
    if settings.cpu_count:
        requests["cpu"] = f"{settings.cpu_count:g}"
    return {name: asked for name, asked in (("requests", requests), ("limits", limits)) if asked}
