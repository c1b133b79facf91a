"""The linear kind: character n-grams and a linear SVM."""

from typing import Literal

from pydantic import Field

from sentiment.kinds import Kind, ModelConfig


class LinearConfig(ModelConfig):
    """Character n-gram TF-IDF and a linear SVM with Naive Bayes feature scaling (see `sentiment.models.linear`).

    N-grams have 1 to `max_ngram` characters and stand in at least `min_df` training texts. `c` is the SVM's inverse
    regularisation strength. `class_weight: balanced` lets every class weigh the same, in the fit and in the
    calibration: it helps rare classes, and the probabilities then hold for equally frequent classes.
    """

    kind: Literal["linear"] = "linear"
    max_ngram: int = Field(default=5, ge=1, le=16)
    min_df: int = Field(default=2, ge=1)
    c: float = Field(default=0.5, gt=0)
    class_weight: Literal["balanced"] | None = None


KIND = Kind(
    classifier="sentiment.models.linear:LinearClassifier",
    config=LinearConfig,
    trainer="sentiment.training.linear:train_linear",
)
