"""Upkeep: what is old goes, on a cron line, as jobs. See docs/decisions/0012."""
