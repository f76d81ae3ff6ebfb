"""Approvals: asked for, answered, passed on, escalated; what they cover is locked. See docs/decisions/0019."""
