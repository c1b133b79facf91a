"""The prediction log: what was predicted, for which text, by which model version, and what people said about it."""

from sentiment.store.log import PredictionLog
from sentiment.store.records import HourCount, PredictionRecord, Role, Summary

__all__ = ["HourCount", "PredictionLog", "PredictionRecord", "Role", "Summary"]
