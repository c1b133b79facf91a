"""One label a text, and no order among the labels: the most probable one is the answer."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sentiment.stats import Probabilities
from sentiment.tasks import Task


def most_probable(probabilities: Sequence[float]) -> int:
    """The position of the largest, of equal ones the first. For a text or two, lists are quicker than arrays."""
    return probabilities.index(max(probabilities))


def most_probable_of_each(probabilities: Probabilities) -> NDArray[np.int64]:
    """The same for every row, shape (n,)."""
    found: NDArray[np.int64] = probabilities.argmax(axis=1)
    return found


TASK = Task(
    primary="macro_f1",
    title="macro-F1",
    answer=most_probable,
    answers=most_probable_of_each,
    scoring="sentiment.stats.metrics:accuracy_and_macro_f1",
    reliability="sentiment.stats.calibration:reliability_bins",
)
