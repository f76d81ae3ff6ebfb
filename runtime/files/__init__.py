"""Files: taken in, looked at, kept by content, given out, and cleared away when no record holds them."""
