"""Small programs for developers; started by dev.py."""
