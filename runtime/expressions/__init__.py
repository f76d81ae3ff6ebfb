"""Formulas and texts of an app's documents on one record, inside a transaction that may just have written it."""
