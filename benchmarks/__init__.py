"""Benchmarks: the service with everything switched on against a hand-written one (``yardstick``), on both databases."""
