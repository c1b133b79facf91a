"""Whose row it is: one database may serve several models."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# By the name of the only model there was; a model without a journal had the name that every config has by default.
DEFAULT_NAME = "sentiment"


def upgrade() -> None:
    """Give every row the name of the one model there was, which is also that of rows a version before writes.

    What made a row of `scores` unique is its `id`, a digest that the model's name is part of.
    """
    names = op.get_bind().scalars(sa.text("SELECT DISTINCT model_name FROM events")).all()
    name = names[0] if len(names) == 1 else DEFAULT_NAME
    for table in ("predictions", "feedback"):
        op.add_column(table, sa.Column("model_name", sa.String, nullable=False, server_default=name))
        op.create_index(f"{table}_model", table, ["model_name", "time"])
        op.drop_index(f"{table}_time", table)
    with op.batch_alter_table("scores") as scores:
        scores.add_column(sa.Column("model_name", sa.String, nullable=False, server_default=name))
        scores.drop_constraint("scores_key", type_="unique")
        scores.drop_index("scores_time")
        scores.create_index("scores_batch", ["model_name", "batch", "model_version"])
        scores.create_index("scores_model", ["model_name", "time"])


def downgrade() -> None:
    """Forget whose rows they are."""
    with op.batch_alter_table("scores") as scores:
        scores.drop_index("scores_batch")
        scores.drop_index("scores_model")
        scores.drop_column("model_name")
        scores.create_unique_constraint("scores_key", ["batch", "review_id", "model_version"])
        scores.create_index("scores_time", ["time"])
    for table in ("predictions", "feedback"):
        op.drop_index(f"{table}_model", table)
        op.create_index(f"{table}_time", table, ["time"])
        with op.batch_alter_table(table) as batch:
            batch.drop_column("model_name")
