"""What Alembic runs to reach the database. It is read by Alembic alone: nothing imports it."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
