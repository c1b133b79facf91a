"""Show the registry in ZenML: its model control plane mirrors MLflow, which stays the one that decides."""

from collections.abc import Sequence

from zenml.client import Client
from zenml.enums import MetadataResourceTypes, ModelStages
from zenml.metadata.metadata_types import MetadataType
from zenml.model.utils import link_artifact_version_to_model_version
from zenml.models import ArtifactVersionResponse, ModelVersionResponse, RunMetadataResource
from zenml.utils.pagination_utils import depaginate

from sentiment.registry.records import ModelVersion, Status
from sentiment.registry.registry import Registry

STAGES: dict[Status, ModelStages] = {
    "champion": ModelStages.PRODUCTION,
    "candidate": ModelStages.STAGING,
    "archived": ModelStages.ARCHIVED,
    "none": ModelStages.NONE,
}


def mirror(registry: Registry, artifacts: Sequence[ArtifactVersionResponse] = ()) -> None:
    """Make ZenML's model versions equal to the registry's; repeating it changes nothing.

    Version 3 is called `v3` (ZenML reserves bare numbers), its stage follows the alias, its metadata holds metrics and
    digests. `artifacts` are linked to the newest version.
    """
    versions = registry.versions()
    if not versions:
        return
    client = Client()
    models = client.list_models(name=registry.model_name).items
    model = models[0] if models else client.create_model(registry.model_name)
    existing = {each.name: each for each in depaginate(client.list_model_versions, model=model.id, hydrate=True)}
    mirrored = {
        each.version: existing.get(name := f"v{each.version}") or client.create_model_version(model.id, name=name)
        for each in versions
    }
    # The champion first: taking the stage by force archives its holder, whose own stage is set after that.
    for version in sorted(versions, key=lambda each: each.status != "champion"):
        target, stage = mirrored[version.version], STAGES[version.status]
        if (target.stage or ModelStages.NONE) != stage.value:
            client.update_model_version(model.id, target.id, stage=stage, force=True)
        _log_changes(client, target, _metadata(version))
    for artifact in artifacts:
        link_artifact_version_to_model_version(artifact, mirrored[versions[-1].version])


def _log_changes(client: Client, mirrored: ModelVersionResponse, metadata: dict[str, MetadataType]) -> None:
    changed = {key: value for key, value in metadata.items() if mirrored.run_metadata.get(key) != value}
    if changed:
        resource = RunMetadataResource(id=mirrored.id, type=MetadataResourceTypes.MODEL_VERSION)
        client.create_run_metadata(changed, resources=[resource])


def _metadata(version: ModelVersion) -> dict[str, MetadataType]:
    return {
        **version.metrics,
        "mlflow_version": version.version,
        "mlflow_source": version.source,
        "kind": version.kind,
        "digest": version.digest,
        "dataset_digest": version.dataset_digest,
        "reason": version.reason,
    }
