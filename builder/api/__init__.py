"""REST routes of the builder under ``/builder/v1``. Thin: rules live in ``builder.registry`` and ``builder.packages``."""
