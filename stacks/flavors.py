"""The flavors that this project brings along, and those that ZenML knows."""

from zenml.enums import StackComponentType
from zenml.stack.flavor import Flavor
from zenml.stack.flavor_registry import FlavorRegistry
from zenml.utils.source_utils import load

# (component type, flavor) -> the source of the flavor class
CUSTOM_FLAVORS = {
    (StackComponentType.ALERTER, "webhook"): "stacks.webhook_alerter.WebhookAlerterFlavor",
}


def known_flavors(kind: StackComponentType) -> dict[str, Flavor]:
    """Every flavor for components of `kind`, by name."""
    registry = FlavorRegistry()
    classes = [*registry.builtin_flavors, *registry.integration_flavors]
    flavors = [flavor for flavor in (flavor_class() for flavor_class in classes) if flavor.type == kind]
    custom = [load(source)() for (custom_kind, _), source in CUSTOM_FLAVORS.items() if custom_kind == kind]
    return {flavor.name: flavor for flavor in [*flavors, *custom]}
