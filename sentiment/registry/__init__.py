"""The model registry: versions, the champion, and how it came to be."""

from sentiment.registry.records import Change, ModelVersion
from sentiment.registry.registry import Registry
from sentiment.registry.tracking import default_tracking_uri

__all__ = ["Change", "ModelVersion", "Registry", "default_tracking_uri"]
