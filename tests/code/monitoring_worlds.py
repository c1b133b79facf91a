"""A model of the bundled corpus with its reference, and windows of answers, for the tests of monitoring."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from sentiment.config.dataset import DatasetConfig
from sentiment.config.load import load_config
from sentiment.data.clean import clean
from sentiment.data.read import read
from sentiment.data.reviews import Reviews, Splits
from sentiment.home import PROJECT
from sentiment.kinds.linear import LinearConfig
from sentiment.models.base import TextClassifier
from sentiment.monitoring.reference import Reference
from sentiment.text.normalise import TextNormaliser
from sentiment.text.pii import mask_series
from sentiment.training.linear import train_linear

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """`traffic`: rows like the reference's, in neither it nor the training rows; `services`: another domain."""

    classifier: TextClassifier
    splits: Splits
    reference: Reference
    traffic: pl.DataFrame
    services: pl.DataFrame


def make_world(seed: int = 0) -> World:
    """Of the labelled reviews of 2024, a third each to train, to profile and to send as traffic."""
    source = PROJECT / "data/sample/reviews.csv"
    config = load_config(
        PROJECT / "configs/datasets/sample.yaml",
        DatasetConfig,
        ["name=sample", f"path={source}", "created_before=null"],
    )
    cleaned, _ = clean(read(config)[0], TextNormaliser())
    frame = cleaned.train.frame()
    later = frame["created_at"].dt.year() > 2024
    drawn = frame.filter(~later).sample(fraction=1, seed=seed, shuffle=True)
    third = drawn.height // 3
    train, held_out, traffic = (drawn.slice(part * third, third) for part in range(3))
    splits = Splits(*(Reviews.from_frame(rows, cleaned.labels) for rows in (train, held_out[:300], held_out[300:])))
    classifier = train_linear(
        LinearConfig(name="linear"), splits.train, splits.validation, normaliser=TextNormaliser(), seed=0
    )
    reference = Reference.build(classifier, splits, seed, accuracy=0.8, macro_f1=0.79)
    return World(classifier, splits, reference, traffic, frame.filter(later))


def answered(classifier: TextClassifier, texts: pl.Series, start: datetime = START) -> pl.DataFrame:
    """The window of a model that was sent `texts`, one a minute."""
    probabilities = classifier.predict_proba(texts.to_list())
    return pl.DataFrame(
        {
            "id": [f"p{row}" for row in range(len(texts))],
            "time": [start + timedelta(minutes=row) for row in range(len(texts))],
            "model_version": ["7"] * len(texts),
            "text": mask_series(texts),
            "label": np.array(classifier.labels)[probabilities.argmax(axis=1)],
            "confidence": probabilities.max(axis=1).astype(np.float64),
        },
        schema_overrides={"time": pl.Datetime("us", "UTC")},
    )
