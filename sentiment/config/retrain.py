"""The config of the retrain pipeline: what configs/retrain.yaml may say."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, model_validator
from pydantic_core import to_jsonable_python

from sentiment.config.deploy import DeployConfig
from sentiment.config.train import TrainConfig
from sentiment.errors import option
from sentiment.stored import Config, disagreement

Share = Annotated[float, Field(gt=0, le=1)]
# Validated once they are laid over a train config. YAML reads 2026-01-01 as a date, which JSON does not have.
Changes = Annotated[dict[str, JsonValue], BeforeValidator(to_jsonable_python)]
Trigger = Literal["quality_drop", "drift", "new_labels"]


class RetrainPolicy(Config):
    """When to retrain. All labels are those left after the checks of feedback, since the last retraining that ended.

    `reasons`: what may lead to a retraining. `min_new_labels`: fewer teach too little, whatever the reason.
    `enough_labels`: so many are a reason of their own. `cool_down_hours`: the rest after a retraining has started.
    `max_retrains` in `budget_days`: the budget.
    """

    reasons: tuple[Trigger, ...] = ("quality_drop", "drift", "new_labels")
    min_new_labels: Annotated[int, Field(ge=1)] = 200
    enough_labels: Annotated[int, Field(ge=1)] = 5000
    cool_down_hours: Annotated[float, Field(ge=0)] = 24
    max_retrains: Annotated[int, Field(ge=1)] = 4
    budget_days: Annotated[int, Field(ge=1, le=90)] = 30


class FeedbackConfig(Config):
    """Which labels from users may become training rows; see `sentiment.retraining.feedback`.

    A caller is `key:` and the digest of the header X-Caller-Key, if the request came with the server's API key; all
    others are the one caller `open`.

    Trust: only labels of trusted callers teach and test. These are `trusted_callers` (a name that ends in * stands for
    all that begin so); `open` while `trust_keyless`, as an endpoint without a key is for its own machine; and callers
    with the API key who gave labels over at least `trust_days` days and contradict predictions no more than their
    confidence allows, by `flip_margin`. Their earlier labels count from then on. All other callers together may add
    `max_untrusted_share` of what trusted ones add, to the training rows only.

    Floods: a caller with more than `max_caller_rows` labels in a day; or with more than `max_caller_share` of a day's
    labels, if several callers gave some. Label flips: a caller contradicts predictions made with at least
    `flip_confidence` more often than the median of the other callers by `flip_margin`. Neither rule is held against
    `trusted_callers`.

    Testing: people who answer by themselves correct more often than they confirm, and on such rows every other model
    looks better than the champion. A row is tested on when its day's labels cover `min_coverage` of the day's
    predictions, or when it comes from one of `random_sources`; else it may only be trained on.
    """

    removed = frozenset({"max_rows", "min_callers", "flip_alone_share", "flip_min_rows", "flip_significance"})
    max_caller_rows: Annotated[int, Field(ge=1)] = 5000
    max_caller_share: Share = 0.5
    flip_confidence: Share = 0.8
    flip_margin: Share = 0.2
    trusted_callers: tuple[str, ...] = ()
    trust_keyless: bool = True
    trust_days: Annotated[int, Field(ge=1, le=365)] = 14
    max_untrusted_share: Annotated[float, Field(ge=0, le=1)] = 0
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.8
    random_sources: tuple[str, ...] = ()


class RetrainConfig(Config):
    """Everything `python run.py --pipeline retrain` can be told; see configs/retrain.yaml.

    `train`: how the candidate is trained and judged, and on which reviews besides the feedback; null: as the champion
    was, with `train_changes` (any part of a train config) laid over that. `deploy`: deploy a new champion as
    `deployment` says, where the stack has a model deployer. `force`: retrain by hand even while paused.
    """

    model_name: str = "sentiment"
    train: TrainConfig | None = None
    train_changes: Changes = Field(default_factory=dict)
    policy: RetrainPolicy = RetrainPolicy()
    feedback: FeedbackConfig = FeedbackConfig()
    deploy: bool = True
    deployment: DeployConfig
    force: bool = False

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        names: dict[str, JsonValue] = {"deployment.model_name": self.deployment.model_name}
        if self.train is not None:
            names["train.model_name"] = self.train.model_name
        elif "model_name" in self.train_changes:
            names["train_changes.model_name"] = self.train_changes["model_name"]
        for key, name in names.items():
            if name != self.model_name:
                raise disagreement(
                    f"model_name is {self.model_name!r}, {key} {name!r}",
                    f"Name one model: {option('model_name', name)}",
                )
        return self

    @model_validator(mode="after")
    def _changes_are_of_the_champion(self) -> Self:
        if self.train is not None and self.train_changes:
            raise disagreement(
                "train_changes are for the champion's config, and train names another",
                "Leave train_changes out, and change train itself",
            )
        return self
