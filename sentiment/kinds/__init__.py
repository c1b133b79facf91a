"""The kinds of model: each is registered by its module here, and everything else reads what it says of itself.

`kind: linear` in a model file is the `KIND` of sentiment/kinds/linear.py. `kind: my_models:FastText` is the `Kind`
named FastText in the user's own my_models.py: beside run.py, in the working folder or on PYTHONPATH. What a kind needs
is named by addresses, "package.module:name", which are imported on use: a transformer's imports cost seconds.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from traceback import extract_tb
from typing import Any, Self

from pydantic import ModelWrapValidatorHandler, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from sentiment.errors import ConfigError, nearest
from sentiment.stored import Config


class ModelConfig(Config):
    """What every model file says. Validating one against this class, or calling it, gives the class of its kind."""

    kind: str
    name: str

    def __new__(cls, **values: Any) -> Any:
        """ZenML makes a step's parameter by calling the class that the step names."""
        return super().__new__(config_class(values["kind"]) if cls is ModelConfig and "kind" in values else cls)

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Any:
        kind = value.get("kind") if isinstance(value, Mapping) else None
        if cls is not ModelConfig or not isinstance(kind, str):
            return handler(value)
        try:
            config = config_class(kind)
        except ConfigError as error:
            raise PydanticCustomError(
                "unknown_kind", "{cause}", {"cause": error.cause.rstrip("."), "fix": error.fix}
            ) from error
        return config.model_validate(value, context=info.context)


@dataclass(frozen=True)
class Kind:
    """One kind of model.

    `classifier`: the address of its `TextClassifier`. `config` and `trainer`, the address of a function with the
    arguments of `sentiment.training.Trainer`: None for a kind that no model file can name. `formats`: the address of a
    function that gives the other formats a classifier may be served in, by name (see `sentiment.export.parity`).
    `packages`: import names of what a server needs besides what the classifier's code imports. `gpu`: whether a GPU
    makes training quicker.
    """

    classifier: str
    config: type[ModelConfig] | None = None
    trainer: str | None = None
    formats: str | None = None
    packages: tuple[str, ...] = ()
    gpu: bool = False


def names() -> list[str]:
    """The kinds that come with the project."""
    return sorted(module.name for module in iter_modules(__path__))


def trainable() -> list[str]:
    """Those of them that a model file can name."""
    return [name for name in names() if kind_of(name).config]


def kind_of(name: str) -> Kind:
    """The kind of this name. Raises ConfigError for an unknown one, and for a module that cannot be used."""
    if ":" in name:
        _search_working_folder()
        kind = load(name)
    elif name in names():
        kind = load(f"{module_of(name)}:KIND")
    else:
        raise ConfigError(f"There is no kind of model {name!r}.", nearest(name, names()))
    if not isinstance(kind, Kind):
        module = sys.modules[name.partition(":")[0]]
        there = [key for key, value in vars(module).items() if isinstance(value, Kind)]
        raise ConfigError(
            f"{name} is a {type(kind).__name__}, not a Kind.",
            nearest(name.partition(":")[2], there) if there else f"Make it one: {name.partition(':')[2]} = Kind(...)",
        )
    return kind


def module_of(name: str) -> str:
    """The module in which the kind of this name is registered."""
    return name.partition(":")[0] if ":" in name else f"{__name__}.{name}"


def config_class(name: str) -> type[ModelConfig]:
    """What a model file of this kind may say. Raises ConfigError as `kind_of` does, and when it cannot be trained."""
    config = kind_of(name).config if ":" in name or name in trainable() else None
    if config is None:
        raise ConfigError(f"There is no kind of model {name!r} to train.", nearest(name, trainable()))
    return config


def load(address: str) -> Any:
    """What is at "package.module:name". Raises ConfigError when there is nothing, or the module fails."""
    module, _, name = address.partition(":")
    try:
        found = import_module(module)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{module}.".startswith(f"{error.name}."):
            raise ConfigError(
                f"There is no module {module!r}, which {address!r} names.",
                f"Put {module.replace('.', '/')}.py beside run.py, into the working folder or on PYTHONPATH.",
            ) from error
        said = " ".join(str(error).split()).rstrip(".")
        raise ConfigError(
            f"The module {module!r} fails on import: {type(error).__name__}: {said}.", _place_of(error)
        ) from error
    if not hasattr(found, name):
        own = [key for key, value in vars(found).items() if getattr(value, "__module__", None) in (module, __name__)]
        raise ConfigError(
            f"The module {module!r} has no {name!r}.",
            nearest(name, own) if own else f"Define {name} in {found.__file__}, or write the address as MODULE:NAME",
        )
    return getattr(found, name)


def _place_of(error: Exception) -> str:
    """Where a module that fails on import is to be corrected."""
    if isinstance(error, SyntaxError):
        return f"Correct {error.filename}, line {error.lineno}."
    if isinstance(error, ModuleNotFoundError):
        return f"Install what it imports: pip install {error.name}"
    last = extract_tb(error.__traceback__)[-1]
    return f"Correct {last.filename}, line {last.lineno}."


def _search_working_folder() -> None:
    """Python does so only for `python -m`; last, so that nothing there hides a package."""
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.append(folder)
