"""Which words pushed a prediction where it is."""

import re
from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

import numpy as np

from sentiment.models.base import TextClassifier
from sentiment.tasks import task_of

MAX_WORDS: Final = 60


@runtime_checkable
class ExplainsItself(Protocol):
    """A classifier that knows each word's share without being asked again."""

    def explain(self, text: str) -> list[tuple[str, float]]:
        """Words in order, with what each adds to the logit of the predicted label."""


def word_weights(classifier: TextClassifier, text: str) -> list[tuple[str, float]]:
    """Words in order, with what each adds to the log-odds of the predicted label.

    The classifier's own account where it has one, else leave-one-out occlusion (Li, Monroe and Jurafsky 2016,
    arXiv:1612.08220): how far the log-odds fall without the word. Occlusion weighs the first `MAX_WORDS` words; the
    rest have no weight.
    """
    if isinstance(classifier, ExplainsItself):
        return classifier.explain(text)
    words = re.findall(r"\S+", text)
    weighed = range(min(len(words), MAX_WORDS))
    without = [" ".join([*words[:position], *words[position + 1 :]]) for position in weighed]
    probabilities = classifier.predict_proba([" ".join(words), *without]).astype(np.float64)
    label = task_of(classifier.task).answer(probabilities[0].tolist())
    of_label = probabilities[:, label].clip(1e-7, 1 - 1e-7)
    log_odds = np.log(of_label / (1 - of_label))
    falls: Sequence[float] = (log_odds[0] - log_odds[1:]).tolist()
    return list(zip(words, [*falls, *[0.0] * (len(words) - len(falls))], strict=True))
