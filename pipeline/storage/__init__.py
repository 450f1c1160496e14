"""PostgreSQL: tables, migrations, bulk reads and writes, queries, the embedded server. The only SQLAlchemy."""
