"""The config of quality with delayed labels."""

from typing import Annotated

from pydantic import Field

from sentiment.frozen import Frozen


class QualityConfig(Frozen):
    """How labels that arrive later are judged.

    The verdict is on the newest `rows` labels of the champion: a fixed number, so that it does not depend on traffic.
    Labels count when they cover a day's rows by `min_coverage`, or come from one of `random_sources`: people who
    answer by themselves correct more than they confirm.
    """

    days: Annotated[int, Field(ge=1, le=366)] = 30
    rows: Annotated[int, Field(ge=1, le=100_000)] = 1000
    min_labels: Annotated[int, Field(ge=1)] = 100
    max_accuracy_loss: Annotated[float, Field(ge=0, lt=1)] = 0.03
    min_coverage: Annotated[float, Field(gt=0, le=1)] = 0.8
    random_sources: tuple[str, ...] = ()
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 1000
