"""The config of the train pipeline: what configs/train*.yaml may say."""

from typing import Annotated, Final, Self

from pydantic import Field, SerializeAsAny, model_validator

from sentiment.config.dataset import DatasetConfig, SplitConfig, ValidationConfig
from sentiment.config.evaluation import EvaluationConfig, GateConfig
from sentiment.errors import option
from sentiment.kinds import ModelConfig
from sentiment.kinds.linear import LinearConfig
from sentiment.stored import Config, disagreement
from sentiment.text.normalise import TextNormaliser

# The report of a registered version that holds the config it was trained with.
CONFIG_FILE: Final = "config.yaml"


class StepOptions(Config):
    """How one step is run: whether its cached result may be used (null leaves it to the step), and how often it is
    tried again.
    """

    cache: bool | None = None
    retries: Annotated[int, Field(ge=0, le=10)] = 0


class TrainConfig(Config):
    """Everything `python run.py --pipeline train` can be told; see configs/train.yaml.

    `replace_champion`: compete for the place of a champion that learnt from other data.
    """

    removed = frozenset({"reference"})
    seed: Annotated[int, Field(ge=0)] = 42
    model_name: str = "sentiment"
    replace_champion: bool = False
    dataset: DatasetConfig
    normaliser: TextNormaliser = TextNormaliser()
    split: SplitConfig = SplitConfig()
    validation: ValidationConfig = ValidationConfig()
    baseline: LinearConfig = LinearConfig(kind="linear", name="linear")
    candidates: Annotated[tuple[SerializeAsAny[ModelConfig], ...], Field(min_length=1)]
    evaluation: EvaluationConfig = EvaluationConfig()
    gate: GateConfig = GateConfig()
    steps: dict[str, StepOptions] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [candidate.name for candidate in self.candidates]
        if len(set(names)) != len(names):
            again = next(at for at, name in enumerate(names) if name in names[:at])
            raise disagreement(
                f"two candidates share a name: {', '.join(names)}",
                f"Give one another name: {option(f'candidates.{again}.name', f'{names[again]}-2')}",
            )
        return self

    def models(self) -> tuple[ModelConfig, ...]:
        """The models to train: the candidates, and the baseline unless a candidate of its name takes its place."""
        if self.baseline.name in [candidate.name for candidate in self.candidates]:
            return self.candidates
        return (*self.candidates, self.baseline)
