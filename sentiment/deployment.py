"""The address under which ZenML stored deployments before 0.2.0; goes with 0.3.0."""

from sentiment.lifecycle.deployment import Deployment, ServedModel

__all__ = ["Deployment", "ServedModel"]
