"""The writes of a registry: the files of a version, the version itself, its aliases and tags, and its changes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sentiment.errors import SentimentError
from sentiment.lifecycle.standing import Action
from sentiment.models.folder import IDENTITY, MLMODEL, verify_manifest
from sentiment.registry.records import HISTORY, Change
from sentiment.registry.registry import CHANGE, EVENT_PREFIX, Registry, place_of
from sentiment.registry.tracking import ensure_experiment, expecting

MAX_DESCRIPTION = 5000


def upload(
    registry: Registry, folder: Path, digest: str, *, card: str, reports: Mapping[str, str], run_id: str | None
) -> tuple[str, str]:
    """Upload a model folder, its card and its reports; returns the run and the address of the folder.

    Without a run to put them into, one is made. Raises SentimentError when the folder does not match its manifest or
    `digest`.
    """
    if verify_manifest(folder) != digest:
        raise SentimentError(
            f"The model folder {folder} is not the one with the digest {digest[:12]}.",
            "It was changed after it was saved. Run the same command again, which saves it anew.",
        )
    client = registry.client
    if run_id is None:
        run = client.create_run(ensure_experiment(client), run_name=f"register-{digest[:12]}")
        uploaded = upload(registry, folder, digest, card=card, reports=reports, run_id=run.info.run_id)
        client.set_terminated(run.info.run_id)
        return uploaded
    place = place_of(digest)
    client.log_artifacts(run_id, str(folder), f"{place}/folder")
    client.log_text(run_id, mlmodel(folder), f"{place}/folder/{MLMODEL}")
    client.log_text(run_id, card, f"{place}/card.md")
    for name, text in reports.items():
        client.log_text(run_id, text, f"{place}/reports/{name}")
    return run_id, f"{client.get_run(run_id).info.artifact_uri}/{place}/folder"


def mlmodel(folder: Path) -> str:
    """What MLflow shows of a model folder: its kind, and the signature, texts in and a probability a label out."""
    identity = identity_of(folder)
    outputs = [{"type": "float", "name": label, "required": True} for label in identity["labels"]]
    described = {
        "flavors": {"sentiment": {"kind": identity["kind"], "loader": "sentiment.predictor.Predictor.load"}},
        "signature": {
            "inputs": json.dumps([{"type": "string", "name": "text", "required": True}]),
            "outputs": json.dumps(outputs, ensure_ascii=False),
            "params": None,
        },
    }
    return yaml.safe_dump(described, allow_unicode=True, sort_keys=False)


def identity_of(folder: Path) -> dict[str, Any]:
    """Kind, labels and normaliser of the model in a folder."""
    found: dict[str, Any] = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
    return found


def create_version(
    registry: Registry, source: str, run_id: str, *, folder: Path, card: str, change: Change, tags: Mapping[str, str]
) -> int:
    """Make the uploaded folder a version; in the same write it keeps the change that made it one."""
    with expecting("RESOURCE_ALREADY_EXISTS"):
        registry.client.create_registered_model(registry.model_name)
    created = registry.client.create_model_version(
        registry.model_name,
        source,
        run_id,
        tags={
            **tags,
            "kind": identity_of(folder)["kind"],
            CHANGE: change.model_dump_json(exclude={"version"}),  # MLflow gives the number
        },
        description=card[:MAX_DESCRIPTION],
    )
    return int(created.version)


def add_report(registry: Registry, version: int, name: str, text: str) -> None:
    """Keep `text` with `version` as the report `name`, beside those it was registered with."""
    target = registry.get(version)
    registry.client.log_text(target.run_id, text, f"{place_of(target.digest)}/reports/{name}")


def keep(registry: Registry, change: Change) -> None:
    """Write a change, or write it again with what has become of it."""
    client, name = registry.client, registry.model_name
    if change.event in HISTORY or change.event == "deployed":
        # Sorted by name is sorted by time.
        key = f"{EVENT_PREFIX}{change.time:%Y-%m-%dT%H:%M:%S.%f}Z.{change.id[:6]}"
        client.set_registered_model_tag(name, key, change.model_dump_json())
    else:
        client.set_model_version_tag(name, str(change.version), CHANGE, change.model_dump_json())


def perform(registry: Registry, action: Action) -> None:
    """Send one request."""
    client, name, version = registry.client, registry.model_name, str(action.version)
    if action.what == "alias":
        if action.value is None:
            client.delete_registered_model_alias(name, action.name)
        else:
            client.set_registered_model_alias(name, action.name, version)
    elif action.value is None:
        client.delete_model_version_tag(name, version, action.name)
    else:
        client.set_model_version_tag(name, version, action.name, action.value)
