"""`${VAR}` and `${VAR:-default}` in config values."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from sentiment.errors import ConfigError
from sentiment.home import ENVIRONMENT_VARIABLE, home

_REFERENCE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^}]*)?\}")


def expand(value: Any, *, source: str = "The config", environ: Mapping[str, str] | None = None) -> Any:
    """Replace the references in every string inside `value` (a string, or lists and mappings of values).

    As in a shell, an empty variable counts as unset. `SENTIMENT_HOME` is always set: see `sentiment.home`.
    `environ` is os.environ unless given; `source` names the file in the error.

    Raises ConfigError naming the variable when one without a default is unset.
    """
    variables = {**(os.environ if environ is None else environ), ENVIRONMENT_VARIABLE: str(home())}

    def replaced(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if variables.get(name):
            return variables[name]
        if default is None:
            raise ConfigError(
                f"{source} needs the environment variable {name}, which is not set.",
                f"Set it: export {name}=...",
            )
        return default.removeprefix(":-")

    return _expand(value, replaced)


def _expand(value: Any, replaced: Callable[[re.Match[str]], str]) -> Any:
    if isinstance(value, str):
        return _REFERENCE.sub(replaced, value)
    if isinstance(value, list):
        return [_expand(item, replaced) for item in value]
    if isinstance(value, dict):
        return {key: _expand(item, replaced) for key, item in value.items()}
    return value
