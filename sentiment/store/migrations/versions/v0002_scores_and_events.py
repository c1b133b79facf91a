"""The results of batch scoring, and the journal of what happened to the model."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "scores",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("batch", sa.String(200), nullable=False),
        sa.Column("review_id", sa.String, nullable=False),
        sa.Column("model_version", sa.String, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("probabilities", sa.JSON().with_variant(JSONB, "postgresql"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True)),
        sa.Column("category", sa.String),
        sa.Column("language", sa.String),
        sa.Column("source", sa.String),
        sa.UniqueConstraint("batch", "review_id", "model_version", name="scores_key"),
    )
    op.create_index("scores_time", "scores", ["time"])
    op.create_table(
        "events",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("model_name", sa.String, nullable=False),
        sa.Column("model_version", sa.String),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("detail", sa.JSON().with_variant(JSONB, "postgresql"), nullable=False),
    )
    op.create_index("events_kind", "events", ["model_name", "kind", "time"])


def downgrade() -> None:
    """Drop both tables, with everything in them."""
    op.drop_table("events")
    op.drop_table("scores")
