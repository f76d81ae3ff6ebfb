"""Records: the one write path, reads, history. Whatever door a write comes through, it passes ``writer``."""
