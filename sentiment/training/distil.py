"""Soft targets for the transformer from the linear classifier, which no row's own label has reached.

A network trained on few texts learns their wrong labels by heart. What a linear classifier, fitted on the other folds,
thinks of a text tempers its label: knowledge distillation (Hinton et al. 2015, arXiv:1503.02531) with a cross-fitted
teacher (Dao et al. 2021, arXiv:2104.09732).
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from sentiment.data.reviews import Reviews
from sentiment.kinds.linear import LinearConfig
from sentiment.stats import Probabilities
from sentiment.text.normalise import TextNormaliser
from sentiment.training.linear import train_linear

FOLDS = 4


def training_targets(
    train: Reviews, validation: Reviews, *, teacher_weight: float, normaliser: TextNormaliser, seed: int
) -> Probabilities:
    """Target probabilities of shape (len(train), labels): the label, mixed with the teacher's view by `teacher_weight`.

    The teacher is calibrated on `validation`. Raises DataError when a label has too few rows to stand in every fold.
    """
    labels = train.frame()["label"].to_numpy()
    targets: Probabilities = np.eye(len(train.labels), dtype=np.float32)[labels]
    if teacher_weight:
        targets *= 1 - teacher_weight
        targets += teacher_weight * _out_of_fold(train, validation, labels, normaliser, seed)
    return targets


def _out_of_fold(
    train: Reviews, validation: Reviews, labels: NDArray[np.integer], normaliser: TextNormaliser, seed: int
) -> Probabilities:
    frame = train.frame()
    probabilities = np.empty((len(train), len(train.labels)), dtype=np.float32)
    for others, fold in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(labels, labels):
        rest = Reviews.from_frame(frame[others], train.labels)
        teacher = train_linear(LinearConfig(name="teacher"), rest, validation, normaliser=normaliser, seed=seed)
        probabilities[fold] = teacher.predict_proba(frame["text"][fold].to_list())
    return probabilities
