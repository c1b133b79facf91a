"""The majority classifier learns one thing: how frequent the labels are."""

import numpy as np

from sentiment.data.reviews import Reviews
from sentiment.models.majority import MajorityClassifier
from sentiment.text.normalise import TextNormaliser


def train_majority(train: Reviews, *, normaliser: TextNormaliser) -> MajorityClassifier:
    """Count the labels of `train`, which has at least one row."""
    counts = np.bincount(train.frame()["label"].to_numpy(), minlength=len(train.labels))
    return MajorityClassifier((counts / counts.sum()).tolist(), train.labels, normaliser)
