"""The flavors of this project and of ZenML, and the check of a component against its flavor."""

from pydantic import ValidationError
from zenml.enums import StackComponentType
from zenml.exceptions import ZenMLBaseException
from zenml.stack import StackComponentConfig
from zenml.stack.flavor import Flavor
from zenml.stack.flavor_registry import FlavorRegistry
from zenml.utils.source_utils import load, set_custom_source_root

from sentiment.config.stack import Component
from sentiment.errors import ConfigError, nearest
from sentiment.home import PROJECT

# (component type, flavor) -> the source of the flavor class
CUSTOM_FLAVORS = {
    (StackComponentType.ALERTER, "webhook"): "stacks.webhook_alerter.WebhookAlerterFlavor",
    (StackComponentType.MODEL_DEPLOYER, "bentoml_local"): "stacks.bentoml_local.flavor.BentoMLLocalFlavor",
    (
        StackComponentType.MODEL_DEPLOYER,
        "bentoml_kubernetes",
    ): "stacks.bentoml_kubernetes.flavor.BentoMLKubernetesFlavor",
}


def known_flavors(kind: StackComponentType) -> dict[str, Flavor]:
    """Every flavor for components of `kind`, by name."""
    registry = FlavorRegistry()
    classes = [*registry.builtin_flavors, *registry.integration_flavors]
    flavors = [flavor for flavor in (flavor_class() for flavor_class in classes) if flavor.type == kind]
    custom = [load(source)() for (custom_kind, _), source in CUSTOM_FLAVORS.items() if custom_kind == kind]
    return {flavor.name: flavor for flavor in [*flavors, *custom]}


def import_from_project() -> None:
    """Let ZenML resolve our classes from the project's folder.

    It would take the folder of the started script, which is wrong for a notebook, a test or `python -c`.
    """
    set_custom_source_root(str(PROJECT))


def validated(kind: str, component: Component, config_class: type[StackComponentConfig]) -> StackComponentConfig:
    """The configuration of `component` as its flavor sees it; ConfigError when the flavor does not accept it."""
    where = f"components.{kind} ({component.flavor})"
    for key in component.configuration:
        if key not in config_class.model_fields:
            raise ConfigError(f"{where} has no setting {key!r}.", nearest(key, config_class.model_fields))
    try:
        return config_class(**component.configuration)
    except ValidationError as error:
        first = error.errors()[0]
        detail = ": ".join([*map(str, first["loc"]), first["msg"]])
    except (ZenMLBaseException, ValueError, KeyError) as error:  # the last two are of references to secrets
        detail = str(error.args[0] if error.args else error)
    raise ConfigError(f"{where}: {' '.join(detail.split())}", "Correct the stack file.")
