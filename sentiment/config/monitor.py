"""The config of the monitor pipeline: what configs/monitor.yaml may say."""

from typing import Annotated

from pydantic import Field

from sentiment.config.drift import DriftConfig, QualityConfig
from sentiment.config.retrain import RetrainConfig
from sentiment.stored import Config


class MonitorConfig(Config):
    """Everything `python run.py --pipeline monitor` can be told; see configs/monitor.yaml.

    `retrain`: its policy makes the decision, and `--act` runs it; the model it retrains is the one that is monitored.
    """

    seed: Annotated[int, Field(ge=0)] = 42
    drift: DriftConfig = DriftConfig()
    quality: QualityConfig = QualityConfig()
    retrain: RetrainConfig

    @property
    def model_name(self) -> str:
        """The registered model whose champion is monitored."""
        return self.retrain.model_name
