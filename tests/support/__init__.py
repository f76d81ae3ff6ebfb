"""What several kinds of tests share: databases and the like. Not a place for assertions."""
