"""Pipelines: where records stand, what leads on, what is missing, and how long it took. See docs/decisions/0018."""
