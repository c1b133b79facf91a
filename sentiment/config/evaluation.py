"""Settings of the evaluation and of the promotion gate."""

from typing import Annotated

from pydantic import Field, field_validator

from sentiment.stored import Config

Share = Annotated[float, Field(ge=0, le=1)]


class EvaluationConfig(Config):
    """How a classifier is measured.

    `resamples`: bootstrap resamples behind every interval. `min_slice_rows`: a smaller slice is shown but not judged.
    `max_slices`: the largest values of a column that become slices; the rest is one slice. `length_edges`: where one
    length bucket ends and the next begins, in characters. `latency_rows` and `throughput_rows`: rows timed one by one
    and in one batch. `mistakes`: how many of the most confident mistakes are kept for people to look at.
    """

    resamples: int = Field(default=1000, ge=100)
    min_slice_rows: int = Field(default=50, ge=1)
    max_slices: int = Field(default=20, ge=1)
    length_edges: tuple[int, ...] = (20, 50, 100)
    calibration_bins: int = Field(default=10, ge=2)
    latency_rows: int = Field(default=100, ge=1)
    throughput_rows: int = Field(default=512, ge=1)
    mistakes: int = Field(default=10, ge=0)

    @field_validator("length_edges")
    @classmethod
    def _edges_rise(cls, edges: tuple[int, ...]) -> tuple[int, ...]:
        if list(edges) != sorted({edge for edge in edges if edge > 1}):
            raise ValueError("length_edges must rise strictly, from 2 upwards")
        return edges


class GateConfig(Config):
    """What a candidate must show before it is promoted.

    `register_threshold`: floor on the macro-F1. `max_ece`: ceiling on the expected calibration error.
    `min_slice_macro_f1`: floor on the macro-F1 of the worst slice that has enough rows. `must_beat_majority`: the lower
    bound of the macro-F1 must lie above that of always answering the most frequent label. `significance`: the level
    (alpha) at which the candidate must be better than the champion. `min_gain`: the macro-F1 gain that the lower bound
    of the paired interval must exceed. `max_slice_loss`: how much macro-F1 may be lost on what the champion knew: on
    the test rows that are no feedback the paired interval must show that the loss is smaller, and no source with enough
    rows may be significantly worse by more.
    """

    register_threshold: Share = 0.7
    max_ece: Share = 0.1
    min_slice_macro_f1: Share = 0.6
    must_beat_majority: bool = True
    significance: float = Field(default=0.05, gt=0, lt=0.5)
    min_gain: float = Field(default=0.0, ge=0, lt=1)
    max_slice_loss: float = Field(default=0.05, ge=0, lt=1)
