"""Divide the reviews into train, validation and test."""

from typing import Annotated

from zenml import log_metadata, step

from sentiment.config.dataset import SplitConfig
from sentiment.data.reviews import Reviews, Splits
from sentiment.data.split import split
from steps.caching import CODE_AWARE
from steps.names import SUMMARY, TEST, TRAIN, VALIDATION


@step(cache_policy=CODE_AWARE)
def split_reviews(
    reviews: Splits, config: SplitConfig
) -> tuple[Annotated[Reviews, TRAIN], Annotated[Reviews, VALIDATION], Annotated[Reviews, TEST]]:
    """Split by the config's method; equal texts never cross."""
    splits = split(reviews, config)
    sizes = f"{len(splits.train):,} train, {len(splits.validation):,} validation, {len(splits.test):,} test"
    log_metadata({SUMMARY: sizes})
    return splits.train, splits.validation, splits.test
