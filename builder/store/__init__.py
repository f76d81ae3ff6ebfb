"""Storage: column types, platform tables, and the Database port with its two drivers (SQLite, PostgreSQL)."""
