"""Assignment rules: who gets a record, why, and the pool of those that nobody has. See docs/decisions/0021."""
