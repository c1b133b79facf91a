"""The config of the deploy pipeline and of its export: what configs/deploy.yaml may say."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from sentiment.config.evaluation import Share
from sentiment.stored import Config


class ExportConfig(Config):
    """What a format must show, against the classifier it was made from, to be served in its place.

    `min_agreement`: floor on the share of texts that get the same label. `max_macro_f1_loss`: what the macro-F1 may
    lose, judged by the lower end of the paired interval of the change.
    """

    removed = frozenset({"max_rows", "evaluation"})
    min_agreement: Share = 0.98
    max_macro_f1_loss: Share = 0.01


Positive = Annotated[float, Field(gt=0)]


def _off(value: Any) -> Any:
    return "off" if value is False else value  # what YAML makes of a bare off


Mode = Annotated[Literal["off", "shadow", "canary"], BeforeValidator(_off)]


class TrafficConfig(Config):
    """What another version does beside the champion.

    `shadow`: it is scored on the side and logged. `canary`: it answers `share` of the callers. `version` is which one;
    null is the registry's candidate, the latest that waits for promotion.
    """

    mode: Mode = "off"
    version: Annotated[int, Field(ge=1)] | None = None
    share: Annotated[float, Field(gt=0, lt=1)] = 0.05


class SmokeTestConfig(Config):
    """Texts the new version must answer as the Python API does before it is published.

    `tolerance` is for every probability: batches are padded differently in the server.
    """

    texts: Annotated[tuple[str, ...], Field(min_length=1)]
    tolerance: Annotated[float, Field(ge=0, le=0.1)] = 0.02
    timeout_seconds: Positive = 10


class DeployConfig(Config):
    """Everything `python run.py --pipeline deploy` can be told; see configs/deploy.yaml.

    `port` and `start_seconds` overrule the stack's model deployer.
    """

    removed = frozenset({"seed"})
    model_name: str = "sentiment"
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    start_seconds: Positive | None = None
    export: ExportConfig = ExportConfig()
    traffic: TrafficConfig = TrafficConfig()
    smoke_test: SmokeTestConfig
