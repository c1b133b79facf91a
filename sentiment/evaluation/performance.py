"""What a classifier costs: time for one text, texts a second, bytes on disk."""

import time
from collections.abc import Sequence

import numpy as np

from sentiment.models.base import TextClassifier
from sentiment.models.folder import saved_folder
from sentiment.stored import Frozen

WARM_UP_CALLS = 3
LATENCY_ROWS = 100  # timed one by one: the 95th percentile then has five above it
THROUGHPUT_ROWS = 512  # timed in one go: several batches of every model


class Performance(Frozen):
    """Wall-clock time on the machine that evaluated, and the size of the model folder."""

    latency_p50_ms: float
    latency_p95_ms: float
    texts_per_second: float
    size_bytes: int


def measure_performance(classifier: TextClassifier, texts: Sequence[str], rng: np.random.Generator) -> Performance:
    """Time single texts and one batch, both drawn from `texts`, and weigh the model folder."""
    singles = _draw(texts, LATENCY_ROWS, rng)
    for text in singles[:WARM_UP_CALLS]:
        classifier.predict_proba([text])
    latencies = [_seconds(classifier, [text]) * 1000 for text in singles]
    batch = _draw(texts, THROUGHPUT_ROWS, rng)
    return Performance(
        latency_p50_ms=float(np.percentile(latencies, 50)),
        latency_p95_ms=float(np.percentile(latencies, 95)),
        texts_per_second=len(batch) / _seconds(classifier, batch),
        size_bytes=saved_folder(classifier).size,
    )


def _draw(texts: Sequence[str], rows: int, rng: np.random.Generator) -> list[str]:
    chosen = rng.choice(len(texts), size=min(rows, len(texts)), replace=False)
    return [texts[row] for row in chosen]


def _seconds(classifier: TextClassifier, texts: list[str]) -> float:
    start = time.perf_counter()
    classifier.predict_proba(texts)
    return time.perf_counter() - start
