"""Make a stack file real: its components and the stack exist in ZenML exactly as the file says.

with use_stack(load_stack("laptop")):
    pipeline()
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from filelock import FileLock
from zenml.client import Client
from zenml.constants import ENV_ZENML_ACTIVE_STACK_ID
from zenml.enums import StackComponentType
from zenml.models import ComponentResponse
from zenml.stack import Flavor
from zenml.utils.io_utils import get_global_config_directory

from sentiment.config.stack import Component, StackConfig
from sentiment.errors import ConfigError, StackError, nearest
from sentiment.registry.tracking import EXPERIMENT, connect, ensure_experiment
from stacks.flavors import CUSTOM_FLAVORS, import_from_project, validated
from stacks.secrets import ensure_secrets, require_secrets
from stacks.settings import check_settings


def ensure_stack(config: StackConfig) -> str:
    """Create or update the stack, its components and secrets, and return the stack's id.

    Nothing changes when all is as written. Several processes may do so at once, even with a ZenML that was never used:
    all but one wait.

    Raises ConfigError for a component or a setting that ZenML does not accept and for a secret without its variable,
    StackError when the tracking server is out of reach.
    """
    import_from_project()
    check_settings(config)
    folder = Path(get_global_config_directory())
    folder.mkdir(parents=True, exist_ok=True)
    # A fresh SQLite store that two processes open at once fails in one of them ("never been migrated").
    with FileLock(folder / "sentiment-ops.lock"):
        client = Client()
        enabled = {_component_type(kind): component for kind, component in config.enabled().items()}
        secrets = ensure_secrets(client, config)
        components = {
            kind: _ensure_component(client, kind, component, config.tracking_uri) for kind, component in enabled.items()
        }
        _ensure_experiment(config)
        return _ensure_stack(client, config, components, secrets)


@contextmanager
def use_stack(config: StackConfig) -> Iterator[str]:
    """Ensure the stack and let this process use it, whatever stack the user has active; yields its id.

    It works through ZENML_ACTIVE_STACK_ID, and sets MLFLOW_TRACKING_URI, so that steps and the code around the
    pipeline see the same registry.
    """
    # MLflow would print an address for every step.
    environment = {ENV_ZENML_ACTIVE_STACK_ID: ensure_stack(config), "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
    if config.tracking_uri:
        environment["MLFLOW_TRACKING_URI"] = config.tracking_uri
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield environment[ENV_ZENML_ACTIVE_STACK_ID]
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _component_type(kind: str) -> StackComponentType:
    try:
        return StackComponentType(kind)
    except ValueError:
        valid = ", ".join(sorted(StackComponentType.values()))
        raise ConfigError(f"components: {kind!r} is not a component type.", f"Valid types: {valid}.") from None


def _ensure_component(
    client: Client, kind: StackComponentType, component: Component, tracking_uri: str | None
) -> ComponentResponse:
    require_secrets(client, component)
    flavor = _ensure_flavor(client, kind, component.flavor)
    wanted = validated(kind.value, component, flavor.config_class).model_dump(mode="json", exclude_unset=True)
    # On whatever machine a step runs, the registry is found through this variable.
    is_tracker = kind == StackComponentType.EXPERIMENT_TRACKER and tracking_uri
    environment = {"MLFLOW_TRACKING_URI": tracking_uri} if is_tracker else {}
    found = client.list_stack_components(name=component.name, type=kind.value, hydrate=True).items
    if not found:
        return client.create_stack_component(
            str(component.name), component.flavor, kind, configuration=wanted, environment=environment
        )
    existing = found[0]
    if existing.flavor_name != component.flavor:
        raise StackError(
            f"The {kind.value} {component.name!r} already exists with the flavor {existing.flavor_name!r}.",
            "Give the component another name in the stack file.",
        )
    if existing.configuration == wanted and existing.environment == environment:
        return existing
    gone: dict[str, None] = dict.fromkeys(existing.configuration.keys() - wanted.keys())
    return client.update_stack_component(existing.id, kind, configuration={**wanted, **gone}, environment=environment)


def _ensure_flavor(client: Client, kind: StackComponentType, name: str) -> Flavor:
    found = client.list_flavors(name=name, type=kind.value, hydrate=True).items
    if found:
        return Flavor.from_model(found[0])
    if source := CUSTOM_FLAVORS.get((kind, name)):
        return Flavor.from_model(client.create_flavor(source, kind))
    valid = [each.name for each in client.list_flavors(type=kind.value, size=100).items]
    raise ConfigError(f"components.{kind.value}: ZenML knows no flavor {name!r}.", nearest(name, valid))


def _ensure_stack(
    client: Client,
    config: StackConfig,
    components: Mapping[StackComponentType, ComponentResponse],
    secrets: list[UUID],
) -> str:
    wanted = {kind: [component.id] for kind, component in components.items()}
    found = client.list_stacks(name=config.name, hydrate=True).items
    stack = found[0] if found else client.create_stack(config.name, wanted, secrets=secrets)
    if {kind: [each.id for each in items] for kind, items in stack.components.items()} != wanted:
        gone: dict[StackComponentType, list[UUID]] = {kind: [] for kind in stack.components.keys() - wanted.keys()}
        client.update_stack(stack.id, component_updates={**wanted, **gone})
    if stack.environment != config.environment:
        removed = dict.fromkeys(stack.environment.keys() - config.environment.keys())
        client.update_stack(stack.id, environment={**config.environment, **removed})
    if set(stack.secrets) != set(secrets):
        stale = [each for each in stack.secrets if each not in secrets]
        client.update_stack(stack.id, add_secrets=secrets, remove_secrets=stale)
    return str(stack.id)


def _ensure_experiment(config: StackConfig) -> None:
    if config.tracking_uri:
        name = config.components["experiment_tracker"].configuration.get("experiment_name", EXPERIMENT)
        ensure_experiment(connect(config.tracking_uri), name)
