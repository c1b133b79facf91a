"""Retraining: which labels from users may teach the model, and when it is time."""
