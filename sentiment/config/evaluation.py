"""Settings of the evaluation and of the promotion gate."""

from typing import Annotated

from pydantic import Field

from sentiment.stored import Config

Share = Annotated[float, Field(ge=0, le=1)]


class EvaluationConfig(Config):
    """How a classifier is measured.

    `resamples`: bootstrap resamples behind every interval. `min_slice_rows`: a smaller slice is shown but not judged.
    """

    removed = frozenset(
        {"max_slices", "length_edges", "calibration_bins", "latency_rows", "throughput_rows", "mistakes"}
    )
    resamples: int = Field(default=1000, ge=100)
    min_slice_rows: int = Field(default=50, ge=1)


class GateConfig(Config):
    """What a candidate must show before it is promoted.

    `register_threshold`: floor that the lower bound of the macro-F1 must reach. `max_accuracy`: a higher accuracy is
    suspected of leakage; 1 accepts any. `max_ece`: ceiling on the expected calibration error beyond chance.
    `min_slice_macro_f1`: floor that no slice with enough rows may be shown to miss: its upper bound must reach it.
    `must_beat_majority`: the lower bound of the macro-F1 must lie above that of always answering the most frequent
    label. `significance`: the level (alpha) at which the candidate must be better than the champion. `min_gain`: the
    macro-F1 gain that the lower bound of the paired interval must exceed. `max_slice_loss`: how much macro-F1 may be
    lost on what the champion knew: on the test rows that are no feedback the paired interval must show that the loss is
    smaller, and no source with enough rows may be significantly worse by more.
    """

    register_threshold: Share = 0.7
    max_accuracy: Share = 0.995
    max_ece: Share = 0.1
    min_slice_macro_f1: Share = 0.6
    must_beat_majority: bool = True
    significance: float = Field(default=0.05, gt=0, lt=0.5)
    min_gain: float = Field(default=0.0, ge=0, lt=1)
    max_slice_loss: float = Field(default=0.05, ge=0, lt=1)
