"""What Alembic runs: the migrations, on the connection that `upgrade` holds."""

from alembic import context

from sentiment.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
