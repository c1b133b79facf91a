"""The tasks: what the labels of a model mean. Each is registered by its module here, and everything else asks it.

`TextClassifier.task` is the name of one. As with a kind, what measures is named by addresses ("package.module:name"):
a server answers, and carries no metrics.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentiment.errors import ConfigError, nearest
from sentiment.kinds import load
from sentiment.stats import Probabilities

# The one of a model folder or a report that names none: there was no other when it was written.
FIRST = "classes"


class Scores(NamedTuple):
    """Two metrics of every table in a stack of tables."""

    accuracy: NDArray[np.float64]
    primary: NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """One meaning of labels.

    `primary`: the metric that selection, gate and quality go by, as reports name the field; `title`: as people do.
    `answer`: from the probabilities of one text to the position of its label; `answers`: from those of many, one row a
    text. `scoring`: the address of a function from tables of counts to `Scores`. `reliability`: the address of a
    function with the arguments and the result of `sentiment.stats.calibration.reliability_bins`.
    """

    primary: str
    title: str
    answer: Callable[[Sequence[float]], int]
    answers: Callable[[Probabilities], NDArray[np.int64]]
    scoring: str
    reliability: str

    def primary_of(self, report: Any) -> Any:
        """The primary metric of an evaluation, a slice or a comparison."""
        return getattr(report, self.primary)

    def scores(self, tables: NDArray[np.int64]) -> Scores:
        """The metrics of tables (..., k, k) with the truth in rows and the answer in columns."""
        return Scores(*load(self.scoring)(tables))


def names() -> list[str]:
    """The tasks there are."""
    return sorted(module.name for module in iter_modules(__path__))


def task_of(name: str) -> Task:
    """The task of this name. Raises ConfigError for an unknown one."""
    if name not in {module.name for module in iter_modules(__path__)}:
        raise ConfigError(f"There is no task {name!r}.", nearest(name, names()))
    # Read by `sentiment.closure`: whoever asks for a task needs the modules of all.
    task: Task = import_module(f"{__name__}.{name}").TASK
    return task
