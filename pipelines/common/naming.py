"""The pipelines there are, found by their modules, and the steps of all of them."""

from importlib import import_module
from pkgutil import iter_modules

import pipelines


def pipeline_names() -> list[str]:
    """The pipelines by name: each is a module of this package."""
    return [module.name for module in iter_modules(pipelines.__path__) if not module.ispkg]


def every_step() -> list[str]:
    """The steps of all pipelines, as the settings of a stack may name them."""
    return [step for name in pipeline_names() for step in import_module(f"pipelines.{name}").STEP_NAMES]
