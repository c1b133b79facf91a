"""The tables of the prediction database. Any change here needs a migration: a test compares the two."""

from datetime import UTC, datetime

from sqlalchemy import JSON, BigInteger, Column, DateTime, Dialect, Double, Index, MetaData, String, Table, Text
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


def _model_name() -> Column[str]:
    """Whose row it is. The default is for a server of a version before, which does not say."""
    return Column("model_name", String, nullable=False, server_default="sentiment")


predictions = Table(
    "predictions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("time", UtcDateTime, nullable=False),
    _model_name(),
    Column("model_version", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("label", String, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("probabilities", JSON().with_variant(JSONB, "postgresql"), nullable=False),
    Column("latency_ms", Double, nullable=False),
    Column("role", String(16), nullable=False),
    Column("caller", String),
    Index("predictions_model", "model_name", "time"),
)

# No foreign key: when several processes catch up after an outage, an answer may arrive before its prediction.
feedback = Table(
    "feedback",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("prediction_id", String(64), nullable=False),
    Column("time", UtcDateTime, nullable=False),
    _model_name(),
    Column("label", String, nullable=False),
    Column("source", String, nullable=False),
    Column("caller", String),
    Index("feedback_prediction", "prediction_id", "time"),
    Index("feedback_model", "model_name", "time"),
)

# One row for each review of a batch and version of a model; `id` is a digest of the four.
scores = Table(
    "scores",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("batch", String(200), nullable=False),
    Column("review_id", String, nullable=False),
    _model_name(),
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
    Index("scores_batch", "model_name", "batch", "model_version"),
    Index("scores_model", "model_name", "time"),
)

# What happened to the model: verdicts of monitoring, alerts, decisions to retrain, pauses. `position` is the order in
# which they were written; a server of a version before writes none, and its rows count as the oldest.
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
    Column("position", BigInteger, nullable=False, server_default="0"),
    Index("events_kind", "model_name", "kind", "time"),
    Index("events_position", "model_name", "position"),
)
