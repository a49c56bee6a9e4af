"""`pada sql`: one query as a table, CSV, JSON or Parquet; or a console for several."""

from engine.cli.sql.command import sql_command
from engine.cli.sql.output import show
from engine.cli.sql.said import tell_unseen

__all__ = ["show", "sql_command", "tell_unseen"]
