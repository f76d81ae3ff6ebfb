"""Long work as rows: progress, cancel, going on after kill -9. See docs/decisions/0012."""
