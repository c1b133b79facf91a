"""The tables of the prediction database. Any change here needs a migration: a test compares the two."""

from datetime import UTC, datetime

from sqlalchemy import JSON, Column, DateTime, Dialect, Double, Index, MetaData, String, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in, aware UTC datetimes out; SQLite, which has no time zones, keeps them as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Restore the time zone."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


metadata = MetaData()

predictions = Table(
    "predictions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("time", UtcDateTime, nullable=False),
    Column("model_version", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("label", String, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("probabilities", JSON().with_variant(JSONB, "postgresql"), nullable=False),
    Column("latency_ms", Double, nullable=False),
    Column("role", String(16), nullable=False),
    Column("caller", String),
    Index("predictions_time", "time"),
)

# No foreign key: when several processes catch up after an outage, an answer may arrive before its prediction.
feedback = Table(
    "feedback",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("prediction_id", String(64), nullable=False),
    Column("time", UtcDateTime, nullable=False),
    Column("label", String, nullable=False),
    Column("source", String, nullable=False),
    Column("caller", String),
    Index("feedback_prediction", "prediction_id", "time"),
    Index("feedback_time", "time"),
)

# One row for each review of a batch and version of the model; `id` is a digest of the three.
scores = Table(
    "scores",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("batch", String(200), nullable=False),
    Column("review_id", String, nullable=False),
    Column("model_version", String, nullable=False),
    Column("time", UtcDateTime, nullable=False),
    Column("text", Text, nullable=False),
    Column("label", String, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("probabilities", JSON().with_variant(JSONB, "postgresql"), nullable=False),
    Column("created_at", UtcDateTime),
    Column("category", String),
    Column("language", String),
    Column("source", String),
    UniqueConstraint("batch", "review_id", "model_version", name="scores_key"),
    Index("scores_time", "time"),
)

# What happened to the model: verdicts of monitoring, alerts, decisions to retrain, pauses.
events = Table(
    "events",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("time", UtcDateTime, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("model_name", String, nullable=False),
    Column("model_version", String),
    Column("summary", Text, nullable=False),
    Column("detail", JSON().with_variant(JSONB, "postgresql"), nullable=False),
    Index("events_kind", "model_name", "kind", "time"),
)
