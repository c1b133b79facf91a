"""The stacks that configs/stacks/ offers."""

from pathlib import Path

from sentiment.config.load import CONFIGS, load_config, nearest
from sentiment.config.stack import StackConfig
from sentiment.errors import ConfigError, StackError

STACKS = CONFIGS / "stacks"


def available_stacks(folder: Path = STACKS) -> list[str]:
    """The names of the stack files in `folder`, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_stack(name: str, folder: Path = STACKS) -> StackConfig:
    """Read the stack `name` with its environment variables filled in.

    Raises StackError for an unknown name, ConfigError for a file that is wrong or a variable that is not set.
    """
    if name not in available_stacks(folder):
        raise StackError(f"There is no stack {name!r}.", nearest(name, available_stacks(folder)))
    config = load_config(folder / f"{name}.yaml", StackConfig)
    if config.name != name:
        raise ConfigError(f"{folder / name}.yaml calls itself {config.name!r}.", f"Write name: {name}.")
    return config
