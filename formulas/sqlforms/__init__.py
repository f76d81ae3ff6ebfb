"""SQL forms: how operators and functions are said to SQLite and PostgreSQL."""
