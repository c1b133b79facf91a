"""Settings of the drift detection and of the quality with delayed labels."""

from typing import Annotated

from pydantic import Field

from sentiment.stored import Config

Distance = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class DriftConfig(Config):
    """When the texts or predictions of a window count as drifted from the reference.

    `window_rows`: the newest rows that are compared, so that the verdict does not depend on traffic. `min_rows`: with
    fewer distinct texts in the window or in the reference there is no verdict. The other numbers are the effects from
    which a test says drift: `text_distance`, `trait_distance` (what a text has or has not) and `confidence_distance` in
    standard deviations of the reference, `label_distance` and `language_distance` between 0 and 0.83, `domain_auc`
    between 0.5 and 1, the shares as parts of the window's rows.
    """

    window_rows: int = Field(default=1000, ge=100, le=20_000)
    min_rows: int = Field(default=300, ge=100)
    text_distance: Distance = 0.15
    trait_distance: Distance = 0.12
    confidence_distance: Distance = 0.15
    label_distance: Distance = 0.1
    language_distance: Distance = 0.1
    domain_auc: float = Field(default=0.6, gt=0.5, lt=1)
    max_empty_share: Share = 0.05
    max_duplicate_share: Share = 0.5
    max_too_long_share: Share = 0.05


class QualityConfig(Config):
    """How labels that arrive later are judged.

    The verdict is on the newest `rows` labels of the champion: a fixed number, so that it does not depend on traffic.
    Labels count when they cover a day's rows by `min_coverage`, or come from one of `random_sources`: people who
    answer by themselves correct more than they confirm. Those of the endpoint count only if their caller is one of
    `trusted_callers`, came with the API key and gave labels over `trust_days`, or is that of an endpoint without a key
    while `trust_keyless`; see `sentiment.monitoring.trust`.
    """

    removed = frozenset({"resamples"})
    days: Annotated[int, Field(ge=1, le=366)] = 30
    rows: Annotated[int, Field(ge=1, le=100_000)] = 1000
    min_labels: Annotated[int, Field(ge=1)] = 100
    max_accuracy_loss: Annotated[float, Field(ge=0, lt=1)] = 0.03
    min_coverage: Annotated[float, Field(gt=0, le=1)] = 0.8
    random_sources: tuple[str, ...] = ()
    trusted_callers: tuple[str, ...] = ()
    trust_keyless: bool = True
    trust_days: Annotated[int, Field(ge=1, le=365)] = 14
