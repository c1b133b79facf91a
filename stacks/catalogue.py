"""The stacks that configs/stacks/ offers."""

import re
from pathlib import Path

import yaml

from sentiment.config.load import CONFIGS, load_config, nearest
from sentiment.config.stack import StackConfig
from sentiment.errors import ConfigError, StackError
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
    path = _path(name, folder)
    config = load_config(path, StackConfig)
    if config.name != name:
        raise ConfigError(f"{path} calls itself {config.name!r}.", f"Write name: {name}.")
    return config


def required_variables(name: str, folder: Path = STACKS) -> list[str]:
    """The environment variables without which `load_stack` does not read the stack `name`.

    Raises StackError for an unknown name.
    """
    lines = _path(name, folder).read_text(encoding="utf-8").splitlines()
    found = [variable for line in lines for variable in REFERENCE.findall(line.partition("#")[0])]
    return [variable for variable in dict.fromkeys(found) if variable != ENVIRONMENT_VARIABLE]


def _path(name: str, folder: Path) -> Path:
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise StackError(f"There is no stack {name!r}.", nearest(name, available_stacks(folder)))
    return path


def _description(path: Path) -> str:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        return "not readable as YAML"
    return str(content.get("description", "")) if isinstance(content, dict) else ""
