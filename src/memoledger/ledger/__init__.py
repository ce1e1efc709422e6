"""PostgreSQL, and only here: servers, pool, migrations, and one module for each aggregate."""
