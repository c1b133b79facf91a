"""The stacks that configs/stacks/ offers."""

from pathlib import Path

import yaml

from sentiment.config.load import CONFIGS, load_config, nearest
from sentiment.config.stack import StackConfig
from sentiment.errors import ConfigError, StackError

STACKS = CONFIGS / "stacks"


def available_stacks(folder: Path = STACKS) -> dict[str, str]:
    """The stack files in `folder`: name and description. The variables they need are not asked for."""
    return {path.stem: _description(path) for path in sorted(folder.glob("*.yaml"))}


def load_stack(name: str, folder: Path = STACKS) -> StackConfig:
    """Read the stack `name` with its environment variables filled in.

    Raises StackError for an unknown name, ConfigError for a file that is wrong or a variable that is not set.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise StackError(f"There is no stack {name!r}.", nearest(name, available_stacks(folder)))
    config = load_config(path, StackConfig)
    if config.name != name:
        raise ConfigError(f"{path} calls itself {config.name!r}.", f"Write name: {name}.")
    return config


def _description(path: Path) -> str:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        return "not readable as YAML"
    return str(content.get("description", "")) if isinstance(content, dict) else ""
