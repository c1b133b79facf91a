"""Whether a probability of 0.9 means being right nine times in ten."""

import numpy as np
from numpy.typing import NDArray

from sentiment.stats import Probabilities
from sentiment.stats.bootstrap import Metric, wilson
from sentiment.stored import Frozen


class ReliabilityBin(Frozen):
    """Rows of similar confidence: their mean confidence and how often the prediction was right."""

    rows: int
    confidence: float
    accuracy: Metric


class Calibration(Frozen):
    """The reliability curve and its summaries.

    `ece` is the expected calibration error of the predicted label (Guo et al. 2017, On Calibration of Modern Neural
    Networks) over equal-mass bins, which are less biased than equal-width ones (Roelofs et al. 2022, Mitigating Bias in
    Calibration Error Estimation). `ece_by_chance` is what a perfectly calibrated model would show on average on as many
    rows (consistency resampling, Broecker & Smith 2007): an ECE near it says nothing against the model. `brier` lies
    in [0, 1].
    """

    bins: tuple[ReliabilityBin, ...]
    ece: float
    ece_by_chance: float
    brier: Metric
    log_loss: Metric

    @property
    def ece_beyond_chance(self) -> float:
        """What chance does not explain of `ece`; NaN stays NaN.

        The squares are subtracted, as Kumar et al. (2019, Verified Uncertainty Calibration) do to debias the error.
        """
        return float(np.sqrt(np.maximum(0.0, self.ece**2 - self.ece_by_chance**2)))


def reliability_bins(truth: NDArray[np.int64], probabilities: Probabilities, bins: int) -> tuple[ReliabilityBin, ...]:
    """Equal-mass bins of the predicted label's probability; equal values share a bin, so there may be fewer."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == truth
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1]))
    members = np.searchsorted(edges, confidence, side="right")
    rows = np.bincount(members)
    hits, total = np.bincount(members, weights=right), np.bincount(members, weights=confidence)
    return tuple(
        ReliabilityBin(rows=int(n), confidence=float(sum_ / n), accuracy=wilson(int(h), int(n)))
        for n, sum_, h in zip(rows, total, hits, strict=True)
        if n
    )


def calibration_errors(
    bins: tuple[ReliabilityBin, ...], resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    """The expected calibration error, and its mean for a perfectly calibrated model on the same bins."""
    rows = np.array([bin_.rows for bin_ in bins])
    confidence = np.array([bin_.confidence for bin_ in bins])
    accuracy = np.array([bin_.accuracy.value for bin_ in bins])
    calibrated = rng.binomial(rows, np.clip(confidence, 0, 1), size=(resamples, len(rows))) / rows
    share = rows / rows.sum()
    return float(share @ abs(accuracy - confidence)), float((abs(calibrated - confidence) @ share).mean())
