"""Checks: a draft -> all findings at once. A new check is one function in one file and one line in ``run``."""
