"""What happens to a model: registered, promoted, rolled back, archived, deployed."""

from sentiment.lifecycle.lifecycle import Lifecycle
from sentiment.lifecycle.standing import Observer

__all__ = ["Lifecycle", "Observer"]
