"""Secrets of a stack: from the environment of the machine that makes the stack into ZenML's secret store.

Components refer to them by name, so that no configuration holds a value; pods get those of `secret_environment` as
variables, through a secret that is attached to the stack.
"""

import os
from collections.abc import Iterable, Mapping
from uuid import UUID

from zenml.client import Client
from zenml.utils.secret_utils import is_secret_reference, parse_secret_reference

from sentiment.config.stack import Component, SecretVariable, StackConfig
from sentiment.errors import ConfigError, StackError


def missing_variables(stack: StackConfig) -> list[str]:
    """The variables that must hold a secret of the stack and are not set."""
    return [name for name in _variables(stack) if not name.endswith("?") and not os.environ.get(name)]


def ensure_secrets(client: Client, stack: StackConfig) -> list[UUID]:
    """Store the stack's secrets as the environment has them now; the ids of those whose keys become steps' variables.

    To be called before the components that refer to them are made: ZenML resolves the references then. Secrets that
    are as they should be are not written again.

    Raises ConfigError for a variable that is not set.
    """
    for name, keys in stack.secrets.items():
        _ensure(client, name, {key: value for key, variable in keys.items() if (value := _value(stack, variable))})
    values = {
        variable.removesuffix("?"): value for variable in stack.secret_environment if (value := _value(stack, variable))
    }
    if not values:
        return []
    return [_ensure(client, environment_secret(stack), values)]


def environment_secret(stack: StackConfig) -> str:
    """The name of the secret that holds the variables of `secret_environment`."""
    return f"{stack.name}-environment"


def values_of(stack: StackConfig, secret: str) -> dict[str, str]:
    """The keys of a secret of the stack file, with the values that the environment has for them."""
    variables = {key: variable.removesuffix("?") for key, variable in stack.secrets.get(secret, {}).items()}
    return {key: value for key, variable in variables.items() if (value := os.environ.get(variable))}


def referred_secrets(component: Component) -> set[str]:
    """The names of the secrets that the component's configuration refers to: authentication_secret, {{name.key}}."""
    configuration = component.configuration
    named = {configuration["authentication_secret"]} if "authentication_secret" in configuration else set()
    return named | {parse_secret_reference(each).name for each in configuration.values() if is_secret_reference(each)}


def require_secrets(client: Client, component: Component) -> None:
    """Raise StackError when the component refers to a secret that ZenML does not have."""
    for name in sorted(referred_secrets(component)):
        if not client.list_secrets(name=name).items:
            raise StackError(
                f"The component {component.name} refers to the secret {name!r}, which ZenML does not have.",
                f"Add it to `secrets` in the stack file, or run zenml secret create {name}.",
            )


def _ensure(client: Client, name: str, values: Mapping[str, str]) -> UUID:
    found = client.list_secrets(name=name, private=False).items
    if not found:
        return client.create_secret(name, dict(values)).id
    # A list leaves the values out.
    before = client.get_secret(found[0].id).secret_values
    if before != values:
        client.update_secret(
            found[0].id, add_or_update_values=dict(values), remove_values=list(before.keys() - values.keys())
        )
    return found[0].id


def _variables(stack: StackConfig) -> Iterable[SecretVariable]:
    return dict.fromkeys(
        [*(each for keys in stack.secrets.values() for each in keys.values()), *stack.secret_environment]
    )


def _value(stack: StackConfig, variable: SecretVariable) -> str | None:
    value = os.environ.get(variable.removesuffix("?"))
    if not value and not variable.endswith("?"):
        raise ConfigError(
            f"The stack {stack.name} needs the environment variable {variable}, which is not set.",
            f"Set it: export {variable}=...",
        )
    return value
