"""Sentiment models for Korean and English reviews: the domain, free of any orchestrator or server."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentiment.predictor import Prediction, Predictor

__all__ = ["Prediction", "Predictor"]


def __getattr__(name: str) -> object:
    # Imported on use: whoever imports sentiment.config or sentiment.errors should not pay for numpy and polars.
    if name in __all__:
        return getattr(import_module("sentiment.predictor"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
