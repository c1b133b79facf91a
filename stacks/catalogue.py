"""The stacks that configs/stacks/ offers.

A file with `extends: NAME` is laid over the file of that stack: mappings are merged key by key, lists and values are
replaced, and null takes away what stands there.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from sentiment.config.load import CONFIGS, expand, parse_yaml, read_yaml, validate
from sentiment.config.stack import StackConfig
from sentiment.errors import ConfigError, StackError, nearest
from sentiment.home import ENVIRONMENT_VARIABLE

STACKS = CONFIGS / "stacks"
# ${VARIABLE} without a default.
REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def available_stacks(folder: Path = STACKS) -> dict[str, str]:
    """The stack files in `folder`: name and description. The variables they need are not asked for."""
    return {path.stem: _description(path) for path in sorted(folder.glob("*.yaml"))}


def load_stack(name: str, folder: Path = STACKS) -> StackConfig:
    """Read the stack `name` with its environment variables filled in.

    Raises StackError for an unknown name, ConfigError for a file that is wrong or a variable that is not set.
    """
    path = folder / f"{name}.yaml"
    config = validate(expand(raw_stack(name, folder), source=str(path)), StackConfig, str(path))
    if config.name != name:
        raise ConfigError(f"{path} calls itself {config.name!r}.", f"Write name: {name}.")
    return config


def required_variables(name: str, folder: Path = STACKS) -> list[str]:
    """The environment variables without which `load_stack` does not read the stack `name`.

    Raises StackError for an unknown name.
    """
    found = REFERENCE.findall(json.dumps(raw_stack(name, folder)))
    return [variable for variable in dict.fromkeys(found) if variable != ENVIRONMENT_VARIABLE]


def raw_stack(name: str, folder: Path = STACKS) -> dict[str, Any]:
    """What the file of the stack `name` says, laid over the file that it extends; variables are not filled in.

    Raises StackError for an unknown name, ConfigError for a file that is no mapping or extends what is not there.
    """
    names = _names(folder)
    if name not in names:
        raise StackError(f"There is no stack {name!r}.", nearest(name, names))
    return _read(name, folder)


def _read(name: str, folder: Path, above: tuple[str, ...] = ()) -> dict[str, Any]:
    path = folder / f"{name}.yaml"
    own = read_yaml(path)
    base = own.get("extends")
    if base is None:
        return own
    chain = (*above, name)
    if base in chain:
        raise ConfigError(f"{path} extends itself: {' -> '.join([*chain, base])}.")
    if base not in _names(folder):
        raise ConfigError(f"{path}: extends: there is no stack {base!r}.", nearest(str(base), _names(folder)))
    return _laid_over(_read(base, folder, chain), own)


def _names(folder: Path) -> list[str]:
    return [path.stem for path in folder.glob("*.yaml")]


def _laid_over(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = {key: value for key, value in base.items() if key not in own or own[key] is not None}
    for key, value in own.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = _laid_over(before, value)
        elif value is not None or key not in base:
            merged[key] = value
    return merged


def _description(path: Path) -> str:
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        return "not readable as YAML"
    return str(content.get("description", "")) if isinstance(content, dict) else ""
