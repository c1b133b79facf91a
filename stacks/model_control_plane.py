"""Show the registry in ZenML: its model control plane mirrors MLflow, which stays the one that decides."""

from collections.abc import Sequence

from zenml.client import Client
from zenml.enums import MetadataResourceTypes, ModelStages
from zenml.metadata.metadata_types import MetadataType
from zenml.model.utils import link_artifact_version_to_model_version
from zenml.models import ArtifactVersionResponse, ModelVersionResponse, RunMetadataResource

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
    client = Client()
    versions = registry.versions()
    if not versions:
        return
    mirrored = {each.version: _ensure_version(client, registry.model_name, each) for each in versions}
    # Setting a stage by force archives its holder: the holders first, so that the others' stages are final.
    for version in sorted(versions, key=lambda each: each.status not in ("champion", "candidate")):
        _set_stage(client, mirrored[version.version], STAGES[version.status])
        _log_changes(client, mirrored[version.version], _metadata(version))
    for artifact in artifacts:
        link_artifact_version_to_model_version(artifact, mirrored[versions[-1].version])


def _ensure_version(client: Client, model_name: str, version: ModelVersion) -> ModelVersionResponse:
    models = client.list_models(name=model_name).items
    model = models[0] if models else client.create_model(model_name)
    name = f"v{version.version}"
    found = client.list_model_versions(model=model.id, name=name, hydrate=True).items
    return found[0] if found else client.create_model_version(model.id, name=name)


def _set_stage(client: Client, mirrored: ModelVersionResponse, stage: ModelStages) -> None:
    current = client.get_model_version(mirrored.model.id, mirrored.id).stage or ModelStages.NONE
    if current != stage.value:
        client.update_model_version(mirrored.model.id, mirrored.id, stage=stage, force=True)


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
