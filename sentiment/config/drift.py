"""Settings of the reference that training stores and of the drift detection that compares with it."""

from typing import Annotated

from pydantic import Field

from sentiment.frozen import Frozen

Distance = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class ReferenceConfig(Frozen):
    """The profile of validation and test rows that monitoring compares with.

    `rows`: sampled texts it keeps, fewer where texts are long: the whole profile stays under 1 MB.
    """

    rows: int = Field(default=2000, ge=100, le=5000)


class DriftConfig(Frozen):
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
