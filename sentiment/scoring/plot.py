"""The picture of a batch."""

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import PercentFormatter

from sentiment.pages.drawing import BLUE, WIDTH_INCHES, axes_of, png


def confidence_histogram(counts: Sequence[int], labels: int) -> bytes:
    """Rows by the confidence of their label, in bins of equal width from 1 / `labels` to 1."""
    edges = np.linspace(1 / labels, 1, len(counts) + 1)
    total = sum(counts)
    unsure = sum(counts[: max(1, len(counts) // 5)]) / max(1, total)
    below = f"{edges[max(1, len(counts) // 5)]:.0%}"
    figure, axes = axes_of(
        WIDTH_INCHES,
        3.2,
        "How sure the model was",
        f"{total:,} rows; {unsure:.1%} of them below a confidence of {below}",
    )
    axes.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=BLUE, edgecolor="white", linewidth=0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel("confidence of the predicted label")
    axes.set_ylabel("rows")
    axes.set_xlim(edges[0], 1)
    return png(figure)
