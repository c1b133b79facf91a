"""The settings of the export: which format a classifier may be served in."""

from pydantic import Field

from sentiment.config.evaluation import EvaluationConfig, Share
from sentiment.frozen import Frozen


class ExportConfig(Frozen):
    """What a format must show, against the classifier it was made from, to be served in its place.

    `min_agreement`: floor on the share of texts that get the same label. `max_macro_f1_loss`: what the macro-F1 may
    lose, judged by the lower end of the paired interval of the change. `max_rows`: validation rows used, drawn by the
    seed when there are more. `evaluation` sets the interval's resamples and how many texts are timed.
    """

    min_agreement: Share = 0.98
    max_macro_f1_loss: Share = 0.01
    max_rows: int = Field(default=5_000, ge=1)
    evaluation: EvaluationConfig = EvaluationConfig()
