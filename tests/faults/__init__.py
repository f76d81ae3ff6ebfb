"""Faults in real processes."""
