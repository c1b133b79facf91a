"""Predictions and feedback."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "predictions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_version", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("probabilities", sa.JSON().with_variant(JSONB, "postgresql"), nullable=False),
        sa.Column("latency_ms", sa.Double, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("caller", sa.String),
    )
    op.create_index("predictions_time", "predictions", ["time"])
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("prediction_id", sa.String(64), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("caller", sa.String),
    )
    op.create_index("feedback_prediction", "feedback", ["prediction_id", "time"])
    op.create_index("feedback_time", "feedback", ["time"])


def downgrade() -> None:
    """Drop both tables, with everything in them."""
    op.drop_table("feedback")
    op.drop_table("predictions")
