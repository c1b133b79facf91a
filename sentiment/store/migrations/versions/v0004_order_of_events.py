"""In which order the events of the journal were written: the clocks of the machines that write them may differ."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Number the rows there are: SQLite knows the order they were written in, PostgreSQL only their times."""
    op.add_column("events", sa.Column("position", sa.BigInteger, nullable=False, server_default="0"))
    if op.get_bind().dialect.name == "sqlite":
        op.execute("UPDATE events SET position = rowid")
    else:
        op.execute(
            "UPDATE events SET position = numbered.row FROM "
            "(SELECT id, row_number() OVER (ORDER BY time, id) AS row FROM events) AS numbered "
            "WHERE events.id = numbered.id"
        )
    op.create_index("events_position", "events", ["model_name", "position"])


def downgrade() -> None:
    """Forget the order."""
    op.drop_index("events_position", "events")
    with op.batch_alter_table("events") as batch:
        batch.drop_column("position")
