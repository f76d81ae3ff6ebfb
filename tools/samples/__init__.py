"""Writes the sample records of the templates: one year of a believable company, the same bytes every time."""
