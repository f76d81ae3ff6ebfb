"""Scenarios: stories of an app, played on a scratch instance with a clock that is moved. See docs/decisions/0017."""
