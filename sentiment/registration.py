"""The address under which ZenML stored registrations before 0.2.0; goes with 0.3.0."""

from sentiment.lifecycle.registration import Registration

__all__ = ["Registration"]
