"""Doors for people without an account: share links, public forms. See docs/decisions/0024."""
