"""Ticking: everything that falls due is looked at every second, by hand in tests. See docs/decisions/0012."""
