"""The schema registry: what an app is, and how it changes."""
