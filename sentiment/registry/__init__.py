"""The model registry: versions, the champion, and how it came to be."""

from sentiment.registry.records import ModelVersion, PromotionEvent
from sentiment.registry.registry import Registry
from sentiment.registry.tracking import default_tracking_uri

__all__ = ["ModelVersion", "PromotionEvent", "Registry", "default_tracking_uri"]
